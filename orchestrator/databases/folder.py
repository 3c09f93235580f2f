"""A database that somebody has, in a folder of the machine that runs this: copied as it is, nothing downloaded.

What proves that it is still the same are names, sizes and times of its files. They are compared again after the copy,
so that half of one database and half of the next never become a version.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.databases.interface import DatabaseRefused
from orchestrator.kit.copying import copy_at_most
from orchestrator.kit.trees import walk
from orchestrator.model import DatabasePart
from orchestrator.model.database import DEEPEST
from orchestrator.model.scan import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.databases.interface import Order

name = FOLDER

#: Most files; scanners have a handful.
_MOST_FILES = 10_000


class _Shape(NamedTuple):
    """What the folder of a scanner's database is like.

    Attributes:
        folders: of it that are taken; empty for everything in it.
        needed: files without which it is none.
        endings: of files of which it has at least one; empty for any.
        called: what people know the folder as.
    """

    folders: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    called: str = "the folder of a database"


_SHAPES = {
    "trivy": _Shape(("db", "java-db"), ("db/trivy.db", "db/metadata.json"), called="Trivy's cache folder"),
    "grype": _Shape(("6",), ("6/vulnerability.db",), called="Grype's GRYPE_DB_CACHE_DIR"),
    "clamav": _Shape(
        endings=(".cvd", ".cld", ".cud", ".ndb", ".hdb", ".hsb", ".ldb", ".mdb", ".msb", ".cdb", ".yar", ".yara"),
        called="ClamAV's DatabaseDirectory",
    ),
}


class _Found(NamedTuple):
    relative: str
    size: int
    changed: int


def offers(order: Order) -> Sequence[DatabasePart]:
    """What is in the folder now.

    Raises:
        DatabaseRefused: there is no such folder, or no such database in it.
    """
    path = Path(order.settings["path"]).resolve()
    return [DatabasePart(name, order.settings["path"], _digest(_look(order, path)))]


def fetch(order: Order, part: DatabasePart) -> DatabasePart:
    """A copy of its files.

    Raises:
        DatabaseRefused: it is larger than the limit, or changed while it was copied.
    """
    path = Path(order.settings["path"]).resolve()
    files = _look(order, path)
    left = order.limit
    for found in files:
        left -= _copy(path / found.relative, order.folder / found.relative, left, order)
    if _digest(files) != part.digest or _digest(_look(order, path)) != part.digest:
        raise DatabaseRefused(f"{_where(order)}: it changed while it was copied; run again once it is whole")
    return msgspec.structs.replace(part, files=tuple(found.relative for found in files))


def _look(order: Order, path: Path) -> list[_Found]:
    """The files that are taken, in order."""
    shape = _SHAPES.get(order.settings.get("scanner", ""), _Shape())
    if not path.is_dir():
        raise DatabaseRefused(f"{_where(order)}: there is no such folder; name {shape.called}")
    try:
        files = [found for top in shape.folders or (".",) for found in _files(order, shape, path, top)]
    except OSError as error:
        raise DatabaseRefused(f"{_where(order)}: cannot be read: {error.strerror or error}") from error
    if (size := sum(found.size for found in files)) > order.limit:
        raise DatabaseRefused(f"{_where(order)}: its {size} bytes are more than the limit of {order.limit}")
    _judge(order, shape, {found.relative for found in files if found.size})
    return sorted(files)


def _files(order: Order, shape: _Shape, path: Path, top: str) -> Iterator[_Found]:
    """The files below one of the folders that are taken."""
    if not (path / top).is_dir():
        return
    for count, entry in enumerate(walk((path / top).resolve()), start=1):
        relative = os.path.normpath(f"{top}/{entry.relative}")
        if count > _MOST_FILES or entry.depth > DEEPEST:
            raise DatabaseRefused(f"{_where(order)}: has too many files, or too deep ones; name {shape.called}")
        if shape.endings and (entry.depth or not entry.name.endswith(shape.endings)):
            continue
        if entry.is_file:
            yield _Found(relative, entry.status.st_size, entry.status.st_mtime_ns)
        elif not entry.is_folder:
            raise DatabaseRefused(f"{_where(order)}: {relative} is a link or a device; put the file itself there")


def _judge(order: Order, shape: _Shape, names: set[str]) -> None:
    """Refuse a folder without a database."""
    lacking = [needed for needed in shape.needed if needed not in names]
    if not lacking and shape.endings and not any(each.endswith(shape.endings) for each in names):
        lacking = [f"a file that ends in {', '.join(shape.endings[:2])} or the like"]
    if not lacking and not names:
        lacking = ["any file with content"]
    if lacking:
        raise DatabaseRefused(f"{_where(order)}: has no {', no '.join(lacking)}; name {shape.called}")


def _copy(source: Path, target: Path, left: int, order: Order) -> int:
    """One file, at most as many bytes as are left; how many there were."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise DatabaseRefused(f"{_where(order)}: {source.name}: cannot be read: {error.strerror or error}") from error
    try:
        with target.open("xb") as copy:
            if (count := copy_at_most(descriptor, copy, left, between=order.watch.check)) > left:
                raise DatabaseRefused(f"{_where(order)}: its files have more than the limit of {order.limit} bytes")
            copy.flush()
            os.fsync(copy.fileno())
    finally:
        os.close(descriptor)
    return count


def _digest(files: Sequence[_Found]) -> str:
    said = "\0".join(f"{found.relative}\0{found.size}\0{found.changed}" for found in files)
    return f"sha256:{hashlib.sha256(os.fsencode(said)).hexdigest()}"


def _where(order: Order) -> str:
    return f"{order.key('path')}: {order.settings['path']}"
