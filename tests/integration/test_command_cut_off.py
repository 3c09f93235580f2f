"""The command cut off as users and machines do it: Ctrl-C, `kill`, `kill -9`, or a second one beside the first."""

import json
import random
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.integration.command import COMMAND, SHEBANG, scanmatrix
from tests.integration.engine import REPORT, is_running, wait_for
from tests.tools import layouts, samples

IMAGES = 3
SCANS = ("hangs", "quick")
HANGS = f"""{SHEBANG}import os, signal, subprocess, sys, time
here, report = sys.argv[1:]
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if not os.path.exists(here + '/mended'):
    stubborn = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)'
    child = subprocess.Popen([sys.executable, '-c', stubborn])
    with open(here + '/pids', 'a') as file:
        file.write(f'{{os.getpid()}} {{child.pid}}\\n')
    time.sleep(60)
open(report, 'wb').write({REPORT!r})
"""
QUICK = f"""{SHEBANG}import sys, time
time.sleep(0.2)
open(sys.argv[2], 'wb').write({REPORT!r})
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images × a quick scanner, and one that hangs with a child until the file `mended` is there."""
    for number, image in enumerate((samples.bulky(layers=2), samples.system(), samples.small())):
        layouts.write_archive(tmp_path / f"{number}.tar", image)
    (tmp_path / "scans").mkdir()
    for name, script in zip(SCANS, (HANGS, QUICK), strict=True):
        program = tmp_path / f"scanner-{name}"
        program.write_text(script)
        program.chmod(0o755)
        template = {
            "name": name,
            "description": "One that tests use",
            "image": "registry.example/scanner:1.0",
            "command": [str(program), str(tmp_path), "{report}"],
            "format": "scanmatrix",
            "environment": {"TARBALL": "{tarball}"},
        }
        (tmp_path / "scans" / f"{name}.yaml").write_text(yaml.safe_dump(template))
    config = {
        "targets": [{"archive": f"{number}.tar"} for number in range(IMAGES)],
        "scans": {"default": list(SCANS), "templates": ["scans"]},
        "volume": {"path": "volume"},
        "local": {"sandbox": "off"},  # they write down which processes they are, outside of their folders
    }
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [COMMAND, "run", *arguments], cwd=folder, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def pids(folder: Path) -> list[int]:
    """Of the hanging scanners and their children."""
    try:
        return [int(pid) for pid in (folder / "pids").read_text().split()]
    except FileNotFoundError:
        return []


def assert_whole(done: "subprocess.CompletedProcess[str]") -> None:
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert len({(row["target"], row["scan"]) for row in rows}) == IMAGES * len(SCANS)
    assert {row["outcome"] for row in rows} == {"ok"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_message_of_an_interrupted_run_tells_the_command_that_ends_it(folder: Path, number: signal.Signals) -> None:
    process = start(folder, "--run-id", "r1")
    wait_for(lambda: len(pids(folder)) >= 2, process)
    began = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - began < 30
    assert process.returncode == 3
    assert "Traceback" not in said
    wait_for(lambda: not any(map(is_running, pids(folder))), seconds=5)
    (folder / "mended").touch()
    found = re.search(r"`scanmatrix (run --resume [^`]+)`", said)
    assert found, said
    assert_whole(scanmatrix(*shlex.split(found[1]), "--output", "json", cwd=folder))


def test_a_run_that_is_killed_again_and_again_still_ends_whole(folder: Path) -> None:
    moments = random.Random(3)  # any will do; the same ones each time
    (folder / "mended").touch()
    plan = folder / "volume" / "plans" / "r1.json"
    for _ in range(5):
        process = start(folder, "--resume" if plan.exists() else "--run-id", "r1")
        time.sleep(moments.uniform(0.2, 2))
        process.kill()
        process.communicate(timeout=10)
        for path in folder.joinpath("volume").rglob("*.json"):
            if not path.parent.name.startswith("attempt-"):  # there a scanner is still writing
                assert json.loads(path.read_bytes()), f"{path} is half-written"
    again = ["--resume"] if plan.exists() else ["--run-id"]
    assert_whole(scanmatrix("run", *again, "r1", "--output", "json", cwd=folder))


def test_a_second_command_on_the_same_run_is_refused_in_words(folder: Path) -> None:
    process = start(folder, "--run-id", "r1")
    try:
        wait_for(lambda: len(pids(folder)) >= 2, process)
        second = scanmatrix("run", "--resume", "r1", cwd=folder)
        assert second.returncode == 3
        assert f"process {process.pid}" in second.stderr
        assert "Traceback" not in second.stderr
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    (folder / "mended").touch()
    assert_whole(scanmatrix("run", "--resume", "r1", "--output", "json", cwd=folder))
