"""`scanmatrix retry` and `run --resume` alike: progress, the ledger, and an exit status by the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.integration.forked import scanmatrix
from tests.tools import layouts, samples

if TYPE_CHECKING:
    from pathlib import Path

SCANNER = """#!/bin/sh
test -e "$(dirname "$0")/fixed" || exit 3
printf '{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "odd", "rules": []}}, "results": []}]}' > "$1"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of which one cell failed, because its scanner was broken."""
    layouts.write_archive(tmp_path / "app.tar", samples.small())
    program = tmp_path / "odd-scanner"
    program.write_text(SCANNER)
    program.chmod(0o755)
    template = {
        "name": "odd", "description": "d", "image": "odd:1", "format": "sarif",
        "command": [str(program), "{report}", "{tarball}"],
    }  # fmt: skip
    (tmp_path / "odd.yaml").write_text(yaml.safe_dump(template))
    config = {
        "targets": [{"archive": "app.tar"}],
        "scans": {"templates": ["odd.yaml"], "default": ["odd", "root-user"]},
        "local": {"runner": "process", "sandbox": "off"},
    }
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump(config))
    done = scanmatrix("run", "--run-id", "first", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Next: scanmatrix retry first" in done.stdout
    return tmp_path


@pytest.mark.parametrize("command", [["retry", "first"], ["run", "--resume", "first"]], ids=" ".join)
def test_what_failed_runs_again(folder: Path, command: list[str]) -> None:
    still = scanmatrix(*command, cwd=folder)
    assert still.returncode == 1
    assert "policy: " in still.stderr
    assert "failed" in still.stdout
    (folder / "fixed").touch()
    done = scanmatrix(*command, cwd=folder)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if " of " in line and line.endswith(": ok")]
    assert [line.split()[0] for line in told] == ["odd"]  # the other was done before
    assert "Run first: 2 of 2 cells ok" in done.stdout
    assert scanmatrix("-q", *command, "--output", "json", cwd=folder).stdout.startswith("{")


def test_quiet_shows_no_progress(folder: Path) -> None:
    (folder / "fixed").touch()
    assert "odd of" not in scanmatrix("retry", "first", "-q", cwd=folder).stderr


def test_the_local_engine_cannot_be_left_alone(folder: Path) -> None:
    done = scanmatrix("retry", "first", "--detach", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
