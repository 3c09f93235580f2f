"""Asking a program on this machine something that takes no time."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def ask(command: Sequence[str], timeout: float) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end, without input, out of reach of the terminal's Ctrl-C.

    Args:
        command: the program and its arguments.
        timeout: seconds, after which it is killed.

    Returns:
        Its status and what it wrote.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it took too long.
    """
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        check=False,
        start_new_session=True,
    )
