"""As which user an image's process runs, by what container runtimes make of `User` in its config.

They differ: runc's library (moby/sys/user, also Docker's and podman's) refuses ids outside 0 to 2³¹-1, containerd cut
them to 32 bits before 1.7.27 and 2.0.4 (CVE-2024-40635: 4294967296 is root) and now looks for a user of that name. So
an id that any of them may take for 0 is root's. `/etc/passwd` is read as moby/sys/user reads it, which is not how the
C library does: the first line of a name counts, and an id that is no number is 0.
"""

import re
from collections.abc import Callable
from enum import Enum, auto

_IDS = range(1 << 31)
_MOST_DIGITS = 20  # of any id that is in range, and more
_NUMBER = re.compile(r"[+-]?[0-9]+")
# What Go's `bytes.TrimSpace` takes off; Python's `strip` takes more.
_SPACE = "\t\n\v\f\r \u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_LONGEST_LINE = 64 * 1024  # of Go's `bufio.Scanner`; with a longer one it gives up
_SHOWN = 80


class Runs(Enum):
    """As whom a process runs."""

    AS_ROOT = auto()
    AS_OTHER = auto()
    UNKNOWN = auto()


def judge_user(user: str, read_passwd: Callable[[], bytes | None]) -> tuple[Runs, str]:
    """As whom the process runs, and why.

    Args:
        user: as the config has it: `user[:group]`, names or ids; empty for none.
        read_passwd: gives the image's `/etc/passwd`, None when there is none; called only where it counts.
    """
    name, _, group = user.partition(":")
    if why := _certainly_root(user, name.strip(_SPACE), group.strip(_SPACE)):
        return Runs.AS_ROOT, why
    if ":" in group:
        return Runs.UNKNOWN, f"User {_show(user)} has more parts than user and group"
    if _NUMBER.fullmatch(name):
        return Runs.AS_OTHER, f"its configuration says user {_show(user)}"
    return _judge_name(name, read_passwd())


def _certainly_root(user: str, name: str, group: str) -> str:
    """Why a user is root without a look into the image; empty if it may be another."""
    if not user:
        return "its configuration names no user"
    if any(_NUMBER.fullmatch(part) and _as_id(part) not in _IDS for part in (name, group)):
        return f"its configuration says user {_show(user)}, an id out of range, which some runtimes take for 0"
    if name in {"", "root"} or (_NUMBER.fullmatch(name) and _as_id(name) == 0):
        return f"its configuration says user {_show(user)}"
    return ""


def _judge_name(name: str, passwd: bytes | None) -> tuple[Runs, str]:
    shown = _show(name)
    lines = (passwd or b"").split(b"\n")
    if any(len(line) >= _LONGEST_LINE for line in lines):
        return Runs.UNKNOWN, f"User {shown} cannot be looked up: the image's /etc/passwd has a line that is too long"
    for line in lines:
        fields = line.decode("utf-8", "surrogateescape").strip(_SPACE).split(":")
        if fields[0] != name:
            continue
        id_ = _as_id(fields[2]) if len(fields) > 2 else 0  # noqa: PLR2004 - name:password:id:…, passwd(5)
        if id_ == 0:
            return Runs.AS_ROOT, f"user {shown} has the id 0"
        if id_ not in _IDS:
            return Runs.AS_ROOT, f"user {shown} has an id out of range, which some runtimes take for 0"
        return Runs.AS_OTHER, f"user {shown} has the id {id_}"
    return Runs.UNKNOWN, f"User {shown} is not in the image's /etc/passwd"


def _as_id(text: str) -> int:
    """What Go's `strconv.Atoi` reads; 0 for what is no number, -1 for one that fits nowhere."""
    if not _NUMBER.fullmatch(text):
        return 0
    return int(text) if len(text) <= _MOST_DIGITS else -1


def _show(text: str) -> str:
    return repr(text[:_SHOWN])
