"""What a scanner's process is kept in: a sandbox and a control group where they work here, and limits in any case."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.engines.local import exposure
from orchestrator.engines.local.cgroups import Group
from orchestrator.engines.local.guard import Guard
from orchestrator.engines.local.sandbox import HINT, Sandbox, Sandboxing, find_sandbox
from orchestrator.engines.local.scratch import Bound
from orchestrator.kit.quantities import parse_size
from orchestrator.model.plan import MOST_FILES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestrator.model import Limits, Scan

SCRATCH_LIMIT = "the scan's scratchLimit"
_STATUS = re.compile(r"^Uid:\s+(?P<user>\d+).*^Threads:\s+(?P<threads>\d+)$", re.MULTILINE | re.DOTALL)


class Confinement:
    """Keeps the processes of one run.

    Args:
        wanted: whether they are kept in a sandbox.
        hidden: folders of ours that no sandbox shows, but for what a scanner works with.
    """

    def __init__(self, wanted: Sandboxing = "auto", hidden: Sequence[Path] = ()) -> None:
        self._wanted = wanted
        self._hidden = tuple(hidden)

    @cached_property
    def sandbox(self) -> Sandbox | None:
        """The sandbox that works here; looked for once."""
        if self._wanted == "off":
            return None
        with tempfile.TemporaryDirectory(prefix="scanmatrix-") as folder:
            return find_sandbox(Path(folder).resolve(), self._hidden)

    def missing(self) -> str:
        """Why no process may be started here; empty when it may."""
        if self._wanted == "required" and self.sandbox is None:
            return f"local.sandbox is required, and bubblewrap does not work here: {HINT}"
        return ""

    def warning(self) -> str:
        """What to know of processes without a sandbox, where nobody asked for that; empty otherwise."""
        if self._wanted != "auto" or self.sandbox or sys.platform != "linux":
            return ""
        return f"scanners run as processes without a sandbox, with your files and network within their reach: {HINT}"

    @contextmanager
    def guard(
        self,
        scan: Scan,
        *,
        program: str,
        path: str,
        words: Sequence[str],
        writable: Sequence[Path],
        named: Sequence[Path],
        network: bool,
        refresh: bool,
        largest: int,
        laid: Mapping[Path, str] | None = None,
    ) -> Iterator[tuple[Guard, str]]:
        """How one process is held, and that in words; its control group ends with the block.

        Args:
            scan: gives the limits.
            program: where it lies.
            path: its PATH.
            words: of its command and environment, as its template has them; the paths they name are shown.
            writable: folders that it may write to, its working directory first.
            named: what else of ours it works with.
            network: whether it may use the network.
            refresh: whether it makes a database, for others to read.
            largest: most bytes of one file.
            laid: where the process sees these of ours, if not where they are; only in a sandbox.
        """
        group = Group.make(memory=parse_size(scan.resources.memory_limit), pids=scan.resources.pids)
        with ExitStack() as stack:
            if group:
                stack.callback(group.remove)
            command: tuple[str, ...] = ()
            folders: tuple[Path, ...] = ()
            if sandbox := self.sandbox:
                temporary = stack.enter_context(sandbox.make_temporary(writable[0]))
                folders = (temporary,)
                readable = [
                    *exposure.of_program(program, path), *exposure.of_path(path), *exposure.of_words(words),
                    *(exposure.of_ours() if program == sys.executable else ()),
                ]  # fmt: skip
                command = sandbox.command(
                    writable=writable,
                    temporary=temporary,
                    readable=readable,
                    named=named,
                    network=network,
                    laid=laid or {},
                )
            guard = Guard(command, group, _limits(scan, group, largest), None if refresh else 0o077, folders)
            yield guard, _spell(sandbox is not None, group)


def bound_of_cell(scan: Scan, limits: Limits) -> Bound:
    """What a scanner may keep for one cell."""
    size = limits.disk_of(scan)
    said = SCRATCH_LIMIT if size and size == scan.scratch_limit else "limits.cellDisk"
    return Bound(size or sys.maxsize, MOST_FILES, said)


def bound_of_database(limits: Limits) -> Bound:
    """What may lie in the folders of a scanner that makes its database, which is no cell's."""
    return Bound(limits.database_disk or sys.maxsize, MOST_FILES, "limits.databaseDisk")


def _limits(scan: Scan, group: Group | None, largest: int) -> dict[str, int]:
    """What setrlimit(2) can do. Not RLIMIT_AS: programs in Go, Java or JavaScript reserve far more than they use."""
    limits = {"CORE": 0, "FSIZE": largest}
    if group is None or "pids" not in group.limited:
        # The kernel counts all processes and threads of the user, so those there are come on top. Root has no limit.
        limits["NPROC"] = _tasks() + scan.resources.pids
    return limits


def _tasks() -> int:
    """Processes and threads of our user; on a system without /proc as many as one may well have."""
    if not Path("/proc/self/task").is_dir():
        return 1024
    own, number = os.getuid(), 0
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError, ValueError):
            found = _STATUS.search(status.read_text(encoding="ascii", errors="replace"))
            number += int(found["threads"]) if found and int(found["user"]) == own else 0
    return number


def _spell(sandboxed: bool, group: Group | None) -> str:
    limited = " and ".join(group.limited) if group else ""
    return ", ".join(
        (
            "bubblewrap" if sandboxed else "process, no sandbox",
            f"limits of {limited} by a control group" if limited else "no limit of memory",
        )
    )
