"""Every command in the README is run as it stands there: `make` by `.ci/run`, a cluster's by tests/e2e, others here."""

import html
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.command import scanmatrix
from tests.tools import layouts, require, samples
from tests.tools.push import push
from tests.tools.servers import Registry

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
QUICK_START = (ROOT / "docs" / "quick-start.md").read_text()


def commands_of(page: str) -> list[str]:
    """The lines of a page's blocks of shell."""
    return [line for kind, block in BLOCK.findall(page) if kind == "sh" for line in block.splitlines() if line.strip()]


BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = commands_of(README)

#: Beginnings of the commands that tests/e2e/test_nine_cells.py runs.
IN_CLUSTER = ("kubectl ", "argo submit --namespace", "scanmatrix status")


@pytest.fixture
def folder(registry: Registry, tmp_path: Path) -> Path:
    """Where a reader of the README would be: an image in the registry, one in a file, a configuration and its CSV."""
    push(registry.host, "app", samples.system(), tag="1.2")
    layouts.write_archive(tmp_path / "app.tar", samples.distroless())
    (tmp_path / "scanmatrix.yaml").write_text("targets: [{csv: {path: targets.csv}}]\n")
    (tmp_path / "targets.csv").write_text(f"image,scans,owner\n{registry.host}/app:1.2,root-user,team-a\n")
    return tmp_path


def test_make_commands_are_those_that_ci_runs() -> None:
    ci = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line.startswith("make ")]
    shown = [line for line in COMMANDS if line.startswith("make ")]
    assert len(shown) > 3
    assert shown == [line for line in ci if line in shown]  # in the same order, too


def test_it_is_cloned_and_installed(tmp_path: Path) -> None:
    """From this clone in place of the published one, into folders of the test's own."""
    clone, enter = COMMANDS[:2]
    assert clone.split()[:2] == ["git", "clone"]
    assert clone.split()[2] in (ROOT / "pyproject.toml").read_text()
    assert _status(["git", "clone", "--quiet", str(ROOT), clone.rpartition("/")[2]], tmp_path) == 0
    folder = tmp_path / enter.removeprefix("cd ")
    (install,) = [shlex.split(line) for line in COMMANDS if line.startswith("uv ")]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    uv = shutil.which("uv", path=path)
    assert uv is not None
    places = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin"), "PATH": path}
    words = [uv, *install[1:], "--quiet", "--python", sys.executable]
    assert subprocess.run(words, cwd=folder, env=os.environ | places, check=False).returncode == 0
    installed = str(tmp_path / "bin" / "scanmatrix")
    listed = subprocess.run([installed, "templates"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "root-user" in listed
    assert list((tmp_path / "tools").glob("scanmatrix/bin/syft"))


def test_every_other_command_works(folder: Path, registry: Registry) -> None:
    commands = [line for line in COMMANDS if not line.startswith(("git ", "cd ", "make ", "uv ", *IN_CLUSTER))]
    assert len(commands) > 5
    for line in commands:
        words = shlex.split(line.replace("registry.example", registry.host))
        if words[0] == "argo":
            words = [str(require("argo")), "lint", "--offline", words[-1]]
            assert _status(words, folder) == 0
            continue
        assert words[0] == "scanmatrix", line
        words, _, target = (words[: words.index(">")], ">", words[-1]) if ">" in words else (words, "", "")
        if words[1] == "render":  # no pod can read a registry on loopback, so it is another one, which is not asked
            pinned = f"registry.example/app@sha256:{'a' * 64}"
            (folder / "targets.csv").write_text(f"image,scans,owner\n{pinned},root-user,team-a\n")
            words.append("--offline")
        done = scanmatrix(*words[1:], cwd=folder)
        # Nothing here scans for vulnerabilities, so who has one is not known, and it is said.
        assert done.returncode == (4 if "who-has" in words else 0), f"{line}\n{done.stderr}"
        if target:
            (folder / target).write_text(done.stdout)


def test_the_quick_start_works(registry: Registry, tmp_path: Path) -> None:
    """In an empty folder, one command after the other; no scanner of vulnerabilities is on the PATH of the tests."""
    push(registry.host, "app", samples.system(), tag="1.2")
    commands = [shlex.split(line.replace("registry.example", registry.host)) for line in commands_of(QUICK_START)]
    assert {words[1] for words in commands} >= {"doctor", "run", "results", "init"}
    for words in commands:
        done = scanmatrix(*words[1:], cwd=tmp_path)
        assert done.returncode == (4 if "who-has" in words else 0), f"{words}\n{done.stderr}"
    assert {"scanmatrix.yaml", "targets.csv", "report.html"} <= {path.name for path in tmp_path.iterdir()}


def test_the_picture_shows_what_the_commands_print(folder: Path) -> None:
    """`python -m tests.demo --picture` draws it again."""
    picture = html.unescape(re.sub(r"<[^>]*>", " ", (ROOT / "docs" / "images" / "demo.svg").read_text()))
    assert re.search(r"\s/\w", picture) is None  # no path of the machine that it was drawn on
    for command in ("plan", "run"):
        printed = scanmatrix(command, "app.tar", "--scan", "root-user", cwd=folder).stdout.splitlines()
        shown = next(line for line in printed if line.startswith("Target ") or " cells ok" in line)
        words = [word for word in shown.split() if not any(map(str.isdigit, word))]
        assert len(words) > 1
        assert [word for word in words if word not in picture.split()] == []


def _status(words: list[str], folder: Path) -> int:
    return subprocess.run(words, cwd=folder, check=False).returncode


def test_python_example_works(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (example,) = [block for kind, block in BLOCK.findall(README) if kind == "python"]
    names: dict[str, object] = {}
    exec(example, names)  # the README's own lines
    assert len(names["findings"]) == 1  # type: ignore[arg-type]
