"""The user's umask, read without changing it where the system lets us."""

import os
import re
from pathlib import Path

_STATUS = re.compile(r"^Umask:\s*([0-7]+)$", re.MULTILINE)


def umask() -> int:
    """The process's umask; where only setting it tells it (not Linux), it is another for a moment, a stricter one."""
    try:
        if found := _STATUS.search(Path("/proc/self/status").read_text(encoding="ascii", errors="replace")):
            return int(found[1], 8)
    except OSError:
        pass
    before = os.umask(0o077)
    os.umask(before)
    return before
