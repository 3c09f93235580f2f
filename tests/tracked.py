"""Which files of this checkout are the project's."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def tracked(*places: str) -> list[str]:
    """Paths of the files that git knows; the running test is skipped in an unpacked archive, which has no git.

    Args:
        places: git's pathspecs; all files without one.
    """
    # Also where the checkout belongs to another user, as it does in the containers of CI.
    words = ["git", "-c", f"safe.directory={ROOT}", "ls-files", *places]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"not a git checkout: {done.stderr.strip()}")
    return done.stdout.splitlines()
