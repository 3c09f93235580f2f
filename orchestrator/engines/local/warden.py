"""The process between us and a scanner: it gives up what a scanner must not have, and leaves nothing of it behind.

It runs alone (`python -I -S warden.py …`), so it knows the standard library only. It starts the scanner, is the parent
of whatever the scanner leaves behind (prctl(2), PR_SET_CHILD_SUBREAPER), and ends all of it when the scanner ends, or
when the engine does. With bubblewrap, too: that asks to die with its parent only when it has set up half of a sandbox,
so an engine that is killed before leaves it, and the scanner in it, to themselves.

Where Linux's means are missing (macOS) the limits and the process group are what is left.
"""

import ctypes
import errno
import os
import resource
import select
import sys
import time

TYPE_CHECKING = False  # not by `typing`: a scanner's start waits for every import
if TYPE_CHECKING:
    import signal
    from collections.abc import Collection
else:  # what `signal` consists of, without its enumerations, which take a third of this process's time
    import _signal as signal

#: Exit statuses of what could not be started, beside the number on the descriptor for it; as a shell has them.
CANNOT_START = 127
#: How a shell and bubblewrap report a process ended by a signal: 128 + its number.
SIGNAL_BASE = 128
#: Seconds in which a tree of processes has to be gone.
SWEEP = 10.0

# Of linux/prctl.h and linux/capability.h.
_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
_LINUX = sys.platform == "linux"


def prctl(option: int, value: int = 0) -> int:
    """A setting of this process, by Linux; what the call returns, negative when it failed or there is no such call."""
    return int(ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)) if _LINUX else -1


def is_dumpable() -> bool:
    """Whether others of our user may look into this process: its variables, memory and open files in /proc."""
    return prctl(_PR_GET_DUMPABLE) == 1


def set_dumpable(*, dumpable: bool) -> None:
    """Let others of our user look into this process, or not."""
    prctl(_PR_SET_DUMPABLE, int(dumpable))


def set_subreaper(*, subreaper: bool) -> None:
    """Have children of ended children become ours, instead of init's, or not."""
    prctl(_PR_SET_CHILD_SUBREAPER, int(subreaper))


def give_up_privileges() -> None:
    """No capability, not even for root, and no program that would give one back.

    Without CAP_SYS_PTRACE root, too, cannot look into what is not dumpable, nor into what has more capabilities.
    """
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(_LAST_CAPABILITY + 1):
        prctl(_PR_CAPBSET_DROP, capability)
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if _LINUX:
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)())


def family(root: int, skip: "Collection[int]" = ()) -> list[int]:
    """All living processes below one, by /proc, without those to skip and theirs; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for pid in _processes():
        try:
            with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - pathlib takes 5 ms to import
                state, parent = file.read(1024).rpartition(b")")[2].split()[:2]
        except (OSError, ValueError):
            continue  # ended meanwhile
        # A dead parent of living children is no one's parent any more: they have another.
        if state not in {b"Z", b"X"}:
            children.setdefault(int(parent), []).append(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = [pid for pid in children.get(waiting.pop(), []) if pid not in skip]
        found += below
        waiting += below
    return found


def _processes() -> "list[int]":
    """Every process there is; none where there is no /proc."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - as above
    except OSError:
        return []


