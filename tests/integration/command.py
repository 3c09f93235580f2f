"""The command as a user runs it: a process of its own, stdout and stderr apart."""

import os
import subprocess
import sys
from pathlib import Path

COMMAND = Path(sys.executable).parent / "scanmatrix"
#: First lines of a program for this Python, whose path may hold blanks or be longer than the kernel reads after `#!`.
SHEBANG = f"#!/bin/sh\n'''exec' \"{sys.executable}\" \"$0\" \"$@\"\n' '''\n"


def scanmatrix(
    *arguments: str | Path, cwd: Path, environment: dict[str, str] | None = None, stdin: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; no terminal, so no bars."""
    with (stdin or Path(os.devnull)).open("rb") as given:
        return subprocess.run(
            [COMMAND, *map(str, arguments)],
            cwd=cwd,
            env=dict(os.environ) | (environment or {}),
            capture_output=True,
            text=True,
            stdin=given,
            timeout=300,
            check=False,
        )
