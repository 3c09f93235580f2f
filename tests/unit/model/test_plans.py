"""A plan that no run could account for begins none: it is refused when it is put on the volume, and when it is read."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from orchestrator.errors import UsageError
from orchestrator.model import Cell, Plan
from orchestrator.model.documents import DocumentError, encode
from orchestrator.upkeep.plans import read_part, read_plan, write_plan
from orchestrator.volume.layout import Volume
from tests.aggregation import make_plan, make_target

PLAN = make_plan([make_target(1), make_target(2)])
BROKEN: dict[str, Callable[[], Plan]] = {
    "no such target": lambda: _and(cells=(Cell(target="sha256-gone", scan=PLAN.cells[0].scan),)),
    "no such scan": lambda: _and(cells=(Cell(target=PLAN.targets[0].id, scan="gone"),)),
    "it has a cell twice": lambda: _and(cells=(PLAN.cells[-1],)),
    "it has a scan or a target twice": lambda: _and(targets=(PLAN.targets[0],)),
    "a scan or a target twice": lambda: _and(scans=(PLAN.scans[0],)),
}


def _and(**more: tuple[object, ...]) -> Plan:
    return msgspec.structs.replace(PLAN, **{name: (*getattr(PLAN, name), *value) for name, value in more.items()})


@pytest.mark.parametrize("words", BROKEN)
def test_what_contradicts_itself_is_refused(volume: Volume, words: str) -> None:
    plan = BROKEN[words]()
    with pytest.raises(UsageError, match=f"contradicts itself: .*{words}"):
        write_plan(plan, volume)
    assert not volume.plan(plan.run).exists()
    volume.plan(plan.run).parent.mkdir(parents=True)
    volume.plan(plan.run).write_bytes(encode(plan))
    with pytest.raises(DocumentError, match=rf"run-1\.json: the plan contradicts itself: .*{words}"):
        read_plan(plan.run, volume)
    part = volume.plan_parts(plan.run) / "001.json"
    part.parent.mkdir(parents=True)
    part.write_bytes(encode(plan))
    with pytest.raises(DocumentError, match=rf"001\.json: the plan contradicts itself: .*{words}"):
        read_part(plan.run, "001", volume)


def test_what_does_not_is_read_as_it_was_written(volume: Volume) -> None:
    write_plan(PLAN, volume)
    assert read_plan(PLAN.run, volume) == PLAN


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)
