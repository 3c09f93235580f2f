"""What no pod can reach is refused before anything is rendered or started, with what to do."""

from pathlib import Path

import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from orchestrator.api import plan as plan_api
from orchestrator.api import run as run_api
from orchestrator.argo.items import fit_for_cluster
from orchestrator.argo.reach import OutOfReachError, require_reach
from orchestrator.cli import USAGE
from orchestrator.cli.app import app
from orchestrator.errors import PermanentError
from orchestrator.model import Decision
from tests.tools import layouts
from tests.tools.images import Image, layer
from tests.unit.steps.plans import plan, target


@pytest.mark.parametrize(
    ("pull", "what"),
    [
        ("file:/home/me/a.tar", "push the image to a registry"),
        ("http://localhost:5000/app", "localhost:5000"),
        ("http://127.0.0.1:5000/app", "127.0.0.1:5000"),
        ("http://[::1]:5000/app", "an address that pods reach"),
    ],
)
def test_what_only_this_machine_can_read_is_refused(pull, what):
    made = plan(("a", "b"), targets=(target("a", pull=pull), target("b", pull="https://r.example/b")))
    for each in (made, fit_for_cluster(made)):
        with pytest.raises(OutOfReachError, match="a cluster cannot scan this plan") as caught:
            require_reach(each)
        assert isinstance(caught.value, PermanentError)
        assert what in str(caught.value)
        assert target("b").reference not in str(caught.value)


@pytest.mark.parametrize("pull", ["file:/volume/a.tar", "https://r.example/app", "http://cache-docker-io:5000/app"])
def test_what_pods_reach_is_not(pull):
    require_reach(plan(("a",), targets=(target("a", pull=pull),)))


def test_what_is_left_out_need_not_be_reached():
    made = plan(("a",), targets=(target("a", pull="file:/home/me/a.tar"),))
    cells = tuple(msgspec.structs.replace(cell, decision=Decision.SKIP, reason="excluded") for cell in made.cells)
    require_reach(msgspec.structs.replace(made, cells=cells))


def test_of_very_many_some_are_named():
    targets = tuple(target(f"t{number:02}", pull="file:/home/me/a.tar") for number in range(40))
    with pytest.raises(OutOfReachError, match="and 35 more") as caught:
        require_reach(plan(tuple(each.id for each in targets), targets=targets))
    assert len(str(caught.value).splitlines()) == 7


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    layouts.write_archive(tmp_path / "web.tar", Image.build([layer({"a": "b"})]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", [["render"], ["run", "--engine", "argo", "--detach"], ["run", "--engine", "argo"]])
def test_commands_refuse_it_and_plan_says_so(folder, words):
    done = CliRunner().invoke(app, [*words, "web.tar", "--scan", "root-user"])
    assert isinstance(done.exception, OutOfReachError)
    assert "web.tar" in str(done.exception)
    said = CliRunner().invoke(app, ["plan", "--engine", "argo", "web.tar", "--scan", "root-user"])
    assert said.exit_code == 0
    assert "refuse it: a cluster cannot scan this plan" in said.output
    assert USAGE == 2


@pytest.mark.parametrize("name", ["dir:code", "podman:localhost/mine:1"])
def test_a_folder_and_an_image_of_a_tool_are_refused_likewise(folder, name):
    (folder / "code").mkdir()
    done = CliRunner().invoke(app, ["render", name, "--scan", "secrets"])
    assert isinstance(done.exception, OutOfReachError)
    assert "of this machine, which no pod can read" in str(done.exception)


def test_what_fails_before_it_begins_is_said_beside_the_manifest(folder):
    done = CliRunner().invoke(app, ["render", "no-such.tar", "--scan", "root-user"])
    assert done.exit_code == 0
    assert "1 of 1 cells fail before they begin, such as " in done.stderr
    assert "no-such.tar × root-user: " in done.stderr
    assert yaml.safe_load(done.stdout)["kind"] == "Workflow"


def test_python_refuses_it_likewise(folder):
    (folder / "c.yaml").write_text(yaml.safe_dump({"engine": "argo", "targets": [{"archive": "web.tar"}]}))
    config = plan_api.load_config("c.yaml")
    made = plan_api.make_plan(config, scans=["root-user"])
    for call in (lambda: plan_api.render(made, config), lambda: run_api.submit(made, config)):
        with pytest.raises(OutOfReachError):
            call()
    assert "WorkflowTemplate" in plan_api.render(made, config, kind="template")
    local = config.model_copy(update={"engine": "local"})
    assert plan_api.why_refused(made, local) == ""
