"""Files that somebody was killed over: they go when their run ends, and nothing that is being written does."""

import os
import signal
import time
from pathlib import Path

import pytest

from orchestrator.steps.aggregate import aggregate
from orchestrator.upkeep.leftovers import clear_unfinished
from orchestrator.upkeep.plans import write_plan
from orchestrator.volume.layout import Volume, atomic_file
from tests.aggregation import make_plan, put_clean_run


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


def unfinished(volume: Volume) -> list[str]:
    return sorted(path.name.rpartition(".json.")[0] for path in volume.root.rglob(".*.tmp"))


def killed_over(path: Path, *, mode: int = 0o640) -> None:
    """Begin to write a file, and die."""
    child = os.fork()
    if child == 0:
        with atomic_file(path, mode=mode) as file:
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)


def test_what_killed_writers_of_a_run_left_goes_when_its_results_are_made(volume: Volume) -> None:
    plan = make_plan()
    write_plan(plan, volume)
    put_clean_run(volume, plan)
    cell = plan.cells[0]
    killed_over(volume.results(plan.run) / "findings.json")
    killed_over(volume.record(plan.run, cell.target, cell.scan))
    killed_over(volume.cell(plan.run, cell.target, cell.scan) / "copy.json", mode=0o444)
    killed_over(volume.plan(plan.run))
    killed_over(volume.claim(plan.run))
    killed_over(volume.claim(f"{plan.run}-2"))
    assert len(unfinished(volume)) == 6
    aggregate(plan, volume)
    assert unfinished(volume) == [f".{plan.run}-2"]  # another run's own


def test_what_is_being_written_stays(volume: Volume) -> None:
    path = volume.results("run-1") / "findings.json"
    with atomic_file(path) as file:
        file.write(b"whole")
        assert clear_unfinished("run-1", volume) == 0
    assert path.read_bytes() == b"whole"


def test_what_runs_share_goes_when_it_is_old(volume: Volume) -> None:
    for name in ("young", "old"):
        killed_over(volume.root / "ages" / f"{name}.json")
    (old,) = volume.root.glob("ages/.old.*")
    os.utime(old, (0, 0))
    clear_unfinished("run-1", volume)
    assert unfinished(volume) == [".young"]


def test_copies_that_nobody_uses_go_at_the_end_of_any_run(volume: Volume) -> None:
    """No further image of this machine need be copied for that."""
    for name, days in (("docker-old.tar", 8), ("docker-young.tar", 6)):
        path = volume.kept / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        os.utime(path, (time.time() - days * 86_400,) * 2)
    killed_over(volume.kept / "podman-half.tar")
    (half,) = volume.kept.glob(".podman-half.*")
    os.utime(half, (time.time() - 7200,) * 2)
    plan = make_plan()
    write_plan(plan, volume)
    put_clean_run(volume, plan)
    aggregate(plan, volume)
    assert [path.name for path in volume.kept.iterdir()] == ["docker-young.tar"]
