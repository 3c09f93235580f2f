"""The filesystem of an image as a running container would see it: all layers merged, names only, nothing extracted.

Layers are read once, as streams, whatever their compression. Later layers win; whiteouts are obeyed as the OCI image
layer specification defines them (https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts); `..` and
absolute names stay within the root; parents that are symbolic links are followed, as container runtimes do.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from enum import Enum
from typing import TYPE_CHECKING, BinaryIO

import zstandard

from orchestrator.images.interface import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.images.archive import Tarball

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
#: As many symbolic links as Linux follows in one path.
_MAX_LINKS = 40
#: Most names kept of one image (about 100 bytes each); no real image comes near.
MAX_NAMES = 3_000_000
#: Most bytes kept of one file that is read.
MAX_CONTENT = 1024 * 1024


class Kind(Enum):
    """What a name stands for."""

    FOLDER = "folder"
    FILE = "file"
    LINK = "link"
    OTHER = "other"


class Node:
    """One name in the merged filesystem.

    Attributes:
        kind: what it is; a hard link is a file like any other.
        executable: any of the three execute bits is set.
        target: of a symbolic link, as written.
        children: names in a folder.
        content: bytes of a file that was asked for; None of every other.
    """

    __slots__ = ("children", "content", "executable", "kind", "layer", "target")

    def __init__(self, kind: Kind, layer: int, *, executable: bool = False, target: str = "") -> None:
        self.kind = kind
        self.layer = layer
        self.executable = executable
        self.target = target
        self.children: dict[str, Node] = {}
        self.content: bytes | None = None


class Filesystem:
    """The merged view; built by `merge`."""

    def __init__(self) -> None:
        self._root = Node(Kind.FOLDER, -1)
        self._names = 0

    def lookup(self, path: str) -> Node | None:
        """What a path leads to, symbolic links followed; None when there is nothing, or links run in circles."""
        found = self._walk(path, follow_last=True)
        return found[0] if found else None

    def real(self, path: str) -> str | None:
        """The absolute path without symbolic links; None when there is nothing."""
        found = self._walk(path, follow_last=True)
        return "/" + "/".join(found[1]) if found else None

    def names(self, folder: str) -> tuple[str, ...]:
        """Names in a folder, sorted; none when it is no folder."""
        node = self.lookup(folder)
        return tuple(sorted(node.children)) if node else ()

    def read(self, path: str) -> bytes | None:
        """Content of a file that `merge` was asked to keep; None when it is not there or was not kept."""
        node = self.lookup(path)
        return node.content if node else None

    def add(self, layer: int, name: str, node: Node) -> None:
        """Put one entry of a layer into place, over whatever lower layers have there."""
        *folders, last = _parts(name) or [""]
        if not last:
            return
        parent = self._make_folders(folders, layer)
        before = parent.children.get(last)
        if before and before.kind is Kind.FOLDER and node.kind is Kind.FOLDER:
            before.layer = layer
            return
        self._count()
        parent.children[last] = node

    def whiteout(self, layer: int, folder: str, name: str) -> None:
        """Remove a name that lower layers have; what this layer itself wrote stays."""
        parent = self.lookup(folder)
        if parent and (node := parent.children.get(name)) and not _prune(node, layer):
            del parent.children[name]

    def opaque(self, layer: int, folder: str) -> None:
        """Remove everything that lower layers have in a folder."""
        if node := self.lookup(folder):
            _prune(node, layer)

    def linked(self, layer: int, target: str) -> Node:
        """A node for a hard link to a path."""
        found = self._walk(target, follow_last=False)
        node = Node(Kind.FILE, layer, executable=bool(found and found[0].executable))
        node.content = found[0].content if found else None
        return node

    def _count(self) -> None:
        self._names += 1
        if self._names > MAX_NAMES:
            raise ArchiveError(f"the image has more than {MAX_NAMES:,} files; exclude it from this scan")

    def _make_folders(self, folders: list[str], layer: int) -> Node:
        """The folder that an entry goes into; parents without an entry of their own are made."""
        real: list[str] = []
        node = self._root
        for part in folders:
            child = node.children.get(part)
            if child and child.kind is Kind.LINK:
                found = self._walk("/".join([*real, part]), follow_last=True)
                if found and found[0].kind is Kind.FOLDER:
                    node, real = found[0], found[1]
                    continue
                child = None
            if child is None or child.kind is not Kind.FOLDER:
                self._count()
                child = node.children[part] = Node(Kind.FOLDER, layer)
            node = child
            real.append(part)
        return node

    def _walk(self, path: str, *, follow_last: bool) -> tuple[Node, list[str]] | None:
        """The node of a path, and its real parts."""
        pending = _parts_with_dots(path)[::-1]
        trail: list[tuple[str, Node]] = []
        links = 0
        while pending:
            part = pending.pop()
            if part == "..":
                if trail:
                    trail.pop()
                continue
            child = (trail[-1][1] if trail else self._root).children.get(part)
            if child is None:
                return None
            if child.kind is Kind.LINK and (pending or follow_last):
                links += 1
                if links > _MAX_LINKS:
                    return None
                if child.target.startswith("/"):
                    trail = []
                pending += _parts_with_dots(child.target)[::-1]
                continue
            trail.append((part, child))
        return (trail[-1][1] if trail else self._root), [name for name, _ in trail]


def merge(tarball: Tarball, *, contents: Iterable[str] = ()) -> Filesystem:
    """Read all layers of an open tarball, the base first, into one view.

    Args:
        tarball: as `images.archive.open_tarball` gives it.
        contents: paths of files whose bytes to keep, such as `/etc/passwd`; one over `MAX_CONTENT` is not kept.

    Raises:
        ArchiveError: a layer is truncated or damaged, or the image has too many files.
    """
    keep = {tuple(_parts(path)) for path in contents}
    filesystem = Filesystem()
    for number, layer in enumerate(tarball.image.layers):
        try:
            _apply(filesystem, number, tarball.open_layer(number), keep)
        except (tarfile.TarError, EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
            raise ArchiveError(f"{tarball.path}: layer {layer.digest} is damaged: {error}; pull it again") from error
    return filesystem


def _apply(filesystem: Filesystem, number: int, stream: BinaryIO, keep: set[tuple[str, ...]]) -> None:
    """Put every entry of one layer into place."""
    for archive, member in _members(stream):
        parts = _parts(member.name)
        last = parts[-1] if parts else ""
        folder = "/".join(parts[:-1])
        if last == _OPAQUE:
            filesystem.opaque(number, folder)
        elif last.startswith(_WHITEOUT + _WHITEOUT):
            continue  # aufs's own bookkeeping, no file of the image
        elif last.startswith(_WHITEOUT):
            filesystem.whiteout(number, folder, last.removeprefix(_WHITEOUT))
        elif member.islnk():
            filesystem.add(number, member.name, filesystem.linked(number, member.linkname))
        else:
            node = Node(_kind(member), number, executable=bool(member.mode & 0o111), target=member.linkname)
            if tuple(parts) in keep and member.isreg() and member.size <= MAX_CONTENT:
                file = archive.extractfile(member)
                node.content = file.read() if file else None
            filesystem.add(number, member.name, node)


def _members(stream: BinaryIO) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Entries of one layer, read as a stream; the archive forgets them as it goes, so memory stays flat."""
    counted = _Counted(stream)
    buffered = io.BufferedReader(counted, 256 * 1024)
    if buffered.peek(1):
        with tarfile.open(fileobj=buffered, mode="r|") as archive:
            for member in archive:
                yield archive, member
                archive.members.clear()  # type: ignore[attr-defined] # public, but not in the type stubs
        while buffered.read(1024 * 1024):  # to the end, so that the compression's own checksum is proved too
            pass
    if counted.total % tarfile.BLOCKSIZE:
        raise EOFError("it ends within a block of its tar")


class _Counted(io.RawIOBase):
    """A stream that can be buffered, and that knows how many bytes were read of it."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self.total = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override] # the stubs' Buffer is 3.12
        """Fill the buffer as far as one read goes."""
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self.total += len(data)
        return len(data)


def _prune(node: Node, layer: int) -> bool:
    """Drop from a node everything not written by this layer; whether anything of it stays.

    Works with a stack of its own: a hostile layer may nest deeper than Python recurses.
    """
    order = [node]
    for one in order:
        order.extend(one.children.values())
    for one in reversed(order):
        one.children = {name: child for name, child in one.children.items() if child.layer == layer or child.children}
    return node.layer == layer or bool(node.children)


def _kind(member: tarfile.TarInfo) -> Kind:
    if member.isdir():
        return Kind.FOLDER
    if member.issym():
        return Kind.LINK
    return Kind.FILE if member.isreg() else Kind.OTHER


def _parts_with_dots(path: str) -> list[str]:
    """Components of a path without empty ones and `.`; `..` stays."""
    return [part for part in path.split("/") if part not in {"", "."}]


def _parts(path: str) -> list[str]:
    """Components of a path, `..` resolved within the root."""
    parts: list[str] = []
    for part in _parts_with_dots(path):
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
    return parts
