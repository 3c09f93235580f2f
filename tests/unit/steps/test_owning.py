"""One run, one Workflow at a time: the second fails before it writes anything, and what it ends with harms nothing."""

from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest

from orchestrator.argo.agreed import Exit
from orchestrator.argo.packed import pack
from orchestrator.model import Limits, Outcome
from orchestrator.planning.batches import split
from orchestrator.results.ledger import read_ledger
from orchestrator.steps import asking
from orchestrator.steps.__main__ import main
from orchestrator.steps.account import NotOnVolume, account
from orchestrator.steps.owning import own
from orchestrator.upkeep.claims import RunClaim, claims
from orchestrator.volume.layout import Volume
from orchestrator.volume.locks import held
from tests.aggregation import make_plan, make_target, put_clean_run
from tests.clusters import FakeCluster, workflow
from tests.filesystems import fill_up, small_filesystem
from tests.unit.steps.plans import scans_of


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """What pods with a token ask."""
    found = FakeCluster()
    (tmp_path / "token").touch()
    monkeypatch.setattr(asking, "TOKEN", tmp_path / "token")
    monkeypatch.setattr("orchestrator.cluster.client.Cluster", lambda _: _Open(found))
    return found


class _Open:
    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster

    def __enter__(self) -> FakeCluster:
        return self._cluster

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""


@pytest.fixture
def step(volume: Volume, tmp_path: Path):
    """A step of a Workflow; its exit status."""

    def run(command: str, name: str, *words: str) -> int:
        of_workflow = ["--namespace", "scanmatrix", f"--workflow={name}", f"--uid=uid-{name}"]
        return main([command, *words, *of_workflow, "--volume", str(volume.root)])

    return run


@pytest.fixture
def packed(tmp_path: Path) -> str:
    path = tmp_path / "packed"
    path.write_text(pack(make_plan()))
    return str(path)


def files(volume: Volume) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in volume.root.rglob("*") if path.is_file() and path.name != ".lock"}


def test_a_second_workflow_of_a_run_writes_nothing(volume, cluster, step, packed, capsys):
    cluster.there["one"] = workflow("one")
    assert step("plan", "one", packed) == Exit.DONE
    put_clean_run(volume, make_plan())
    before = files(volume)
    assert step("plan", "two", packed) == Exit.TAKEN
    assert "Workflow one" in capsys.readouterr().err
    assert step("aggregate", "two", "--run", "run-1") == Exit.TAKEN  # its exit handler
    assert files(volume) == before
    assert step("aggregate", "one", "--run", "run-1") == Exit.DONE
    assert read_ledger(volume, "run-1").count(Outcome.OK) == 5
    assert claims(volume) == ()


def test_the_exit_handler_of_a_refused_workflow_never_does_anything(volume, cluster, step, packed):
    node = {"id": "x", "type": "Pod", "templateName": "plan", "phase": "Failed", "message": "main: Error (exit code 4)"}
    cluster.there = {"one": workflow("one"), "two": workflow("two", nodes={"x": node})}
    assert step("plan", "one", packed) == Exit.DONE
    assert step("aggregate", "one", "--run", "run-1") == Exit.FAILED  # no cell ran, which the policy forbids
    before = files(volume)
    assert step("aggregate", "two", "--run", "run-1") == Exit.TAKEN
    assert files(volume) == before


def test_the_same_workflow_may_plan_and_end_again(volume, cluster, step, packed):
    cluster.there["one"] = workflow("one")
    assert step("plan", "one", packed) == step("plan", "one", packed) == Exit.DONE
    put_clean_run(volume, make_plan())
    assert step("aggregate", "one", "--run", "run-1") == Exit.DONE
    assert step("aggregate", "one", "--run", "run-1") == Exit.DONE


def test_a_retry_of_a_run_that_ended_is_its_next_holder(volume, cluster, step, packed):
    cluster.there["one"] = workflow("one")
    step("plan", "one", packed)
    step("aggregate", "one", "--run", "run-1")
    assert step("plan", "again", packed) == Exit.DONE
    assert [claim.workflow for claim in claims(volume)] == ["again"]


@pytest.mark.parametrize("left", [(), (workflow("one", "Failed", shutdown="Terminate"),)])
def test_a_run_whose_workflow_is_gone_may_be_begun_again_at_once(volume, cluster, step, packed, left):
    cluster.there["one"] = workflow("one")
    step("plan", "one", packed)
    cluster.there = {each.metadata.name: each for each in left}
    assert step("plan", "two", packed) == Exit.DONE
    assert [claim.workflow for claim in claims(volume)] == ["two"]


def test_where_nobody_can_be_asked_the_first_keeps_its_run(volume, cluster, step, packed):
    step("plan", "one", packed)
    cluster.away = True
    assert step("plan", "two", packed) == Exit.TAKEN


def test_a_shard_works_for_its_parent(volume, cluster, step, packed, tmp_path):
    step("plan", "one", packed)
    words = ["--run", "run-1", "--shard=001", "--outputs", str(tmp_path / "out"), *scans_of(make_plan())]
    assert step("plan", "one-001", packed, *words) == Exit.DONE
    assert [claim.workflow for claim in claims(volume)] == ["one"]


