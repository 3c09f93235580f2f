"""The files of docs/ci.md, run as far as they can be without the CI system: their commands, in order."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests.integration.command import COMMAND
from tests.tools import layouts, samples

ROOT = Path(__file__).parents[2]
FILES = ROOT / "docs/examples/ci"
INSTALLING = ("python -m pip", "apt-get", "echo ", "docker ")


def _github() -> tuple[dict[str, str], list[tuple[str, bool]]]:
    """The variables of the workflow, and its commands with whether they run after a failure, too."""
    said = yaml.safe_load((FILES / "github-actions.yml").read_text())
    env, commands = dict(said["env"]), []
    for step in said["jobs"]["scan"]["steps"]:
        env |= step.get("env", {})
        commands += [(line, "failure()" in step.get("if", "")) for line in step.get("run", "").splitlines()]
    return env, commands


def _gitlab() -> tuple[dict[str, str], list[tuple[str, bool]]]:
    job = yaml.safe_load((FILES / "gitlab-ci.yml").read_text())["scan"]
    commands = [(line, False) for key in ("before_script", "script") for line in job[key]]
    return dict(job["variables"]), commands + [(line, True) for line in job["after_script"]]


@pytest.mark.parametrize(("system", "fail_on"), [(_github, "medium"), (_gitlab, "high")])
def test_the_commands_of_the_files(
    tmp_path: Path, system: Callable[[], tuple[dict[str, str], list[tuple[str, bool]]]], fail_on: str
) -> None:
    layouts.write_docker_save(tmp_path / "app.tar", samples.system(user="0"), tags=("app:1",))
    said, commands = system()
    ours = {"IMAGE": "app.tar", "SCAN": "root-user", "FAIL_ON": fail_on, "CI_PROJECT_DIR": str(tmp_path)}
    ours["GITHUB_STEP_SUMMARY"] = str(tmp_path / "summary.md")
    volume = said["SCANMATRIX_VOLUME__PATH"].replace("$CI_PROJECT_DIR", str(tmp_path))
    environment = os.environ | said | ours | {"SCANMATRIX_VOLUME__PATH": volume}
    environment["PATH"] = f"{COMMAND.parent}{os.pathsep}{environment['PATH']}"
    failed, ran = 0, []
    for command, always in commands:
        if command.startswith(INSTALLING) or (failed and not always):
            continue
        ran.append(command)
        done = subprocess.run(
            ["bash", "-e", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 or "--fail-on" in command, done.stderr
        failed = failed or done.returncode
    assert failed == (fail_on == "medium")  # root-user is a finding of medium severity
    assert len(ran) == 4
    (run,) = json.loads((tmp_path / "scanmatrix.sarif").read_text())["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["root-user"]
    (suite,) = ElementTree.parse(tmp_path / "scanmatrix.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert (tmp_path / "scanmatrix.html").stat().st_size > 10_000
    summary = (tmp_path / "summary.md").read_text()
    assert ("Policy: **broken**" in summary) == bool(failed)


def test_text_exports_go_to_standard_output_exactly(tmp_path: Path) -> None:
    layouts.write_docker_save(tmp_path / "app.tar", samples.system(user="0"), tags=("app:1",))

    def scanmatrix(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        environment = os.environ | {"SCANMATRIX_VOLUME__PATH": str(tmp_path / "volume")}
        command = [str(COMMAND), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)

    assert scanmatrix("run", "app.tar", "--scan", "root-user").returncode == 0
    for name in ("sarif", "junit"):
        assert scanmatrix("results", "export", name, "--to", "here").returncode == 0
        assert scanmatrix("results", "export", name, "--to", "-").stdout == (tmp_path / "here").read_bytes()
    refused = scanmatrix("results", "export", "parquet", "--to", "-")
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"parquet writes no text" in refused.stderr
    assert b"sarif" in refused.stderr
    misspelt = scanmatrix("run", "app.tar", "--fail-on", "hihg")
    assert (misspelt.returncode, misspelt.stdout) == (2, b"")
    assert b"did you mean" in misspelt.stderr
