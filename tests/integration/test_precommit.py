"""The hook that users get: run by the real pre-commit in a repository of theirs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's repository with a configuration; ours beside it, with the manifest of hooks alone."""
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
        _run("git", "init", "-q", cwd=folder)
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", ours)
    _commit(ours)
    revision = _run("git", "rev-parse", "HEAD", cwd=ours).stdout.strip()
    # Installed already: what pip makes of the project is the matter of the README's test.
    hook = {"id": "scanmatrix-lint", "language": "unsupported"}
    config = {"repos": [{"repo": str(ours), "rev": revision, "hooks": [hook]}]}
    (theirs / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    (theirs / "scanmatrix.yaml").write_text("targets: [{csv: {path: targets.csv}}]\n")
    (theirs / "targets.csv").write_text("image,scans\nregistry.example/app:1,sbom\n")
    (theirs / "other.yaml").write_text("targets: {this: is not ours}\n")
    _commit(theirs)
    return theirs


def test_it_lets_good_files_pass(git: Path) -> None:
    done = _run("pre-commit", "run", "--all-files", cwd=git)
    assert "Passed" in done.stdout


def test_it_stops_a_commit_and_says_where_it_is_wrong(git: Path) -> None:
    (git / "targets.csv").write_text("image,scans\nregistry.example/app:1,sbomb\n")
    _run("git", "add", "-A", cwd=git)
    done = _run("pre-commit", "run", cwd=git, status=1)
    assert "targets.csv:2" in done.stdout


def test_contributors_hooks_are_valid() -> None:
    _run(str(BIN / "pre-commit"), "validate-config", ".pre-commit-config.yaml", cwd=ROOT)
    _run(str(BIN / "pre-commit"), "validate-manifest", ".pre-commit-hooks.yaml", cwd=ROOT)


def _commit(folder: Path) -> None:
    _run("git", "add", "-A", cwd=folder)
    _run("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "x", cwd=folder)


def _run(*words: str, cwd: Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done
