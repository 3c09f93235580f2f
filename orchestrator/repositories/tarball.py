"""The tarball of a commit: its files in git's order, with times, owners and modes that are always the same.

It begins with a header that names the commit and the length of the whole, so that a few reads tell whether it is what
it is called. The same commit gives the same bytes, on every machine.
"""

from __future__ import annotations

import os
import stat
import tarfile
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.repositories.tree import contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from orchestrator.git.command import Git
    from orchestrator.repositories.tree import File

_BLOCK = 512
_STAMP = 315_532_800  # 1980-01-01: git keeps no time of a file
_END = bytes(2 * _BLOCK)
#: Of the header that comes first: one block, and one for what it says.
_FIRST = 2 * _BLOCK


class RepositoryLayout(NamedTuple):
    """What a tarball is made of.

    Attributes:
        size: bytes of the whole.
        first: its first bytes.
        members: in order, each with its header.
    """

    size: int
    first: bytes
    members: tuple[tuple[File, bytes], ...]


def layout(commit: str, files: Iterable[File], links: Mapping[str, str]) -> RepositoryLayout:
    """Plan the tarball of a commit.

    Args:
        commit: full hash.
        files: of it.
        links: where each symbolic link among them leads, by its path.
    """
    members = tuple((file, _header(file, links.get(file.path, ""))) for file in files)
    body = sum(len(header) + _padded(_length(file)) for file, header in members)
    size = _FIRST + body + len(_END)
    return RepositoryLayout(size, _first(commit, size), members)


def write(git: Git, plan: RepositoryLayout, put: Callable[[int, bytes], None]) -> None:
    """Write the tarball.

    Args:
        git: with the commit fetched.
        plan: of the tarball.
        put: told an offset and bytes, in order.
    """
    put(0, plan.first)
    offset = len(plan.first)
    with closing(contents(git, (file for file, _ in plan.members if not file.link))) as several:
        for file, header in plan.members:
            put(offset, header)
            offset += len(header)
            if file.link:
                continue
            _, content = next(several)  # both go by the same order
            for data in content:
                put(offset, data)
                offset += len(data)
            rest = _padded(file.size) - file.size
            put(offset, bytes(rest))
            offset += rest
        next(several, None)  # so that git's end is seen
    put(offset, _END)


def is_whole(path: Path, commit: str) -> bool:
    """Whether a file is the tarball of a commit, as long as it was when it was made; its content is not read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        status = os.fstat(descriptor)
        first = os.pread(descriptor, _FIRST, 0)
    finally:
        os.close(descriptor)
    return stat.S_ISREG(status.st_mode) and first == _first(commit, status.st_size)


def _header(file: File, link: str) -> bytes:
    info = tarfile.TarInfo(file.path)
    info.size = _length(file)
    info.mtime = _STAMP
    info.mode = 0o755 if file.executable else 0o644
    if file.link:
        info.type, info.linkname = tarfile.SYMTYPE, link
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _first(commit: str, size: int) -> bytes:
    return tarfile.TarInfo.create_pax_global_header({"comment": commit, "SCANMATRIX.size": str(size)})


def _length(file: File) -> int:
    """Bytes of its content in the tarball; where a link leads is part of its header."""
    return 0 if file.link else file.size


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