def test_parts_of_a_run_have_workflows_of_their_own_and_each_part_one(volume, cluster, step, tmp_path):
    plan = make_plan(targets=[make_target(1), make_target(2)])
    plan = msgspec.structs.replace(plan, waves=(("app-1",), ("app-2",)), limits=Limits(cells_per_shard=5))
    paths = [tmp_path / "first", tmp_path / "second"]
    for path, part in zip(paths, split(plan), strict=True):
        path.write_text(pack(part))
    cluster.there = {name: workflow(name) for name in ("one", "two", "again")}
    assert step("plan", "one", str(paths[0])) == step("plan", "two", str(paths[1])) == Exit.DONE
    assert step("plan", "again", str(paths[1])) == Exit.TAKEN


def test_the_next_run_frees_what_the_last_one_left_and_makes_no_results_but_its_own(
    volume, cluster, step, packed, tmp_path
):
    """Another run's results could take more memory than its own have left."""
    cluster.there["one"] = workflow("one")
    step("plan", "one", packed)
    cluster.there = {"two": workflow("two", run="run-2")}
    assert volume.reserve("run-1").exists()
    words = ["--run", "run-2", "--outputs", str(tmp_path / "out"), *scans_of(make_plan())]
    assert step("plan", "two", packed, *words) == Exit.DONE
    assert not volume.reserve("run-1").exists()
    step("aggregate", "two", "--run", "run-2")
    assert len(read_ledger(volume, "run-2").rows) == 5
    assert not volume.results("run-1").exists()
    assert [claim.run for claim in claims(volume)] == ["run-1"]  # for the reaper


def test_a_claim_says_which_cluster_its_workflow_is_in(volume, cluster, step, packed):
    step("plan", "one", packed)
    assert [claim.cluster for claim in claims(volume)] == [cluster.identity]


def test_a_workflow_of_another_cluster_keeps_its_run(volume, cluster, step, packed):
    """Where two clusters share a volume, that of the one is not in the other; that does not mean it was deleted."""
    cluster.there["one"] = workflow("one")
    step("plan", "one", packed)
    before = sorted(volume.root.rglob("*"))
    cluster.identity, cluster.there = "uid-elsewhere", {}
    assert step("plan", "two", packed) == Exit.TAKEN
    assert main(["reap", "--namespace", "scanmatrix", "--volume", str(volume.root)]) == Exit.DONE
    assert sorted(volume.root.rglob("*")) == before
    cluster.identity = "uid-here"
    assert main(["reap", "--namespace", "scanmatrix", "--volume", str(volume.root)]) == Exit.DONE
    assert claims(volume) == ()


def test_the_reaper_finishes_what_is_left(volume, cluster, step, packed, capsys):
    cluster.there["one"] = workflow("one")
    step("plan", "one", packed)
    words = ["reap", "--namespace", "scanmatrix", "--volume", str(volume.root)]
    assert main(words) == Exit.DONE
    assert claims(volume) != ()
    cluster.there = {}
    assert main(words) == Exit.DONE
    assert "run-1" in capsys.readouterr().out
    assert len(read_ledger(volume, "run-1").rows) == 5


def test_a_provisional_ledger_leaves_the_cluster_as_no_results(volume, cluster, step, packed, capsys):
    """A copy of it would have no mark that says what it is."""
    step("plan", "one", packed)
    volume.results("run-1").mkdir(parents=True)
    (volume.results("run-1") / ".aggregating").write_text("1 provisional\n")
    account(make_plan(), volume, "being put together", NotOnVolume((), {}))
    words = ["results", "--run", "run-1", "--volume", str(volume.root)]
    assert main(words) == Exit.USAGE
    assert "Workflow one" in capsys.readouterr().err
    (volume.results("run-1") / ".aggregating").unlink()
    assert main(words) == Exit.DONE


def test_a_cache_that_fills_the_volume_keeps_no_workflow_from_its_run(tmp_path):
    with small_filesystem(tmp_path / "small", "1m"):
        volume = Volume(tmp_path / "small")
        blob = volume.blob("sha256:1")
        blob.parent.mkdir()
        blob.write_bytes(b"x" * 100_000)
        with held(volume.lock("run-1")):
            pass
        fill_up(volume.root / "filler")
        claim = RunClaim(run="run-1", workflow="one", uid="uid-one")
        with pytest.raises(OSError, match="No space"):
            own(claim, volume, None)  # the tarball may just have been pulled
        with patch("time.time", lambda: blob.stat().st_ctime + 4000 if blob.exists() else 0.0):
            own(claim, volume, None)
        assert claims(volume) == (claim,)
        assert not blob.exists()


def test_results_of_a_run_without_any_say_why(volume, cluster, step, packed, capsys):
    words = ["results", "--run", "run-1", "--volume", str(volume.root)]
    for expected in ("neither plan nor results", "Workflow one", "retry"):
        assert main(words) == Exit.USAGE
        assert expected in capsys.readouterr().err
        if expected.startswith("neither"):
            step("plan", "one", packed)
        else:
            volume.claim("run-1").unlink(missing_ok=True)
