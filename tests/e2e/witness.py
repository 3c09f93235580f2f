"""What a cluster looked like when a test failed: in CI there is nobody to ask it afterwards."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from orchestrator.argo import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Characters of one answer; the newest are kept.
_MOST = 6_000
_SELECTED = f"{names.PART_OF}={names.SCANMATRIX}"


def statements() -> Iterator[tuple[str, str]]:
    """Title and text of what is worth reading: objects, events and the logs of our own pods that stay."""
    yield "workflows", _ask("get", "workflows", "-A")
    yield "pods", _ask("get", "pods", "-A", "-o", "wide")
    yield "events", _ask("get", "events", "-A", "--sort-by=.lastTimestamp")
    found = _ask("get", "deployments", "-A", "-l", _SELECTED, "-o", "custom-columns=:metadata.namespace,:metadata.name")
    for line in found.splitlines():
        if len(words := line.split()) == 2:
            where, name = words
            yield f"log of {name} in {where}", _ask("-n", where, "logs", f"deployment/{name}", "--tail=60")


def _ask(*arguments: str) -> str:
    command: Sequence[str] = ("kubectl", *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stdout + done.stderr)[-_MOST:]
