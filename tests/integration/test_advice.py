"""What messages tell people to run is run, as it is printed and where it is printed."""

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.findings.scanmatrix import encode_report
from tests.integration.command import COMMAND, scanmatrix
from tests.tools import layouts, samples

LINE = re.compile(r"`(scanmatrix [^`]*)`")
#: A scan that takes its time where a file says so, and reports nothing.
SLOW = f"""
import os, sys, time
time.sleep(60 if os.path.exists(sys.argv[3]) else 0)
open(sys.argv[2], "wb").write({encode_report("slow", "1", [])!r})
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a configuration of another name, and a volume that it does not name."""
    folder = tmp_path / "my place"
    folder.mkdir()
    layouts.write_archive(folder / "image.tar", samples.small())
    settings = {
        "targets": [{"archive": "image.tar"}],
        "scans": {"default": ["slow"], "templates": ["slow.yaml"]},
        "local": {"runner": "process", "sandbox": "off"},
    }
    (folder / "my scans.yaml").write_text(json.dumps(settings))
    (folder / "slow.py").write_text(SLOW)
    words = [sys.executable, str(folder / "slow.py"), "{tarball}", "{report}", str(folder / "wait")]
    scan = {"name": "slow", "description": "x", "image": "x:1", "command": words, "format": "scanmatrix"}
    (folder / "slow.yaml").write_text(json.dumps(scan))
    return folder


OPTIONS = ("--config", "my scans.yaml", "--volume", "my volume")


def advised(said: str, *wanted: str) -> list[str]:
    """The words of the one line in a message that begins so."""
    found = [shlex.split(line)[1:] for line in LINE.findall(said)]
    (line,) = (words for words in found if tuple(words[: len(wanted)]) == wanted)
    return line


def run_advised(said: str, *wanted: str, place: Path) -> str:
    """Run it; what it said."""
    done = scanmatrix(*advised(said, *wanted), cwd=place)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_an_interrupted_run_is_resumed(place: Path) -> None:
    (place / "wait").touch()
    with subprocess.Popen(
        [COMMAND, "run", *OPTIONS], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        wait_for(lambda: any((place / "my volume" / "runs").glob("*/*/slow/*")))
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=60)
    (place / "wait").unlink()
    assert "1 of 1 cells ok" in run_advised(out + err, "run", "--resume", place=place)


def test_results_that_are_not_there_are_made(place: Path) -> None:
    asked = ("results", "show", *OPTIONS)
    said = scanmatrix(*asked, cwd=place)
    assert said.returncode != 0
    run_advised(said.stdout + said.stderr, "run", place=place)
    (results,) = (path for path in (place / "my volume" / "results").iterdir() if path.is_dir())
    for name in ("findings.parquet", "merged.parquet"):
        (results / name).unlink()
    said = scanmatrix(*asked, "--run", results.name, cwd=place)
    assert said.returncode != 0
    run_advised(said.stdout + said.stderr, "run", "--resume", results.name, place=place)
    assert (results / "merged.parquet").exists()


def wait_for(fulfilled: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not fulfilled():
        assert time.monotonic() < until
        time.sleep(0.05)
