"""What becomes of a run when its engine, its store or its plan fail it."""

import threading
from dataclasses import dataclass, field

import pytest

from orchestrator.config.loading import default_config
from orchestrator.engines.interface import EngineError, Interrupted, Silent
from orchestrator.errors import TemporaryError, UsageError
from orchestrator.inventory import collect
from orchestrator.service import carrier as module
from orchestrator.service.carrier import Carrier, Progress
from orchestrator.service.notes import Notes
from orchestrator.service.planner import Planner
from orchestrator.service.scheduler import rules_of
from orchestrator.steps.aggregate import aggregate
from orchestrator.store import StoreGoneError
from orchestrator.volume.layout import Volume
from tests.aggregation import put_record, put_report
from tests.integration.engine import REPORT
from tests.stored_runs import AskedStore
from tests.tools import layouts
from tests.tools.images import Image, layer


@dataclass
class Engine(Silent):
    """Fails as configured, then has every cell end well."""

    errors: list[BaseException] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    volume: Volume | None = None

    def fit(self, plan):
        return plan

    def run(self, plan, observer):
        volume = self.volume
        self.runs.append(plan.run)
        if self.errors:
            raise self.errors.pop(0)
        for cell in plan.cells:
            put_report(volume, plan, cell.target, cell.scan, REPORT)
            put_record(volume, plan, cell.target, cell.scan)
        return aggregate(plan, volume)

    def interrupt(self) -> None:
        """Nothing."""


@dataclass
class Rig:
    store: AskedStore
    volume: Volume
    planner: Planner
    rules: object
    config: object
    entries: list

    def carry(self, engine: Engine, notes: Notes | None = None, *, stop: threading.Event | None = None):
        """Take what is due, and carry it; the states of the store afterwards."""
        submission = self.store.take("run-1", "me", most=1, most_cells=10, lease=60)
        engine.volume = self.volume
        made = Carrier(
            self.config, self.planner, self.store, engine, self.rules,
            volume=self.volume, notes=notes or Notes(), stop=stop or threading.Event(),
        )  # fmt: skip
        made.carry(submission, Progress())
        return self.store.backlog()


@pytest.fixture
def rig(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "Backoff", lambda *_: type("Hasty", (), {"pause": lambda self: 0.0})())
    archive = layouts.write_archive(tmp_path / "a.tar", Image.build([layer({"a": "b"})]))
    config = default_config(
        environment={},
        targets=[{"archive": str(archive)}],
        scans={"default": ["root-user"]},
        volume={"path": str(tmp_path / "volume")},
    )
    planner, rules = Planner(config), rules_of(config)
    entries = collect(config)
    with AskedStore(f"sqlite:///{tmp_path / 'store.sqlite3'}", patience=0) as store:
        store.migrate()
        store.want([each.wanted for each in planner.look_up(entries)], rules, look=1, whole=True)
        yield Rig(store, Volume(config.volume.path), planner, rules, config, list(entries))


def test_it_goes_well(rig):
    engine = Engine()
    backlog = rig.carry(engine)
    assert engine.runs == ["run-1"]
    assert rig.store.states({}, backlog.at)[0].outcome == "ok"
    assert backlog.flights == ()


def test_what_may_pass_is_tried_as_often_as_it_takes(rig):
    engine = Engine([TemporaryError("busy")] * 7)
    backlog = rig.carry(engine)
    assert len(engine.runs) == 8
    assert backlog.flights == ()
    assert rig.store.states({}, backlog.at)[0].outcome == "ok"


@pytest.mark.parametrize("error", [UsageError("no such template"), PermissionError("read-only"), EngineError("broke")])
def test_what_does_not_pass_is_given_up_and_held(rig, error):
    engine = Engine([error] * 10)
    backlog = rig.carry(engine)
    assert len(engine.runs) == (1 if isinstance(error, UsageError) else 3)
    assert backlog.flights == ()
    [held] = backlog.held
    assert str(error) in held.reason


def test_an_engine_that_breaks_once_is_given_another_try(rig):
    backlog = rig.carry(Engine([EngineError("broke")]))
    assert (backlog.count("held"), backlog.flights) == (0, ())


def test_why_it_did_not_get_on_is_reported_to_everybody(rig, monkeypatch):
    told, engine = [], Engine([TemporaryError("the host is busy")])
    run = engine.run

    def watched(*given):
        told.append([flight.trouble for flight in rig.store.backlog().flights])
        return run(*given)

    monkeypatch.setattr(engine, "run", watched)
    rig.carry(engine)
    assert told == [[""], ["the host is busy"]]


def test_interrupted_it_leaves_the_run_in_its_place(rig, monkeypatch):
    stop, engine = threading.Event(), Engine([Interrupted("told to end")])
    run = engine.run

    def ended(*given):
        stop.set()
        return run(*given)

    monkeypatch.setattr(engine, "run", ended)
    backlog = rig.carry(engine, stop=stop)
    assert [flight.run for flight in backlog.flights] == ["run-1"]


def test_a_run_that_somebody_cancelled_gives_its_place_back(rig):
    told = []
    backlog = rig.carry(Engine([Interrupted("told to end")]), Notes(told.append))
    assert backlog.flights == ()
    assert "run run-1: the run was cancelled" in told


def test_a_ledger_that_is_there_is_imported_without_the_engine(rig, monkeypatch):
    take_in, away = rig.store.take_in, [StoreGoneError("away")] * 3

    def gone(*given):
        if away:
            raise away.pop()
        return take_in(*given)

    monkeypatch.setattr(rig.store, "take_in", gone)
    engine = Engine()
    backlog = rig.carry(engine)
    assert engine.runs == ["run-1"]  # once, though its results could not be imported three times
    assert backlog.flights == ()


def test_told_to_stop_it_does_not_begin(rig):
    stop = threading.Event()
    stop.set()
    engine = Engine()
    assert [flight.run for flight in rig.carry(engine, stop=stop).flights] == ["run-1"]
    assert engine.runs == []
