"""A local engine claims its runs as a Workflow does; one that is cut off can be resumed, and is finished later."""

import os
import time
from pathlib import Path

import msgspec
import pytest

from orchestrator.engines.interface import Silent
from orchestrator.engines.local.engine import LocalEngine
from orchestrator.engines.local.lock import locked
from orchestrator.model import Decision, Plan
from orchestrator.results.ledger import read_ledger
from orchestrator.upkeep.claims import MARGIN, RunClaim, RunTakenError, claims
from orchestrator.volume.layout import Volume, write_atomic
from tests.aggregation import make_plan


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def plan() -> Plan:
    """One of which nothing runs."""
    made = make_plan()
    cells = [msgspec.structs.replace(cell, decision=Decision.SKIP, reason="fresh") for cell in made.cells]
    return msgspec.structs.replace(made, cells=tuple(cells))


class Watching(Silent):
    """Looks at the claims when the run begins, and may cut it off there."""

    def __init__(self, volume: Volume, *, cut: bool = False) -> None:
        self.volume, self.cut = volume, cut
        self.seen: tuple[RunClaim, ...] = ()

    def plan_started(self, plan: Plan) -> None:
        self.seen = claims(self.volume)
        if self.cut:
            raise KeyboardInterrupt


def test_a_run_is_claimed_while_it_lasts(volume, plan):
    watching = Watching(volume)
    LocalEngine(volume).run(plan, watching)
    assert [claim.run for claim in watching.seen] == [plan.run]
    assert claims(volume) == ()


def test_a_run_that_was_cut_off_waits_a_day_to_be_resumed(volume, plan):
    engine = LocalEngine(volume)
    with pytest.raises(Exception, match="resume"):
        engine.run(plan, Watching(volume, cut=True))
    assert engine.finish_left() == ()
    late = time.time() - plan.limits.deadline - MARGIN - 60
    os.utime(volume.claim(plan.run), (late, late))
    with locked(volume.run(plan.run), plan.run):  # resumed, and still at work
        assert engine.finish_left() == ()
    assert len(engine.finish_left()) == 1
    assert len(read_ledger(volume, plan.run).rows) == len(plan.cells)
    engine.run(plan, Silent())  # it can be resumed all the same
    assert claims(volume) == ()


def test_a_run_of_the_cluster_is_no_local_run(volume, plan):
    write_atomic(volume.claim(plan.run), msgspec.json.encode(RunClaim(run=plan.run, workflow="wf", uid="u")))
    with pytest.raises(RunTakenError, match="Workflow wf"):
        LocalEngine(volume).run(plan, Silent())
