"""Names in the merged filesystem of an image, and what removes them."""

from enum import Enum

from orchestrator.net.errors import ArchiveError


class FileKind(Enum):
    """What a name stands for."""

    FOLDER = "folder"
    FILE = "file"
    LINK = "link"
    OTHER = "other"


class FileNode:
    """One name in the merged filesystem.

    Attributes:
        kind: what it is; a hard link is whatever it links to.
        layer: that wrote it.
        touched: the highest layer that wrote something below it.
        cleared: the layer of which it holds nothing older any more.
        through: it, or something below it, was written through a symbolic link of a lower layer.
        executable: any of the three execute bits is set.
        target: of a symbolic link, as written.
        children: names in a folder.
        content: bytes of a file that was asked for; None of every other.
    """

    __slots__ = ("children", "cleared", "content", "executable", "kind", "layer", "target", "through", "touched")

    def __init__(self, kind: FileKind, layer: int, *, executable: bool = False, target: str = "") -> None:
        self.kind = kind
        self.layer = self.touched = layer
        self.cleared = -1
        self.through = False
        self.executable = executable
        self.target = target
        self.children: dict[str, FileNode] = {} if kind is FileKind.FOLDER else _NOTHING
        self.content: bytes | None = None


#: Of what is no folder; never written to.
_NOTHING: dict[str, FileNode] = {}


def clear(node: FileNode, layer: int) -> None:
    """Drop from a node everything that was not written by this layer.

    Works with a stack of its own: a hostile layer may nest deeper than Python recurses. Each folder is looked through
    once a layer, however many whiteouts ask for it: what comes into it later is of this layer anyway.
    """
    pending = [node]
    while pending:
        one = pending.pop()
        if one.cleared == layer or one.kind is not FileKind.FOLDER:
            continue
        one.cleared = layer
        if gone := next((name for name, child in one.children.items() if child.through and child.touched != layer), ""):
            raise ambiguous(gone)
        one.children = {name: child for name, child in one.children.items() if child.touched == layer}
        pending += one.children.values()


def ambiguous(name: str) -> ArchiveError:
    """The error for what depends on how a runtime stacks layers.

    Where it unpacks one over the other it follows symbolic links of lower layers; with overlayfs it replaces them.
    """
    return ArchiveError(
        f"{name[:200]!r} is written or removed both through a symbolic link of a lower layer and past it, and "
        "container runtimes differ over what that leaves; build the image again with the real paths"
    )
