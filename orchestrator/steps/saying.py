"""What a step says of itself, line by line."""

from __future__ import annotations

import sys

from orchestrator.argo.agreed import COMPLAINT
from orchestrator.kit.text import visible_message


def say(line: str) -> None:
    """A line on stdout."""
    sys.stdout.write(f"{visible_message(line)}\n")


def complain(line: str) -> None:
    """A line on stderr, by which `orchestrator.steps.settle` finds why a step failed."""
    sys.stderr.write(f"{COMPLAINT}{visible_message(line)}\n")
