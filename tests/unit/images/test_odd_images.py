"""Three hundred images as kaniko, Nix, buildx, Jib, ko and others write them: all read, and as `tarfile` has them.

`tarfile` is not what runtimes read by, but where an archive is honest it reads the same.
"""

import gzip
import io
import random
import tarfile
from collections import Counter

import pytest
import zstandard

from orchestrator.images.content.filesystem import FileKind, Filesystem, merge
from orchestrator.images.tarball.archive import open_tarball
from tests.odd_tars import sparse_old, sparse_pax
from tests.tools.images import Compression, Image, Layer, layer_of_tar
from tests.unit.tarballs import write_tarball

IMAGES = 300
STYLES = ("docker", "buildx", "kaniko", "nix", "jib", "ko", "tar")


class Writer:
    """Writes layers in the style of one tool, each tool with its own habits of names, times, owners and formats."""

    def __init__(self, style: str, chance: random.Random) -> None:
        self.style, self.chance = style, chance
        gnu = style in {"nix", "tar"} or (style == "docker" and chance.random() < 0.5)
        self.form = tarfile.GNU_FORMAT if gnu else tarfile.PAX_FORMAT
        self.files: list[str] = []

    def layer(self, number: int) -> Layer:
        """One layer; those above the first change what is below."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=self.form) as tar:
            if self.style in {"nix", "tar"}:
                self._put(tar, "./", tarfile.DIRTYPE)
            if self.style == "ko" and self.chance.random() < 0.5:
                tar.pax_headers = {"comment": "written by a tool"}
            if number:
                self._removals(tar)
            for _ in range(self.chance.randint(0, 9)):
                self._any(tar)
        data = buffer.getvalue()
        if self.style == "tar":
            data = self._sparse() + data
        elif self.chance.random() < 0.3:
            data = data.rstrip(b"\0") + bytes(-len(data.rstrip(b"\0")) % 512)  # some end without blocks of zeros
            data += bytes(self.chance.choice([0, 1024, 10_240]))
        return self._packed(data)

    def _packed(self, data: bytes) -> Layer:
        compression: Compression = self.chance.choice(["gzip", "gzip", "none", "zstd"])
        if compression == "none" or self.chance.random() < 0.7:
            return layer_of_tar(data, compression)
        half = len(data) // 2  # as pigz and pzstd write: several members or frames in a row
        pack = gzip.compress if compression == "gzip" else zstandard.ZstdCompressor().compress
        return Layer(data, pack(data[:half]) + pack(data[half:]), compression)

    def _name(self) -> str:
        parts = [self.chance.choice(["bin", "usr", "lib", "app", "ü", "x" * 60]) for _ in range(3)]
        name = "/".join([*parts, f"f{self.chance.randrange(40)}"])
        if self.style == "nix":
            return f"./nix/store/{'h' * 32}-{name}"
        return {"ko": "/", "tar": "./"}.get(self.style, "") + name

    def _put(
        self, tar: tarfile.TarFile, name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0
    ) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, size
        folder = kind == tarfile.DIRTYPE
        info.mode = 0o755 if folder else self.chance.choice([0o644, 0o755, 0o444, 0o4755])
        info.mtime = {"nix": 1, "jib": 1, "ko": 0}.get(self.style, self.chance.choice([1e9, 1e9 + 0.5, -86400]))
        if self.form == tarfile.GNU_FORMAT:
            info.mtime = int(info.mtime)
        info.uid = self.chance.choice([0, 65532, 1 << 22])
        info.uname = self.chance.choice(["", "root"])
        if self.form == tarfile.PAX_FORMAT and self.chance.random() < 0.2:
            info.pax_headers = {"SCHILY.xattr.user.note": "some\ttext", "LIBARCHIVE.creationtime": "5"}
        tar.addfile(info, io.BytesIO(b"x" * size))

    def _any(self, tar: tarfile.TarFile) -> None:
        name = self._name()
        what = self.chance.random()
        if self.style in {"kaniko", "buildx"}:
            parts = name.split("/")
            for depth in range(1, len(parts)):
                self._put(tar, "/".join(parts[:depth]) + "/", tarfile.DIRTYPE)
        if what < 0.6 or not self.files:
            self._put(tar, name, size=self.chance.choice([0, 1, 512, 3000]))
            self.files.append(name)
        elif what < 0.75:
            self._put(tar, f"{name}-link", tarfile.SYMTYPE, self.chance.choice(["/bin/sh", "../x", "t" * 150]))
        elif what < 0.85 and (written := _files(tar)):
            self._put(tar, f"{name}-hard", tarfile.LNKTYPE, self.chance.choice(written))
        elif what < 0.95:
            self._put(tar, f"{name}.d", tarfile.DIRTYPE)
        else:
            self._put(tar, f"{name}.pipe", tarfile.FIFOTYPE)

    def _removals(self, tar: tarfile.TarFile) -> None:
        for name in self.chance.sample(self.files, min(len(self.files), self.chance.randint(0, 2))):
            folder, _, last = name.rpartition("/")
            self._put(tar, f"{folder}/.wh.{last}")
        if self.files and self.chance.random() < 0.3:
            self._put(tar, self.chance.choice(self.files).rpartition("/")[0] + "/.wh..wh..opq")
        self.files = []

    def _sparse(self) -> bytes:
        parts = [(600 * number, b"data") for number in range(1, self.chance.randint(2, 30))]
        form = self.chance.choice(["old", "0.0", "0.1", "1.0"])
        if form == "old":
            return sparse_old(b"./sparse", parts, 20_000)
        return sparse_pax(b"./sparse", parts, 20_000, form)


def _files(tar: tarfile.TarFile) -> list[str]:
    return [member.name for member in tar.getmembers() if member.isreg() and "/.wh." not in member.name]


def reference(layers: tuple[Layer, ...]) -> dict[str, str]:
    """The merged view by `tarfile`; enough for images that never write through their own links."""
    found: dict[str, tuple[str, int]] = {}

    def remove(path: str, number: int, *, itself: bool) -> None:
        for name in [name for name in found if name.startswith(path + "/") or (itself and name == path)]:
            keeps = any(other.startswith(name + "/") and found[other][1] == number for other in found)
            if found[name][1] != number and not keeps:
                del found[name]

    for number, layer in enumerate(layers):
        with tarfile.open(fileobj=io.BytesIO(layer.tar or bytes(1024))) as tar:
            for member in tar:
                path = "/" + "/".join(part for part in member.name.split("/") if part not in {"", "."})
                folder, _, last = path.rpartition("/")
                if last == ".wh..wh..opq":
                    remove(folder, number, itself=False)
                elif last.startswith(".wh."):
                    remove(f"{folder}/{last.removeprefix('.wh.')}", number, itself=True)
                elif path != "/":
                    above = folder
                    while above:
                        found.setdefault(above, ("folder", number))
                        above = above.rpartition("/")[0]
                    found[path] = (_kind(member, found), number)
    return {path: kind for path, (kind, _) in found.items()}


def _kind(member: tarfile.TarInfo, found: dict[str, tuple[str, int]]) -> str:
    if member.islnk():
        return found["/" + "/".join(part for part in member.linkname.split("/") if part not in {"", "."})][0]
    if member.issym():
        return f"→{member.linkname}"
    if member.isdir() or not member.isreg():
        return "folder" if member.isdir() else "other"
    return "program" if member.mode & 0o111 else "file"


def view(found: Filesystem) -> dict[str, str]:
    """Ours in the same form."""
    result: dict[str, str] = {}
    pending = ["/"]
    while pending:
        folder = pending.pop()
        for name in found.names(folder):
            path = f"{folder.rstrip('/')}/{name}"
            node = found.lookup(folder).children[name]
            result[path] = f"→{node.target}" if node.kind is FileKind.LINK else node.kind.value
            if node.kind is FileKind.FILE:
                result[path] = "program" if node.executable else "file"
            elif node.kind is FileKind.FOLDER:
                pending.append(path)
    return result


@pytest.mark.parametrize("style", STYLES)
def test_odd_but_honest_images_are_read_as_before(tmp_path, style):
    kinds: Counter[str] = Counter()
    for seed in range(IMAGES // len(STYLES) + 1):
        writer = Writer(style, random.Random(f"{style} {seed}"))
        image = Image.build([writer.layer(number) for number in range(writer.chance.randint(1, 4))])
        with open_tarball(write_tarball(tmp_path / f"{seed}.tar", image)) as tarball:
            found = view(merge(tarball))
        assert found == reference(image.layers), (style, seed)
        kinds.update(found.values())
    assert kinds["program"] > 20 and kinds["folder"] > 20  # noqa: PT018 - or nothing was compared
