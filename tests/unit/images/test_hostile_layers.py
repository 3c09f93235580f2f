"""Layers that mean one thing to one reader and another to the next, and layers that cost more than they weigh."""

import gzip
import io
import time
import zlib
from contextlib import nullcontext

import pytest
import zstandard

from orchestrator.images.content import filesystem, layers
from orchestrator.images.content.filesystem import FileKind, merge
from orchestrator.images.tarball.archive import open_tarball
from orchestrator.kit.compression import decompressed
from orchestrator.net.errors import ArchiveError
from tests.odd_tars import END, base256, file, header, long, padded, pax
from tests.tools.images import Image, Layer, layer_of_tar
from tests.unit.tarballs import write_tarball

SHELL = file(b"usr/bin/sh", b"#!", mode=b"0000755\0")


@pytest.fixture
def view(tmp_path):
    """The merged view of layers, each the blocks of its tar."""

    def make(*blocks: bytes | Layer, contents=()):
        stack = [each if isinstance(each, Layer) else layer_of_tar(each + END) for each in blocks]
        with open_tarball(write_tarball(tmp_path / "image.tar", Image.build(stack))) as tarball:
            return merge(tarball, contents=contents)

    return make


def folder(name: bytes) -> bytes:
    return header(name, kind=b"5", mode=b"0000755\0")


def link(name: bytes, target: bytes, *, hard: bool = False) -> bytes:
    extended = pax({b"linkpath": target}) if len(target) > 100 else b""
    return extended + header(name, kind=b"1" if hard else b"2", link=target)


@pytest.mark.parametrize(
    "odd",
    [
        header(b"bin/notes", size=b"\0" + b"0000000001\0") + padded(b"x"),
        header(b"bin/notes", style="nul first"),
        pax({b"path": b"bin/notes/"}) + header(b"n", kind=b"\0", size=512),
        pax({b"path": b"x"}) * 3000 + header(b"n"),
        header(b"pax_global_header", kind=b"g", size=0),
    ],
)
def test_a_shell_behind_an_odd_header_is_seen(view, odd):
    assert view(file(b"bin/readme") + odd + SHELL).lookup("/usr/bin/sh").executable


@pytest.mark.parametrize(
    "bad",
    [
        header(b"bin/notes")[:-1] + b"\1",
        bytes(512),
        header(b"bin/notes", size=base256(1 << 87)),
        header(b"bin/notes", kind=b"V"),
        header(b"bin/notes", kind=b"Z", size=2) + padded(b"#!"),
        pax({b"path": b"n" * 9000}) + header(b"n"),
        link(b"bin/notes", b"t" * 1_000_000),
        long(b"L", b"n" * 1_000_000) + header(b"n"),
        link(b"bin/sh", b"later", hard=True) + file(b"later"),
        link(b"bin/sh", b"bin", hard=True),
        header(b"bin/.wh."),
        header(b"bin/.wh.."),
        header(b"bin/.wh..."),
        file(b"f") + file(b"f/below"),
        link(b"a", b"b") + link(b"b", b"a") + file(b"a/below"),
        pax({b"SCHILY.xattr.trusted.overlay.redirect": b"/usr/bin"}) + folder(b"bin"),
    ],
)
def test_what_runtimes_refuse_or_differ_over_is_refused(view, bad):
    with pytest.raises(ArchiveError, match="layer"):
        view(file(b"bin/readme") + bad + SHELL)


def test_a_hard_link_to_a_symbolic_link_is_one(view):
    found = view(file(b"busybox", mode=b"0000755\0") + link(b"one", b"busybox") + link(b"bin/sh", b"one", hard=True))
    assert found.lookup("/one").kind is FileKind.FILE
    assert found.real("/bin/sh") is None  # it leads to bin/busybox
    assert found.linked(9, ["bin", "sh"]).target == "busybox"


def test_an_entry_below_a_link_to_nothing_lands_where_it_leads(view):
    assert view(link(b"tools", b"opt/bin") + file(b"tools/sh")).real("/opt/bin/sh") == "/opt/bin/sh"


