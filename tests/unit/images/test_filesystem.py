import io
import random
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.images.content import filesystem
from orchestrator.images.content.filesystem import FileKind, Filesystem, merge
from orchestrator.images.tarball.archive import open_tarball
from orchestrator.kit.compression import decompressed
from orchestrator.net.errors import ArchiveError
from tests.examples import examples
from tests.tools.images import Compression, File, Image, Layer, layer, layer_of_tar
from tests.unit.tarballs import write_tarball


@pytest.fixture
def view(tmp_path: Path):
    """The merged view of some layers."""

    def make(*layers: Layer, contents: tuple[str, ...] = ()) -> Filesystem:
        with open_tarball(write_tarball(tmp_path / "image.tar", Image.build(layers))) as tarball:
            return merge(tarball, contents=contents)

    return make


def raw(*entries: tuple[str, bytes, dict[str, object]], compression: Compression = "gzip") -> Layer:
    """A layer with just these entries: name, content, and members of its tar header."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data, fields in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in fields.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(data))
    return layer_of_tar(buffer.getvalue(), compression)


FOLDER = {"type": tarfile.DIRTYPE, "mode": 0o755}


def link(target: str) -> dict[str, object]:
    return {"type": tarfile.SYMTYPE, "linkname": target}


def hard(target: str, mode: int = 0o644) -> dict[str, object]:
    return {"type": tarfile.LNKTYPE, "linkname": target, "mode": mode}


def paths(found: Filesystem, folder: str = "/") -> set[str]:
    """Every path in the view."""
    result = set()
    for name in found.names(folder):
        path = f"{folder.rstrip('/')}/{name}"
        result.add(path)
        node = found.lookup(path)
        if node and node.kind is FileKind.FOLDER and found.real(path) == path:
            result |= paths(found, path)
    return result


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_layers_of_every_compression_are_read(view, compression):
    found = view(layer({"bin/tool": File(b"x", mode=0o755), "etc/passwd": "root:x:0:0"}, compression),
                 contents=("/etc/passwd",))  # fmt: skip
    assert found.lookup("/bin/tool").executable
    assert not found.lookup("etc/passwd").executable
    assert found.read("/etc/passwd") == b"root:x:0:0"


def test_a_later_layer_wins(view):
    found = view(layer({"a": "one", "b": File(b"", mode=0o755)}), layer({"a": "two", "b": ""}), contents=("a",))
    assert found.read("/a") == b"two"
    assert not found.lookup("/b").executable


def test_a_whiteout_removes_a_file_and_a_whole_folder(view):
    found = view(layer({"a/one": "", "a/two": "", "b/deep/three": ""}), raw(("a/.wh.one", b"", {}), (".wh.b", b"", {})))
    assert paths(found) == {"/a", "/a/two"}


def test_a_whiteout_hides_only_lower_layers_wherever_it_stands_in_its_own(view):
    new = ("a", b"", FOLDER), ("a/new", b"", {})
    lower = layer({"a/old": ""})
    for entries in ((*new, (".wh.a", b"", {})), ((".wh.a", b"", {}), *new)):
        assert paths(view(lower, raw(*entries))) == {"/a", "/a/new"}


@pytest.mark.parametrize("first", [True, False])
def test_an_opaque_folder_keeps_what_its_own_layer_wrote(view, first):
    marker, new = ("a/.wh..wh..opq", b"", {}), ("a/sub/new", b"", {})
    entries = (("a", b"", FOLDER), marker, new) if first else (("a", b"", FOLDER), new, marker)
    found = view(layer({"a/old": "", "a/sub/old": "", "a/gone/old": ""}), raw(*entries))
    assert paths(found) == {"/a", "/a/sub", "/a/sub/new"}


def test_a_whiteout_of_nothing_does_nothing(view):
    assert paths(view(layer({"a": ""}), raw(("x/.wh.y", b"", {}), (".wh.z", b"", {})))) == {"/a"}


def test_a_file_over_a_folder_and_a_folder_over_a_file(view):
    found = view(layer({"a/inner": "", "b": ""}), raw(("a", b"", {}), ("b", b"", FOLDER), ("b/inner", b"", {})))
    assert paths(found) == {"/a", "/b", "/b/inner"}


def test_symbolic_links_are_followed_within_the_root(view):
    found = view(raw(("usr/bin/tool", b"", {"mode": 0o755}), ("bin", b"", link("usr/bin")),
                     ("abs", b"", link("/usr/bin/tool")), ("out", b"", link("../../../usr/bin/tool")),
                     ("dangling", b"", link("nowhere")), ("loop", b"", link("loop"))))  # fmt: skip
    for path in ("/bin/tool", "/abs", "/out"):
        assert found.real(path) == "/usr/bin/tool"
    assert found.lookup("/dangling") is None
    assert found.lookup("/loop") is None
    assert found.names("/bin") == ("tool",)


def test_an_entry_below_a_linked_folder_lands_where_the_link_leads(view):
    found = view(raw(("usr/bin", b"", FOLDER), ("bin", b"", link("usr/bin"))), raw(("bin/late", b"", {})))
    assert found.real("/bin/late") == "/usr/bin/late"


def test_hard_links_have_content_and_mode_of_what_they_link_to(view):
    found = view(raw(("a", b"text", {"mode": 0o755}), ("etc/passwd", b"", hard("a"))), contents=("a", "etc/passwd"))
    assert found.read("/etc/passwd") == b"text"
    assert found.lookup("/etc/passwd").executable


@pytest.mark.parametrize("name", ["../../etc/x", "/etc/x", "./etc//x", "a/../etc/x", "../etc/x"])
def test_names_that_try_to_leave_stay_within_the_root(view, name):
    assert "/etc/x" in paths(view(raw((name, b"", {}))))


def test_a_layer_without_files_is_one(view):
    assert paths(view(layer_of_tar(b"", "none"), layer({}), layer({"a": ""}))) == {"/a"}


@pytest.mark.parametrize("damage", ["truncated", "garbage"])
@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_a_damaged_layer_is_an_error_that_names_it(view, damage, compression):
    noise = random.Random(0)
    whole = layer({f"f{n}": noise.randbytes(9000) for n in range(50)}, compression)
    blob = whole.blob[: len(whole.blob) * 2 // 3 + 7] if damage == "truncated" else whole.blob[:20] + b"\xff" * 3000
    bad = Layer(whole.tar, blob, compression)
    with pytest.raises(ArchiveError, match=bad.digest):
        view(bad)


def test_more_names_than_any_image_has_are_refused(view, monkeypatch):
    monkeypatch.setattr(filesystem, "MAX_NAMES", 10)
    with pytest.raises(ArchiveError, match="more than 10"):
        view(layer({f"f{n}": "" for n in range(11)}))


def test_a_deeply_nested_folder_can_be_whited_out(view):
    deep = "/".join("d" * 3000)
    assert paths(view(raw((deep, b"", {})), raw((".wh.d", b"", {})))) == set()


def test_a_large_file_is_not_kept(view, monkeypatch):
    monkeypatch.setattr(filesystem, "MAX_CONTENT", 3)
    found = view(layer({"a": "123", "b": "1234"}), contents=("a", "b"))
    assert found.read("a") == b"123"
    assert found.read("b") is None


NAMES = st.lists(st.sampled_from(["a", "b", "c", "..", ".wh.a", ".wh..wh..opq"]), min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from([{}, FOLDER, link("/a"), link("../b"), link("c/a"), hard("a/b")])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(40))
@given(st.lists(st.lists(st.tuples(NAMES, KINDS), max_size=8), min_size=1, max_size=3))
def test_whatever_the_layers_hold_every_path_leads_within_the_root(view, stack):
    try:
        found = view(*(raw(*((name, b"", kind) for name, kind in entries), compression="none") for entries in stack))
    except ArchiveError:
        return  # runtimes refuse it, or differ over it
    for path in paths(found):
        assert not set(path.split("/")) & {".", ".."}
        real = found.real(path)
        assert real is None or found.real(real) == real


@pytest.mark.parametrize("cut", range(5, 60, 5))
def test_a_zstd_stream_cut_within_a_frame_is_no_short_one(cut):
    compressor = zstandard.ZstdCompressor()
    whole = compressor.compress(random.Random(1).randbytes(50)) + compressor.compress(b"b" * 70_000)
    assert decompressed(io.BytesIO(whole)).read()[50:] == b"b" * 70_000
    with pytest.raises((EOFError, zstandard.ZstdError)):
        decompressed(io.BytesIO(whole[:cut])).read()
