"""A third engine is one folder: every command, the scheduler and asyncio work with it, and no list names it."""

import asyncio
import compileall
import json
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import orchestrator
from orchestrator import engines
from orchestrator.api import aio
from orchestrator.cli.app import app
from orchestrator.errors import UsageError
from orchestrator.planning.venue import Venue
from tests.tools import layouts
from tests.tools.images import Image, layer

FOLDER = Path(__file__).parents[2] / "tools" / "engines"
CALLS = {"run", "submit", "status", "runs", "follow", "logs", "retry", "cancel", "fetch", "delete"}
CALLS |= {"interrupt", "finish_left"}


@pytest.fixture
def paper(monkeypatch):
    """The engine `paper`, among the others."""
    monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(FOLDER)])
    yield
    for name in [name for name in sys.modules if name.startswith("orchestrator.engines.paper")]:
        del sys.modules[name]


@pytest.fixture
def config(tmp_path, paper) -> Path:
    archive = layouts.write_archive(tmp_path / "a.tar", Image.build([layer({"a": "b"})]))
    path = tmp_path / "scanmatrix.yaml"
    path.write_text(
        f"engine: paper\ntargets: [{{archive: {archive}}}]\nscans: {{default: [root-user]}}\nvolume: {{path: volume}}\n"
    )
    return path


@pytest.fixture
def call(config):
    """One command of the command line; its output."""

    def call(*words: str) -> str:
        done = CliRunner().invoke(app, [words[0], "--config", str(config), *words[1:]], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return call


def test_the_folders_are_the_list(paper):
    assert engines.names() == ("argo", "local", "paper", "queue")


@pytest.mark.parametrize("name", ["argo", "local", "paper", "queue"])
def test_every_engine_has_the_whole_protocol(name, paper, monkeypatch, tmp_path):
    made = {}
    monkeypatch.setattr("orchestrator.cluster.client.Cluster", lambda *_: made)
    config = orchestrator.load_config(references=["a:1"], volume=tmp_path).model_copy(update={"engine": name})
    engine = engines.make(config)
    assert {call for call in dir(engine) if not call.startswith("_")} == CALLS
    assert isinstance(engines.is_remote(config), bool)
    assert isinstance(engines.venue(config), Venue)


def test_a_run_from_the_plan_to_its_results(call):
    assert "1" in call("plan", "--offline")
    assert "Results:" in call("run", "--run-id", "first", "--offline")
    assert "first succeeded" in call("status", "first")
    assert "ok" in call("fetch", "first")


def test_what_it_cannot_run_is_failed_in_the_plan_and_counts_nothing(call, config, tmp_path):
    ink = layouts.write_archive(tmp_path / "ink.tar", Image.build([layer({"a": "ink"})]))
    config.write_text(config.read_text().replace("targets: [", f"targets: [{{archive: {ink}}}, "))
    budget = json.loads(call("plan", "--offline", "--output", "json"))["budget"]
    assert (budget["images"], budget["cells"]) == (1, 1)
    assert "paper takes no ink" in call("plan", "--offline")
    assert "paper takes no ink" not in call("plan", "--offline", "--engine", "local")


def test_a_run_that_is_submitted_and_then_followed(call):
    assert call("run", "--detach", "--run-id", "second", "--offline").strip() == "page of second"
    assert "second pending" in call("status", "second")
    assert "second succeeded" in call("status", "second", "--watch")
    assert "second" in call("status")
    assert "root-user looked at" in call("logs", "second", "a.tar", "root-user")
    assert "second page of second" in call("retry", "second")
    assert "page of second" in call("delete", "second")
    assert "second" not in call("status")


def test_a_run_that_is_cancelled(call):
    call("run", "--detach", "--run-id", "third", "--offline")
    assert "page of third" in call("cancel", "third")
    assert "third cancelled" in call("status", "third", "--watch")


def test_the_scheduler_runs_what_is_due_by_it(call, config):
    config.write_text(config.read_text() + "rescanAfter: 30d\n")
    call("schedule", "--once")
    assert "succeeded" in call("status")


def test_the_command_line_chooses_it_over_the_configuration(call, config):
    config.write_text(config.read_text().replace("engine: paper", "engine: local"))
    assert "page of fourth" in call("run", "--engine", "paper", "--detach", "--run-id", "fourth", "--offline")


def test_an_engine_that_is_not_there_is_refused_where_it_is_named(config):
    config.write_text(config.read_text().replace("engine: paper", "engine: papre"))
    with pytest.raises(UsageError, match=r"scanmatrix\.yaml:1: engine.*'papre'.*'?paper'?"):
        orchestrator.load_config(config)


def test_asyncio_is_derived_from_the_same_calls(config):
    settings = orchestrator.load_config(config)
    plan = orchestrator.make_plan(settings, run="fifth", offline=True)

    async def all_of_it() -> list[str]:
        assert await aio.submit(plan, settings) == "page of fifth"
        states = [status.state async for status in aio.follow(settings, "fifth")]
        assert (await aio.fetch(settings, "fifth")).run == "fifth"
        with pytest.raises(UsageError):
            await aio.status(settings, "no-such-run")
        return states

    assert asyncio.run(all_of_it()) == ["pending", "succeeded"]


def test_an_engine_is_found_where_there_are_no_source_files(tmp_path, monkeypatch):
    """As in images that keep compiled files only, or in a zip file."""
    monkeypatch.setattr(engines, "__path__", [str(tmp_path / "a.zip"), str(tmp_path)])
    (tmp_path / "pressed").mkdir()
    (tmp_path / "pressed" / "__init__.py").write_text("remote = False\n")
    compileall.compile_dir(tmp_path, legacy=True, quiet=1)
    (tmp_path / "pressed" / "__init__.py").unlink()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("zipped/__init__.py", "remote = False\n")
    assert engines.names() == ("pressed", "zipped")
