"""The first configuration: `lint` accepts it, also what is commented out, and nothing is overwritten."""

import re
import shlex

import pytest
from typer.testing import CliRunner

from orchestrator.api import init as init_module
from orchestrator.api.init import InitError, init
from orchestrator.api.lint import lint_file
from orchestrator.api.plan import load_config
from orchestrator.cli.app import app
from orchestrator.errors import UsageError
from orchestrator.inventory import collect
from orchestrator.kit.sources import Problem

DIGEST = f"sha256:{'c' * 64}"
NAMED = ["nginx:1.27", f"registry.example/app@{DIGEST}", "https://github.com/org/shop#main", "images/web.tar"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("names", [[], NAMED, NAMED[:1], NAMED[2:3]], ids=len)
def test_what_is_written_is_accepted_and_names_what_was_named(names, tmp_path):
    done = init(references=names)
    assert done.targets == len(names)
    assert {path.name for path in done.paths} == {"scanmatrix.yaml", "targets.csv"}
    assert [problem for path in done.paths for problem in lint_file(path)] == []
    found = {f"{each.reference}#{each.ref}" if each.ref else each.reference for each in collect(load_config())}
    assert found == {str(tmp_path / name) if name.endswith(".tar") else name for name in names}


def test_what_is_commented_out_is_accepted_once_it_is_not(tmp_path):
    (path, _), text = init(references=NAMED).paths[::-1], (tmp_path / "scanmatrix.yaml").read_text()
    keys = re.sub(r"^# (?=[a-zA-Z]+:( \S+)?$|  [a-zA-Z]+: )", "", text, flags=re.MULTILINE)
    path.write_text(keys)
    assert lint_file(path) == []
    config = load_config()
    assert (config.policy.severity, config.exports.always) == ("high", ("html", "sarif"))
    assert config.rescan_after == {"default": 86400}


@pytest.mark.parametrize("name", ["scanmatrix.yaml", "scanmatrix.yml", "targets.csv"])
def test_nothing_is_overwritten(name, tmp_path):
    (tmp_path / name).symlink_to("nowhere")
    with pytest.raises(UsageError, match=rf"{name} is there already, and nothing is overwritten"):
        init(references=NAMED)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_another_folder_is_made(tmp_path):
    done = init("new/folder", references=["new/folder/app.tar", "other.tar"])
    text = done.paths[-1].read_text()
    assert 'archive: "app.tar"' in text
    assert f'archive: "{tmp_path / "other.tar"}"' in text


@pytest.mark.parametrize("name", ["Bad Image", "", "https://user:secret@git.example/a"])
def test_a_name_that_is_none_is_refused_and_nothing_written(name, tmp_path):
    with pytest.raises(UsageError):
        init(references=["nginx:1.27", name])
    assert list(tmp_path.iterdir()) == []


def test_what_lint_would_refuse_is_not_left_there(tmp_path, monkeypatch):
    monkeypatch.setattr(init_module, "lint_file", lambda path: [Problem(path.name, 1, "is wrong")])
    with pytest.raises(InitError, match=r"targets.csv:1: is wrong"):
        init(references=NAMED)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_this_machine_is_in_the_configuration(tmp_path):
    (tmp_path / "src").mkdir()
    done = init(references=["dir:src"])
    assert done.targets == 1
    assert '- dir: "src"' in done.paths[-1].read_text()
    (entry,) = collect(load_config())
    assert entry.reference == f"dir:{tmp_path / 'src'}"


def test_a_list_without_targets_is_not_used_beside_what_is_on_this_machine(caplog):
    (path, _) = init(references=["app.tar"]).paths[::-1]
    assert [entry.local for entry in collect(load_config())] == [True]
    assert caplog.messages == []
    path.write_text(path.read_text().replace("  # - csv:", "  - csv:"))
    assert lint_file(path) == []
    assert len(collect(load_config())) == 1


def test_the_next_command_works_as_it_is_printed(tmp_path):
    done = CliRunner().invoke(app, ["init", f"registry.example/app@{DIGEST}", "--folder", "my folder"])
    program, *words = shlex.split(done.output.splitlines()[-1].removeprefix("Next: "))
    assert (program, words[0]) == ("scanmatrix", "plan")
    assert CliRunner().invoke(app, [*words, "--offline"]).exit_code == 0
