"""What stands in several files agrees: the supported Pythons, commands of `make`, the address of the repository."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CI = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
#: Files that tell people, or CI, what to run.
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"), ROOT / ".ci" / "run"]
GUIDES += [path for path in (ROOT / ".github").rglob("*") if path.is_file()]
#: Files with the address, which `[project.urls]` decides.
ADDRESSED = [ROOT / name for name in ("README.md", "CHANGELOG.md", "mkdocs.yml", "docs/linting.md")]
ADDRESSED += [ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml", ROOT / "pyproject.toml"]


#: What may lie at the top; a file that got there by accident stays in the history.
TOP = {"argo-install", "docs", "orchestrator", "pv", "templates", "tests", "workflows"}
TOP |= {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE"}
TOP |= {"Makefile", "mkdocs.yml", "pyproject.toml", "requirements.lock"}


def test_nothing_else_is_at_the_top() -> None:
    listed = subprocess.run(["git", "ls-files"], check=False, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a checkout of git")
    found = {path.partition("/")[0] for path in listed.stdout.splitlines()}
    assert {name for name in found if not name.startswith(".")} == TOP


def test_ci_runs_every_python_that_is_promised() -> None:
    tried = CI["jobs"]["quick"]["strategy"]["matrix"]["python"]
    promised = [line.rpartition(" ")[2] for line in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", line)]
    assert set(promised) <= set(tried)
    assert PROJECT["requires-python"] == f">={promised[0]}"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_make_command_exists(guide: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:^(?:- run: )?|`)make ([a-z0-9-]+)", guide.read_text(), re.MULTILINE)
    assert set(named) <= targets


def test_the_address_is_that_of_the_project() -> None:
    source, site = PROJECT["urls"]["Source"], PROJECT["urls"]["Documentation"]
    for path in ADDRESSED:
        named = re.findall(r"https://(?:github\.com|[\w-]+\.github\.io)/[\w./-]*scanmatrix[\w./-]*", path.read_text())
        assert [url for url in named if not f"{url}/".startswith((f"{source}/", site))] == [], path.name
