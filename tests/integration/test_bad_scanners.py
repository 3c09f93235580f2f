"""A user's own scanners, found on PATH through templates of theirs, that do everything wrong: each cell says what."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from orchestrator.findings.scanmatrix import encode_report
from orchestrator.model import Finding, Severity
from tests.integration.command import SHEBANG, scanmatrix
from tests.integration.engine import is_running, wait_for
from tests.tools import layouts, samples

REPORT = encode_report("fake", "1", [Finding(id="BAD-1", kind="check", severity=Severity.LOW)])
MEGABYTES = 200
SECONDS = 2

# `HEAD` gives each of them `report` (a path) and `good` (a whole report).
HEAD = f"import os, signal, subprocess, sys, time\nreport, good = sys.argv[-1], {REPORT!r}\n"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
HANG = f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = [sys.executable, '-c', {f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {STUBBORN!r}]); print(p.pid, flush=True); {STUBBORN}"!r}]
started = subprocess.Popen(child, stdout=subprocess.PIPE, text=True)
open(report, 'wb').write(good)
open(os.environ['PIDS'], 'w').write(f'{{os.getpid()}} {{started.pid}} {{started.stdout.readline()}}')
time.sleep(600)
"""  # noqa: E501 - a program in a program
SCANNERS = {
    "fine": "open(report, 'wb').write(good)",
    "crashes": "open(report, 'wb').write(good); os.kill(os.getpid(), signal.SIGSEGV)",
    "refuses": "open(report, 'wb').write(good); sys.exit('cannot read this image')",
    "hangs": HANG,
    "writes-nothing": "",
    "writes-garbage": "open(report, 'wb').write(os.urandom(1 << 16))",
    "writes-a-page": "open(report, 'w').write('<html>502 Bad Gateway</html>')",
    "writes-json": "open(report, 'w').write('{}')",
    "writes-half": "open(report, 'wb').write(good[:len(good) // 2])",
    "writes-too-much": f"f = open(report, 'wb')\nfor _ in range({MEGABYTES}): f.write(bytes(1 << 20))",
    "talks-too-much": f"for _ in range({MEGABYTES}): os.write(2, b'x' * (1 << 20))\nopen(report, 'wb').write(good)",
}
GOOD = {"fine", "talks-too-much"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An image, scanners in `bin`, their templates, and one more template whose scanner is not there."""
    layouts.write_archive(tmp_path / "app.tar", samples.small())
    (tmp_path / "bin").mkdir()
    (tmp_path / "scans").mkdir()
    for name, script in SCANNERS.items():
        program = tmp_path / "bin" / f"scanner-{name}"
        program.write_text(f"{SHEBANG}{HEAD}{script}\n")
        program.chmod(0o755)
    for name in [*SCANNERS, "absent"]:
        template = {
            "name": name,
            "description": "One that tests use",
            "image": "registry.example/scanner:1.0",
            "command": [f"/usr/local/bin/scanner-{name}", "{tarball}", "{report}"],
            "format": "scanmatrix",
            "environment": {"PIDS": str(tmp_path / "pids")},
            "timeout": f"{SECONDS if name == 'hangs' else 60}s",
            "retries": 1,
            "install": "asking your security team",
        }
        (tmp_path / "scans" / f"{name}.yaml").write_text(yaml.safe_dump(template))
    config = {
        "targets": [{"archive": "app.tar"}],
        "scans": {"default": [*SCANNERS, "absent"], "templates": ["scans"]},
        "volume": {"path": "volume"},
        "limits": {"cellsInFlight": 2},
        "local": {"sandbox": False},  # as YAML reads `off`; one of them writes outside of its folder
    }
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    """The scanners and nothing else, podman and docker above all."""
    return {"PATH": str(folder / "bin")}


def test_every_cell_says_what_its_scanner_did(folder: Path) -> None:
    done = scanmatrix("run", "--run-id", "r1", "--output", "json", cwd=folder, environment=environment(folder))
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    rows = {row["scan"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows.keys() == {*SCANNERS, "absent"}
    assert {name for name, row in rows.items() if row["outcome"] == "ok"} == GOOD
    reason = {name: row["reason"] for name, row in rows.items() if row["outcome"] == "failed"}
    assert reason.keys() == rows.keys() - GOOD
    assert "SIGSEGV" in reason["crashes"]
    assert "cannot read this image" in reason["refuses"]
    assert f"timed out after {SECONDS} s" in reason["hangs"]
    assert "no report" in reason["writes-nothing"]
    assert f"limit of {100 << 20} bytes" in reason["writes-too-much"]
    assert "scanner-absent not found; install it with asking your security team" in reason["absent"]
    for name in ("writes-garbage", "writes-a-page", "writes-json", "writes-half"):
        assert "report" in reason[name]

    tried = {name: row["attempts"] for name, row in rows.items()}
    assert tried == dict.fromkeys(SCANNERS, 1) | {"crashes": 2, "absent": 0}
    assert {name: rows[name]["findings"] for name in GOOD} == dict.fromkeys(GOOD, 1)
    assert all(len(row.get("log", "")) <= 4096 for row in rows.values())
    with (folder / "volume" / "results" / "r1" / "findings.csv").open(newline="") as file:
        assert {row["scan"] for row in csv.DictReader(file)} == GOOD

    pids = [int(pid) for pid in (folder / "pids").read_text().split()]
    assert len(pids) == 3
    wait_for(lambda: not any(map(is_running, pids)), seconds=5)
    left = sum(path.lstat().st_size for path in folder.joinpath("volume").rglob("*") if path.is_file())
    assert left < 20 << 20
    assert not list(folder.joinpath("volume").rglob("attempt-*"))


def test_an_image_that_the_container_runtime_cannot_pull_is_reported_beside_the_other_way(folder: Path) -> None:
    podman = folder / "bin" / "podman"
    podman.write_text('#!/bin/sh\ntest "$1" = info && exit 0\necho "no route to registry.example" >&2\nexit 125\n')
    podman.chmod(0o755)
    done = scanmatrix("run", "--scan", "absent", "--output", "json", cwd=folder, environment=environment(folder))
    assert done.returncode == 1, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert "scanner-absent not found; install it with asking your security team" in row["reason"]
    assert "no route to registry.example" in row["reason"]


def test_a_scanner_that_is_fixed_makes_its_cells_good_when_the_run_is_resumed(folder: Path) -> None:
    arguments = ["run", "--output", "json", "--scan", "fine", "--scan", "writes-half", "--scan", "absent"]
    first = scanmatrix(*arguments, "--run-id", "r1", cwd=folder, environment=environment(folder))
    assert first.returncode == 1, first.stderr
    for name in ("absent", "writes-half"):
        program = folder / "bin" / f"scanner-{name}"
        program.write_text(f"{SHEBANG}{HEAD}{SCANNERS['fine']}\n")
        program.chmod(0o755)
    again = scanmatrix("run", "--output", "json", "--resume", "r1", cwd=folder, environment=environment(folder))
    assert again.returncode == 0, again.stderr
    rows = {row["scan"]: row for row in json.loads(again.stdout)["rows"]}
    assert {name: (row["outcome"], row["attempts"]) for name, row in rows.items()} == {
        "fine": ("ok", 1), "writes-half": ("ok", 2), "absent": ("ok", 1),
    }  # fmt: skip