def sweep(root: int, seconds: float = SWEEP) -> bool:
    """End every process below one, however fast they multiply: first all are stopped, then all are killed.

    Returns:
        Whether none is left.
    """
    end = time.monotonic() + seconds
    while found := family(root):
        stopped: set[int] = set()
        while new := set(found) - stopped:
            _signal(new, signal.SIGSTOP)
            stopped |= new
            found = family(root)
        _signal(stopped, signal.SIGKILL)
        _reap_all(root)
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def _signal(pids: "set[int]", number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue  # it has ended; or it is another user's, as of a set-uid program


def _reap_all(root: int) -> None:
    if root != os.getpid():
        return
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _supervise(argv: "list[str]", lifeline: int, failure: int, info: int | None) -> int:
    """Start the scanner, and wait for its end, or for that of the engine, which holds the other end of the lifeline."""
    set_dumpable(dumpable=False)
    set_subreaper(subreaper=True)
    if info is None:  # bubblewrap needs privileges, where there are any, and gives them up itself
        give_up_privileges()
    # A pipe that signals write to: a child's end and the engine's are waited for at once.
    hears, rings = os.pipe()
    os.set_blocking(rings, False)
    os.set_blocking(hears, False)
    signal.set_wakeup_fd(rings, warn_on_full_buffer=False)
    asked: list[int] = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    try:
        child = os.fork()
    except OSError as error:
        os.write(failure, str(error.errno).encode())
        return CANNOT_START
    if child == 0:
        _become(argv, failure)
    for descriptor in (failure, *(() if info is None else (info,))):  # the engine reads both to their ends
        os.close(descriptor)
    status = None
    while status is None and not _is_closed(lifeline, hears):
        while asked:
            asked.pop()
            _signal_group(child, signal.SIGTERM)
        status = _reap(child)
    _signal_group(child, signal.SIGKILL)
    while _has_children():
        sweep(os.getpid())
    if status is None:
        return SIGNAL_BASE + signal.SIGKILL
    code = os.waitstatus_to_exitcode(status)
    return SIGNAL_BASE - code if code < 0 else code


def _become(argv: "list[str]", failure: int) -> None:
    """Be the scanner, in a session of its own; why not, as a number, on the descriptor for it."""
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is the point
    except OSError as error:
        os.write(failure, str(error.errno).encode())
    finally:
        os._exit(CANNOT_START)


def _is_closed(lifeline: int, hears: int) -> bool:
    """Wait until something happens; whether it is the engine's end."""
    ready, _, _ = select.select([lifeline, hears], [], [])
    if hears in ready:
        os.read(hears, 1 << 12)
    return lifeline in ready


def _reap(child: int) -> "int | None":
    """Take the ends of whatever became ours; the child's own status once it has ended."""
    found = None
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return found
            if pid == child:
                found = status
    except ChildProcessError:
        return found


def _has_children() -> bool:
    """Whether anything of the scanner is left; the kernel's word, where /proc may have been read too early."""
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):  # nothing left, or (macOS) only zombies
        return


def _limit(name: str, most: int) -> None:
    """Lower a limit, soft and hard; one that is lower already stays. Kinds that this system lacks are passed over."""
    kind = getattr(resource, f"RLIMIT_{name}", None)
    if kind is None:
        return
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def _join(group: str) -> None:
    """Become one of a control group; one that somebody removed is a fault that passes, and not the program's."""
    try:
        with open(group, "w", encoding="ascii") as file:  # noqa: PTH123 - as above
            file.write("0")  # any process writes it
    except FileNotFoundError as error:
        raise OSError(errno.EAGAIN, "") from error


def main(arguments: "list[str]") -> int:
    """`LIFELINE FAILURE [limit=NAME:NUMBER | join=FILE | umask=OCTAL | info=DESCRIPTOR]… -- PROGRAM ARGUMENT…`.

    `info`: the program is bubblewrap, which says there which process is the first of its namespace.
    """
    lifeline, failure, *rest = arguments
    cut = rest.index("--")
    info = None
    try:
        for option in rest[:cut]:
            kind, _, value = option.partition("=")
            if kind == "join":
                _join(value)
            elif kind == "umask":
                os.umask(int(value, 8))
            elif kind == "info":
                info = int(value)
            else:
                name, _, number = value.partition(":")
                _limit(name, int(number))
        for descriptor in (lifeline, failure):
            os.set_inheritable(int(descriptor), False)
    except OSError as error:
        os.write(int(failure), str(error.errno).encode())
        return CANNOT_START
    return _supervise(rest[cut + 1 :], int(lifeline), int(failure), info)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
