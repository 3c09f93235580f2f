"""A control group for each scanner: the kernel bounds its memory and its number of processes, and can end them all.

Version 2 of the interface where the group we run in, or the one above it, is ours to divide (root, or a delegated
one: systemd's `Delegate=`); version 1 for root. Where neither can be used, there is none.
See Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of the kernel.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PREFIX = "scanmatrix-"
_WANTED = ("memory", "pids")
_LIMITS = {
    1: {"memory": "memory.limit_in_bytes", "pids": "pids.max"},
    2: {"memory": "memory.max", "pids": "pids.max"},
}
# Swap would let it have more than its memory; not every kernel accounts for it.
_SWAP = {1: "memory.memsw.limit_in_bytes", 2: "memory.swap.max"}
_KILLS = {1: "memory.oom_control", 2: "memory.events"}
_PATIENCE = 2.0
#: Seconds after which an empty group of an engine that is gone is nobody's; its number may be one of another container.
_ABANDONED = 3600


@dataclass(frozen=True)
class Place:
    """A group of ours in which further ones can be made.

    Attributes:
        path: its folder.
        version: of the interface.
        controllers: what it can limit: `memory`, `pids`.
    """

    path: Path
    version: int
    controllers: tuple[str, ...]


class Group:
    """The groups of one scanner: one, or with version 1 one for each controller."""

    def __init__(self, places: tuple[Place, ...]) -> None:
        self._places = places
        self._name = f"{_PREFIX}{os.getpid()}-{secrets.token_hex(4)}"

    @classmethod
    def make(cls, *, memory: int, pids: int) -> Group | None:
        """New groups with these limits, bytes and processes (threads count); None where there can be none."""
        group = cls(places())
        if not group._places:
            return None
        try:
            group._create({"memory": memory, "pids": pids})
        except OSError:
            group.remove()
            return None
        return group

    @property
    def joins(self) -> list[str]:
        """The files by which a process joins: it writes 0 to them."""
        return [str(folder / "cgroup.procs") for folder in self._folders()]

    @property
    def limited(self) -> tuple[str, ...]:
        """What is limited: `memory`, `pids`."""
        return tuple(name for place in self._places for name in place.controllers)

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel killed some of it for its memory."""
        for place in self._places:
            with suppress(OSError, ValueError):
                for line in (place.path / self._name / _KILLS[place.version]).read_text().splitlines():
                    name, _, number = line.partition(" ")
                    if name == "oom_kill" and int(number) > 0:
                        return True
        return False

    def remove(self) -> None:
        """End what is still in it, and remove it."""
        end = time.monotonic() + _PATIENCE
        for folder in self._folders():
            while folder.exists() and time.monotonic() < end:
                with suppress(OSError):
                    folder.rmdir()
                    break
                self._kill(folder)
                time.sleep(0.005)

    def _create(self, limits: dict[str, int]) -> None:
        for place in self._places:
            folder = place.path / self._name
            folder.mkdir()
            for controller in place.controllers:
                (folder / _LIMITS[place.version][controller]).write_text(str(limits[controller]))
                if controller == "memory":
                    with suppress(OSError):
                        (folder / _SWAP[place.version]).write_text(str(limits["memory"] if place.version == 1 else 0))

    def _folders(self) -> list[Path]:
        return [place.path / self._name for place in self._places]

    @staticmethod
    def _kill(folder: Path) -> None:
        with suppress(OSError):
            (folder / "cgroup.kill").write_text("1")
            return
        with suppress(OSError, ValueError):
            for pid in map(int, (folder / "cgroup.procs").read_text().split()):
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)


@cache
def places() -> tuple[Place, ...]:
    """Where groups can be made here; what an engine that was killed left there goes."""
    if sys.platform != "linux":
        return ()
    found = []
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, names, path = line.split(":", 2)
            place = _version_1(names, path) if names else _version_2(path)
            if place:
                found.append(place)
    for place in found:
        for left in place.path.glob(f"{_PREFIX}*"):
            with suppress(OSError):
                if _is_abandoned(left):
                    left.rmdir()  # refused while there is a process in it
    return tuple(found)


def _is_abandoned(folder: Path) -> bool:
    """Whether it is nobody's any more: another engine may just have made it, and its scanner not yet joined."""
    maker = folder.name.removeprefix(_PREFIX).partition("-")[0]
    return not Path("/proc", maker).exists() and time.time() - folder.stat().st_mtime > _ABANDONED


def _version_1(names: str, path: str) -> Place | None:
    controllers = tuple(name for name in names.split(",") if name in _WANTED)
    # In a container the path may be the host's; what is mounted is then our own group.
    for folder in (_ROOT / names / path.lstrip("/"), _ROOT / names):
        if controllers and _is_ours(folder):
            return Place(folder, 1, controllers)
    return None


def _version_2(path: str) -> Place | None:
    own = _ROOT / path.lstrip("/")
    for folder in (own, own.parent):
        with suppress(OSError):
            given = (folder / "cgroup.subtree_control").read_text().split()
            controllers = tuple(name for name in _WANTED if name in given)
            if controllers and folder.is_relative_to(_ROOT) and _is_ours(folder):
                return Place(folder, 2, controllers)
    return None


def _is_ours(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK)
