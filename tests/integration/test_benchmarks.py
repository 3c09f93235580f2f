"""Every benchmark that needs no cluster still runs, at its smallest size; what it measures there means nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

SMALLEST = (
    "aggregate --reports 10",
    "bom --components 50",
    "html --findings 100 --total 0",
    "inventory 50",
    "merge --findings 1000",
    "pull --rounds 1 --scale 0.01",
    "scheduler 8",
    "start --rounds 1",
    "store --targets 20 --on sqlite",
)


@pytest.mark.campaign
@pytest.mark.parametrize("benchmark", SMALLEST)
def test_it_runs(benchmark: str) -> None:
    name, *arguments = benchmark.split()
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", *arguments]
    ended = subprocess.run(
        command, check=False, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()