@pytest.mark.parametrize(
    "later",
    [
        [header(b"b/.wh.sh")],
        [header(b"b/.wh..wh..opq")],
        [file(b"b/zsh"), header(b"usr/bin/.wh.zsh")],
        [file(b"b/zsh"), header(b"usr/.wh.bin")],
        [file(b"b/zsh"), header(b"usr/bin/.wh..wh..opq")],
        [file(b"b/zsh"), file(b"usr/bin/zsh")],
        [file(b"b/zsh") + file(b"usr/bin/zsh")],
        [file(b"b/zsh"), file(b"usr/bin")],
    ],
)
def test_what_overlayfs_and_plain_folders_make_different_things_of_is_refused(view, later):
    with pytest.raises(ArchiveError, match="symbolic link"):
        view(SHELL + link(b"b", b"/usr/bin"), *later)


def test_writing_through_a_link_of_a_lower_layer_alone_is_read(view):
    found = view(SHELL + link(b"b", b"/usr/bin"), file(b"b/zsh"), file(b"b/zsh", mode=b"0000755\0"))
    assert found.names("/usr/bin") == ("sh", "zsh")
    assert found.lookup("/b/zsh").executable


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_compressed_stream_is_all_of_its_members_and_nothing_else(pack):
    assert decompressed(io.BytesIO(pack(b"one") + pack(b"") + pack(b"two"))).read() == b"onetwo"
    for rubbish in (b"rubbish" * 20, bytes(512)):
        with pytest.raises((EOFError, zlib.error, zstandard.ZstdError)):
            decompressed(io.BytesIO(pack(b"one") + rubbish)).read()
    skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc"  # a frame of zstd that holds nothing
    if pack is not gzip.compress:
        assert decompressed(io.BytesIO(pack(b"one") + skipped + pack(b"two"))).read() == b"onetwo"


def test_many_tiny_members_cost_what_they_weigh():
    start = time.process_time()
    assert decompressed(io.BytesIO(gzip.compress(b"") * 50_000)).read() == b""
    assert time.process_time() - start < 10


# What each of these cost before is in seconds to minutes; a test of one must stay far below.
MANY = b"".join(file(b"d/%d" % number) for number in range(2000))
BOMBS = {
    "links that lead a long way": [
        b"".join(link(b"l%d" % n, b"/".join([b"."] * 40 + [b"x/.."] * 700 + [b"l%d" % (n + 1)])) for n in range(35))
        + folder(b"x")
        + folder(b"l35")
        + b"".join(file(b"l%d/f%d" % (n % 2, n)) for n in range(2000))
    ],
    "whiteouts of a large folder": [MANY, MANY + header(b"d/.wh..wh..opq") * 15_000],
    "whiteouts of what this layer wrote": [MANY + (header(b".wh.d") + file(b"d/x")) * 8000],
    "opaque folders within each other": [
        MANY + b"".join(header(b"d/" * n + b".wh..wh..opq") for n in range(40, 0, -1)) * 400
    ],
}


@pytest.mark.parametrize("name", BOMBS)
def test_time_is_linear_in_what_a_layer_holds(view, monkeypatch, name):
    monkeypatch.setattr(filesystem, "MAX_STEPS", 100_000)
    stack = [layer_of_tar(blocks + END) for blocks in BOMBS[name]]
    start = time.process_time()
    with pytest.raises(ArchiveError, match="links") if "links" in name else nullcontext():
        view(*stack)
    assert time.process_time() - start < 10


def test_names_are_bounded_in_bytes(view, monkeypatch):
    monkeypatch.setattr(filesystem, "MAX_TEXT", 1000)
    with pytest.raises(ArchiveError, match="names"):
        view(b"".join(link(b"l%d" % n, b"t" * 90) for n in range(20)))


def test_what_an_image_unfolds_to_is_bounded(view, monkeypatch):
    monkeypatch.setattr(layers, "MOST_UNFOLDED", 1 << 20)
    assert view(file(b"zeros", bytes(1 << 19))).lookup("/zeros")
    with pytest.raises(ArchiveError, match="unfolds"):
        view(*[file(b"zeros", bytes(1 << 19))] * 3)
