"""A tarball's files put into a folder, which they cannot leave.

Only regular files, folders for them, and symbolic links that lead to one of these are made. Links come last and never
before a file, so nothing is ever written through one. A link that leads out of the folder, to nothing, or round in a
circle is left out: what it might show is not the repository's.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.kit.tar import EntryKind, TarEntry, TarError, TarReader
from orchestrator.repositories.bounds import Bounds, RepositoryError, judge_path
from orchestrator.repositories.tree import MOST_LINK

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

_CHUNK = 1 << 20
_MOST_HOPS, _MOST_STEPS = 40, 400


class Unpacked(NamedTuple):
    """What is there now.

    Attributes:
        files: regular files.
        links: symbolic links.
        left_out: links that lead elsewhere.
    """

    files: int = 0
    links: int = 0
    left_out: tuple[str, ...] = ()


def unpack(tarball: Path, folder: Path, bounds: Bounds) -> Unpacked:
    """Put a tarball's files into a new folder.

    Args:
        tarball: as `orchestrator.repositories.tarball` writes it; not trusted.
        folder: must not be there yet.
        bounds: what the files may take.

    Raises:
        RepositoryError: it holds something else than files and links, more than allowed, or is damaged.
        OSError: the folder cannot be written.
    """
    folder.mkdir()
    folders, files = {""}, set[str]()
    links: dict[str, str] = {}
    size = 0
    with _harm(tarball):
        with tarball.open("rb") as stream:
            reader = TarReader(stream, length=os.fstat(stream.fileno()).st_size)
            for entry in reader:
                if entry.kind == EntryKind.GLOBAL:
                    continue  # what the tarball is of
                judge_path(entry.name)
                size += entry.size
                if size > bounds.size:
                    raise bounds.too_large()
                if len(files) + len(links) >= bounds.files:
                    raise bounds.too_many()
                if entry.kind == EntryKind.SYMBOLIC_LINK and entry.name not in links and len(entry.link) < MOST_LINK:
                    links[entry.name] = entry.link
                    _make_folder(folder, entry.name, folders)
                elif entry.kind == EntryKind.FILE and entry.parts is None:
                    _make_folder(folder, entry.name, folders)
                    _write(reader, entry, folder)
                    files.add(entry.name)
                else:
                    raise RepositoryError(f"{tarball}: {entry.name[:200]!r} is neither a file nor a link of its own")
        return _link(folder, links, folders, files)


@contextmanager
def _harm(tarball: Path) -> Iterator[None]:
    """Say of a tarball what is wrong with it."""
    try:
        yield
    except TarError as error:
        raise RepositoryError(f"{tarball}: is damaged: {error}") from error
    except FileExistsError as error:
        raise RepositoryError(f"{tarball}: was made to do harm: two things in it have one name") from error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise RepositoryError(f"{tarball}: a file in it has too long a name for the volume") from error


def leads_to(path: str, links: Mapping[str, str], folders: Collection[str], files: Collection[str]) -> str | None:
    """What a symbolic link leads to at last, relative to the folder ("" for the folder itself).

    Args:
        path: of the link.
        links: where each link of the folder leads, by its path.
        folders: paths of its folders, and "".
        files: paths of its files.

    Returns:
        A path that is there; None for a link that leads out of the folder at any step, to nothing, or on and on.
    """
    here: list[str] = []
    ahead = path.split("/")[::-1]
    hops = 0
    for _ in range(_MOST_STEPS):
        if not ahead:
            found = "/".join(here)
            return found if found in folders or found in files else None
        part = ahead.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            if not here:
                return None
            here.pop()
            continue
        here.append(part)
        name = "/".join(here)
        if name in links:
            hops += 1
            if hops > _MOST_HOPS or links[name].startswith("/") or not links[name]:
                return None
            here.pop()
            ahead += links[name].split("/")[::-1]
        elif ahead and name not in folders:
            return None
    return None


def _make_folder(root: Path, path: str, folders: set[str]) -> None:
    """The folders above a file, each once."""
    above = path.rpartition("/")[0]
    missing = []
    while above not in folders:
        missing.append(above)
        above = above.rpartition("/")[0]
    for name in reversed(missing):
        (root / name).mkdir()
        folders.add(name)


def _write(reader: TarReader, entry: TarEntry, folder: Path) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(folder / entry.name, flags, 0o755 if entry.mode & 0o100 else 0o644), "wb") as file:
        for data in reader.pieces(_CHUNK):
            file.write(data)


def _link(folder: Path, links: Mapping[str, str], folders: Collection[str], files: Collection[str]) -> Unpacked:
    left_out = []
    for path, target in links.items():
        if path in folders or path in files:
            raise FileExistsError(path)
        if leads_to(path, links, folders, files) is None:
            left_out.append(path)
        else:
            (folder / path).symlink_to(target)
    return Unpacked(len(files), len(links) - len(left_out), tuple(left_out))
