"""The filesystem of an image as a running container would see it: all layers merged, names only, nothing extracted.

Layers are read once, as streams, whatever their compression. Later layers win; whiteouts are obeyed as the OCI image
layer specification defines them (https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts); `..` and
absolute names stay within the root; parents that are symbolic links are followed, as container runtimes do.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, NamedTuple

import zstandard

from orchestrator.images.content.layers import UnfoldBudget, read_layer
from orchestrator.images.content.nodes import FileKind, FileNode, ambiguous, clear
from orchestrator.images.members import refuse_others
from orchestrator.kit import tar
from orchestrator.kit.compression import compression_of
from orchestrator.kit.tar import TarError
from orchestrator.net.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestrator.images.tarball.archive import Tarball
    from orchestrator.kit.tar import TarEntry, TarReader

__all__ = ["MAX_CONTENT", "MAX_NAMES", "FileKind", "FileNode", "Filesystem", "merge"]

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
#: As many symbolic links as Linux follows in one path.
_MAX_LINKS = 40
#: Most names kept of one image (about 100 bytes each); no real image comes near.
MAX_NAMES = 3_000_000
#: Most bytes of these names, and of where links lead.
MAX_TEXT = 512 * 1024 * 1024
#: What a name counts as, and a character of it: more bytes than either takes.
_OF_NAME, _OF_CHARACTER = 1024, 4
#: Most steps along symbolic links, all told: a few seconds. One entry of a real image takes a handful.
MAX_STEPS = 20_000_000
#: Most bytes kept of one file that is read.
MAX_CONTENT = 1024 * 1024


class Filesystem:
    """The merged view; built by `merge`.

    Args:
        watch: as a `Tarball` has it.
    """

    def __init__(self, watch: Callable[[int], None] | None = None) -> None:
        self._watch = watch
        self._root = FileNode(FileKind.FOLDER, -1)
        self._names = self._text = self._steps = 0
        self._last: tuple[int, list[str], _Way] | None = None  # most entries lie where the one before them lies

    @property
    def through_links(self) -> bool:
        """Whether a layer wrote through a symbolic link of a lower one, which overlayfs replaces instead."""
        return self._root.through

    def lookup(self, path: str) -> FileNode | None:
        """What a path leads to, symbolic links followed; None when there is nothing, or links run in circles."""
        way = self._walk(_parts_with_dots(path))
        return way.node if way else None

    def real(self, path: str) -> str | None:
        """The absolute path without symbolic links; None when there is nothing."""
        way = self._walk(_parts_with_dots(path))
        return "/" + "/".join(name for name, _ in way.trail[1:]) if way else None

    def names(self, folder: str) -> tuple[str, ...]:
        """Names in a folder, sorted; none when it is no folder."""
        node = self.lookup(folder)
        return tuple(sorted(node.children)) if node else ()

    def read(self, path: str) -> bytes | None:
        """Content of a file that `merge` was asked to keep; None when it is not there or was not kept."""
        node = self.lookup(path)
        return node.content if node else None

    def holds(self, parts: list[str]) -> bool:
        """Whether there is something of this name, a folder above all others left out."""
        return bool(parts) and self._walk(parts, follow_last=False) is not None

    def add(self, layer: int, parts: list[str], node: FileNode) -> None:
        """Put one entry of a layer into place, over whatever lower layers have there."""
        if not parts:
            return
        *folders, last = parts
        way = self._way(folders, layer)
        parent = way.node
        before = parent.children.get(last)
        if before and before.kind is FileKind.FOLDER and node.kind is FileKind.FOLDER:
            before.layer = before.touched = layer
            return
        if before and before.through and not way.through:
            raise ambiguous(last)
        if before or node.kind is FileKind.LINK:
            self._last = None
        node.through = way.through
        self._count(len(last) + len(node.target))
        parent.children[last] = node

    def whiteout(self, layer: int, folders: list[str], name: str) -> None:
        """Remove a name that lower layers have; what this layer itself wrote stays."""
        self._last = None
        way = self._walk(folders, layer=layer)
        node = way.node.children.get(name) if way else None
        if way is None or node is None:
            return
        if way.through or node.through:
            raise ambiguous(name)
        if node.touched == layer:
            clear(node, layer)
        else:
            del way.node.children[name]

    def opaque(self, layer: int, folders: list[str]) -> None:
        """Remove everything that lower layers have in a folder."""
        self._last = None
        if way := self._walk(folders, layer=layer):
            if way.through:
                raise ambiguous(_OPAQUE)
            clear(way.node, layer)

    def linked(self, layer: int, target: list[str]) -> FileNode | None:
        """A node for a hard link to a path; None when nothing is there that one could link to."""
        way = self._walk(target, follow_last=False)
        if way is None or way.node.kind is FileKind.FOLDER:
            return None
        before = way.node
        node = FileNode(before.kind, layer, executable=before.executable, target=before.target)
        node.content = before.content
        return node

    def _count(self, text: int) -> None:
        self._names += 1
        self._text += text
        if self._names > MAX_NAMES:
            raise ArchiveError(f"the image has more than {MAX_NAMES:,} files; exclude it from this scan")
        if self._text > MAX_TEXT:
            raise ArchiveError(f"the names in the image take more than {MAX_TEXT:,} bytes; exclude it from this scan")
        if self._watch:
            self._watch(_OF_NAME + _OF_CHARACTER * text)

    def _way(self, folders: list[str], layer: int) -> _Way:
        """The way to the folder that an entry goes into; parents without an entry of their own are made."""
        if self._last and self._last[0] == layer and self._last[1] == folders:
            return self._last[2]
        way = self._walk(folders, layer=layer, make=True)
        if way is None:
            raise TarError("an entry lies below symbolic links that run in circles")
        for _, node in way.trail:
            node.touched = layer
            node.through = node.through or way.through
        self._last = layer, folders, way
        return way

    def _walk(self, parts: list[str], *, follow_last: bool = True, layer: int = -1, make: bool = False) -> _Way | None:
        """The way to a path; None when there is nothing, or links run in circles.

        Args:
            parts: of the path.
            follow_last: also where the last of them is a symbolic link.
            layer: on whose behalf.
            make: missing folders, in the place of files of lower layers if need be.
        """
        pending = parts[::-1]
        trail = [("", self._root)]
        links = 0
        through = False
        while pending:
            part = pending.pop()
            if part == "..":
                if len(trail) > 1:
                    trail.pop()
                continue
            parent = trail[-1][1]
            child = parent.children.get(part)
            if child and child.kind is FileKind.LINK and (pending or follow_last):
                links += 1
                if links > _MAX_LINKS:
                    return None
                through = through or child.layer < layer
                if child.target.startswith("/"):
                    trail = trail[:1]
                pending += self._target(child)
                continue
            if make and (child is None or child.kind is not FileKind.FOLDER):
                child = self._make_folder(parent, part, layer)
            if child is None:
                return None
            if layer >= 0 and child.kind is not FileKind.FOLDER:
                raise TarError(f"an entry lies below {part[:200]!r}, which is no folder")
            trail.append((part, child))
        return _Way(trail, through)

    def _make_folder(self, parent: FileNode, name: str, layer: int) -> FileNode:
        """A folder that an entry lies in, though nothing says so; over a file only if a lower layer has it."""
        before = parent.children.get(name)
        if before and before.through:
            raise ambiguous(name)
        if before and before.layer == layer:
            raise TarError(f"an entry lies below {name[:200]!r}, which is no folder")
        self._count(len(name))
        folder = parent.children[name] = FileNode(FileKind.FOLDER, layer)
        return folder

    def _target(self, link: FileNode) -> list[str]:
        """Parts of where a link leads, the last first."""
        parts = _parts_with_dots(link.target)
        self._steps += len(parts)
        if self._steps > MAX_STEPS:
            raise ArchiveError("following the image's symbolic links never ends; exclude it from this scan")
        return parts[::-1]


class _Way(NamedTuple):
    """The nodes on the way to a path.

    Attributes:
        trail: each with its real name, the root first.
        through: a symbolic link of a lower layer was followed.
    """

    trail: list[tuple[str, FileNode]]
    through: bool

    @property
    def node(self) -> FileNode:
        """Where it leads."""
        return self.trail[-1][1]


def merge(tarball: Tarball, *, contents: Iterable[str] = ()) -> Filesystem:
    """Read all layers of an open tarball, the base first, into one view.

    Args:
        tarball: as `images.archive.open_tarball` gives it.
        contents: paths of files whose bytes to keep, such as `/etc/passwd`; one over `MAX_CONTENT` is not kept.

    Raises:
        ArchiveError: a layer is truncated, damaged, not the one that the config lists, or has something that runtimes
            refuse or differ over; or the image has more names, or unfolds to more bytes, than any real one.
    """
    keep = {tuple(_parts(path)) for path in contents}
    filesystem = Filesystem(tarball.watch)
    budget = UnfoldBudget(tarball.image)
    rootfs = tarball.settings.rootfs
    diff_ids = (rootfs.diff_ids if rootfs else None) or ("",) * len(tarball.image.layers)
    for number, (layer, diff_id) in enumerate(zip(tarball.image.layers, diff_ids, strict=True)):
        _refuse_others(tarball, layer.digest)
        try:
            _apply(filesystem, number, read_layer(tarball.open_layer(number), budget, diff_id), keep)
        except (TarError, EOFError, OSError, zlib.error, zstandard.ZstdError) as error:
            raise ArchiveError(f"{tarball.path}: layer {layer.digest} is damaged: {error}; pull it again") from error
        except ArchiveError as error:
            raise ArchiveError(f"{tarball.path}: layer {layer.digest}: {error}") from error
    return filesystem


def _refuse_others(tarball: Tarball, digest: str) -> None:
    """Name a layer that Docker reads, and nothing here or in most scanners does: by xz or bzip2, for example."""
    with tarball.open_blob(digest) as stream:
        if compression_of(stream) == "none":
            refuse_others(stream, f"{tarball.path}: layer {digest}")


def _apply(
    filesystem: Filesystem, number: int, entries: Iterable[tuple[TarReader, TarEntry]], keep: set[tuple[str, ...]]
) -> None:
    """Put every entry of one layer into place."""
    for reader, entry in entries:
        parts = _parts(entry.name)
        last = parts[-1] if parts else ""
        if last.startswith(_WHITEOUT):
            _whiteout(filesystem, number, parts[:-1], last)
        elif entry.kind == tar.EntryKind.GLOBAL:
            if filesystem.holds(parts):
                raise TarError(
                    f"a global header has the name of {entry.name[:200]!r}, which some runtimes remove for it"
                )
        elif entry.kind == tar.EntryKind.HARD_LINK:
            node = filesystem.linked(number, _parts(entry.link))
            if node is None:
                raise TarError(f"the hard link {entry.name[:200]!r} leads to nothing that came before it")
            filesystem.add(number, parts, node)
        else:
            node = FileNode(_kind(entry), number, executable=bool(entry.mode & 0o111), target=entry.link)
            if tuple(parts) in keep and entry.is_file and entry.size <= MAX_CONTENT:
                node.content = reader.read(entry)
            filesystem.add(number, parts, node)


def _whiteout(filesystem: Filesystem, number: int, folders: list[str], name: str) -> None:
    """Obey a whiteout.

    Raises:
        TarError: it would remove its own folder or the one above, which runtimes refuse, or do.
    """
    hidden = name.removeprefix(_WHITEOUT)
    if name == _OPAQUE:
        filesystem.opaque(number, folders)
    elif hidden.startswith(_WHITEOUT):
        return  # aufs's own bookkeeping, no file of the image
    elif hidden in {"", ".", ".."}:
        raise TarError(f"{name!r} hides no file")
    else:
        filesystem.whiteout(number, folders, hidden)


def _kind(entry: TarEntry) -> FileKind:
    if entry.kind == tar.EntryKind.FOLDER:
        return FileKind.FOLDER
    if entry.kind == tar.EntryKind.SYMBOLIC_LINK:
        return FileKind.LINK
    return FileKind.FILE if entry.is_file else FileKind.OTHER


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
