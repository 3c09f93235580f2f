"""Our image is built from nothing but what is named by its hash."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "argo-install"


def commands() -> list[str]:
    """Each command of the Dockerfile's RUN lines."""
    text = re.sub(r"\\\n", " ", (FOLDER / "Dockerfile").read_text())
    runs = [line.removeprefix("RUN ") for line in text.splitlines() if line.startswith("RUN ")]
    return [each.strip() for run in runs for each in run.split("&&")]


def test_pip_installs_what_has_a_hash_or_what_was_built_here() -> None:
    found = [each for each in commands() if re.search(r"\bpip (install|wheel|download)\b", each)]
    assert len(found) == 4
    for command in found:
        offline = "--no-index" in command and "--no-deps" in command
        assert offline or "--require-hashes" in command, command
        assert "wheel --" not in command or "--no-build-isolation" in command, command  # isolation fetches by name
    assert not any(re.search(r"\b(curl|wget|npm|uv|ADD)\b", each) for each in commands())


@pytest.mark.parametrize("name", ["requirements.lock", "build.lock"])
def test_each_requirement_of_the_lock_files_is_one_version_with_hashes(name: str) -> None:
    text = re.sub(r"\\\n", " ", (FOLDER / name).read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", line), line
        assert "--hash=sha256:" in line, line


def test_what_builds_the_project_is_what_it_says() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    given = [line for line in (FOLDER / "build.in").read_text().splitlines() if not line.startswith("#")]
    assert given == wanted
    assert "\nhatchling==" in (FOLDER / "build.lock").read_text()


def test_what_the_build_copies_is_sent_to_the_builder() -> None:
    copied = {
        word.rstrip("/")
        for line in (FOLDER / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied <= sent
