"""`python -m tests.e2e [ARGUMENT…]`: the end-to-end tests, on the cluster that KUBECONFIG names or on one of their own.

Most of the time a test waits for pods, so several files run at once. Those marked `alone` break the cluster for
everybody, and come one after the other when the rest is done. Arguments are pytest's.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.cluster.state import State, default_folder

ROOT = Path(__file__).parents[2]
AT_ONCE = 2
_NOTHING_SELECTED = 5  # pytest's exit status when no test is


def main(arguments: list[str]) -> int:
    """Bring a cluster up if need be, run the tests, take down what was not there before; pytest's worst exit status."""
    ours = not os.environ.get("KUBECONFIG")
    was_up = default_folder().exists()
    try:
        if ours:
            _run("tests.cluster", "up")
            os.environ["KUBECONFIG"] = str(State(default_folder()).kubeconfig)
            _run("tests.cluster.images")
        together = _pytest("-m", "not alone", f"-n{AT_ONCE}", "--dist=loadfile", *arguments)
        return max(together, _pytest("-m", "alone", *arguments))
    finally:
        if ours and not was_up:
            _run("tests.cluster", "down")


def _pytest(*arguments: str) -> int:
    command = [sys.executable, "-m", "pytest", "tests/e2e", "--durations=15", *arguments]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    return 0 if status == _NOTHING_SELECTED else status


def _run(module: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
