"""`scanmatrix schedule --show`, and what the live view says."""

import io
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.cli.backlog import _picture, spell, waits
from orchestrator.service.notes import Notes
from orchestrator.store.backlog.messages import Backlog, Flight, Held, Tally
from orchestrator.store.backlog.store import BacklogStore
from tests.backlog_suite import RULES, wanted

NOW = datetime(2025, 3, 1, tzinfo=UTC)
FLIGHT = Flight(run="run-1", holder="pod-a", stage="running", began=NOW - timedelta(minutes=3), cells=9, targets=3)
HELD = Held(
    reference="docker.io/library/app:1", scan="virus", failures=2, reason="crashed", due=NOW + timedelta(hours=5)
)


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scanmatrix.yaml").write_text("store: {url: 'sqlite:///store.sqlite3'}\n")
    with BacklogStore(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.migrate()
        store.want([wanted("a", "sbom", "virus")], RULES, look=1, whole=True)
        store.take("run-1", "pod-a", most=1, most_cells=1, lease=60)
        store.want([wanted("b", "sbom")], RULES, look=1)
    return lambda *words: CliRunner().invoke(app, ["schedule", "--show", *words])


def test_a_volume_on_which_nothing_ever_ran_answers_like_any_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["schedule", "--show"])
    assert (shown.exit_code, "no source" in shown.output) == (0, True), shown.output


def test_how_fresh_everything_is(call):
    shown = call()
    assert shown.exit_code == 0, shown.output
    for words in ("sbom", "virus", "run-1", "pod-a", "1 cell waits until a run in flight has ended"):
        assert words in shown.stdout
    found = json.loads(call("--output", "json").stdout)
    assert [(tally["scan"], tally["due"], tally["in_flight"]) for tally in found["tallies"]] == [
        ("sbom", 1, 1), ("virus", 0, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("backlog", "words"),
    [
        (Backlog(at=NOW), "no source"),
        (Backlog(at=NOW, tallies=(Tally("a", due=3),)), "3 cells wait, and no run"),
        (Backlog(at=NOW, tallies=(Tally("a", due=3),), flights=(FLIGHT,)), "3 cells wait"),
        (Backlog(at=NOW, tallies=(Tally("a", in_flight=3),), flights=(FLIGHT,)), "Nothing else is due"),
        (Backlog(at=NOW, tallies=(Tally("a", fresh=1),), next_due=NOW + timedelta(days=3)), "in 3d"),
    ],
)
def test_why_nothing_more_is_done(backlog, words):
    assert words in waits(backlog)


def test_spans_of_time():
    assert [spell(NOW + timedelta(seconds=s), NOW) for s in (0, 59, 60, 7200, 86400 * 9)] == [
        "0s", "59s", "1m", "2h", "9d",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [60, 120])
def test_the_live_view_says_what_is_wrong_too(width):
    notes = Notes()
    notes.tell("run run-0: 4 ok")
    notes.trouble("inventory", "targets.csv: missing", 30)
    backlog = Backlog(at=NOW, tallies=(Tally("virus", fresh=5, held=1),), flights=(FLIGHT,), held=(HELD,))
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(_picture(backlog, SimpleNamespace(notes=notes, in_flight={"run-1": 4}), width))
    said = console.export_text()
    for words in ("virus", "4/9", "3m", "targets.csv: missing", "run run-0: 4 ok"):
        assert words in said
    assert max(map(len, said.splitlines())) <= width
    console.print(_picture(None, SimpleNamespace(notes=notes, in_flight={}), width))
    assert "targets.csv: missing" in console.export_text()
