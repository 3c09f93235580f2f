"""The files of layers, each under a path that says which file of which layer it is."""

import errno
import io
import os
import tarfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.images.content import unpack
from orchestrator.images.content.spelling import origin, spell
from orchestrator.images.content.unpack import unpack_layers
from orchestrator.images.tarball.archive import open_tarball
from orchestrator.net.errors import ArchiveError
from tests.tools.images import Image, layer, layer_of_tar
from tests.unit.tarballs import write_tarball


def tar(*entries, form=tarfile.GNU_FORMAT):
    """A tar of these names and contents, as they are; other types by their flag."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, errors="surrogateescape") as archive:
        for name, data, *kind in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = (kind[0], data) if kind else (tarfile.REGTYPE, "")
            info.size = 0 if kind else len(data)
            archive.addfile(info, None if kind else io.BytesIO(data))
    return buffer.getvalue()


def unpacked(tmp_path, *layers, most=0):
    """What is there afterwards: path in the image and layer, by content."""
    image = Image.build(list(layers))
    path, folder = write_tarball(tmp_path / "image.tar", image), tmp_path / "layers"
    folder.mkdir()
    with open_tarball(path) as opened:
        count = unpack_layers(opened, folder, most)
    files = [each for each in folder.rglob("*") if each.is_file()]
    found = {each.read_bytes(): origin(str(each.relative_to(folder))) for each in files if each.name != "config.json"}
    assert len(files) == count + 1
    assert not [each for each in folder.rglob("*") if each.is_symlink()]
    assert (folder / "config.json").read_bytes() == image.config
    return found


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_every_file_of_every_layer_by_its_path(tmp_path, compression):
    base = layer({"usr/bin/x": "one", "etc/empty": ""}, compression)
    upper = layer({"usr/bin/x": "two", "usr/bin/.wh.y": ""}, compression)
    assert unpacked(tmp_path, base, upper, base) == {
        b"one": ("/usr/bin/x", base.digest[:19]),
        b"two": ("/usr/bin/x", upper.digest[:19]),
    }


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_that_are_odd_stay_what_they_are(tmp_path, form):
    long = "opt/" + "/".join(f"deep{number}" * 9 for number in range(30)) + "/x"
    names = ["a\nb: Evil FOUND", "100%41!(3)z", "tä/😀", "/root/x", "./y", "a/../../z", long]
    made = layer_of_tar(tar(*((name, f"{number}".encode()) for number, name in enumerate(names)), form=form))
    found = unpacked(tmp_path, made)
    assert [found[f"{number}".encode()][0] for number in range(len(names))] == [
        "/a\nb: Evil FOUND", "/100%41!(3)z", "/tä/😀", "/root/x", "/y", "/z", f"/{long}",
    ]  # fmt: skip


def test_what_has_the_name_of_another_is_there_as_well(tmp_path):
    entries = [("a", b"first"), ("a", b"second"), ("a/b", b"below"), ("a/b/c", b"deeper"), ("d/e", b"in"), ("d", b"on")]
    found = unpacked(tmp_path, layer_of_tar(tar(*entries)))
    assert {data: path for data, (path, _) in found.items()} == {data: f"/{name}" for name, data in entries}


def test_nothing_is_written_through_a_link(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    entries = [("etc", str(outside), tarfile.SYMTYPE), ("etc/x", b"data"), ("hard", "etc/x", tarfile.LNKTYPE)]
    made = layer_of_tar(tar(*entries))
    assert unpacked(tmp_path, made) == {b"data": ("/etc/x", made.digest[:19])}
    assert list(outside.iterdir()) == []


def test_names_that_no_file_system_takes_are_cut_and_stay_apart(tmp_path):
    names = ["x" * 3000, "x" * 2999 + "y", "/".join("d" * 400)]
    made = layer_of_tar(tar(*((name, name.encode()) for name in names), form=tarfile.PAX_FORMAT))
    found = unpacked(tmp_path, made)
    assert len({path for path, _ in found.values()}) == len(names)


def test_bounds_and_damage_are_named(tmp_path):
    with pytest.raises(ArchiveError, match=r"more than 9 bytes unpacked: raise limits\.cellDisk"):
        unpacked(tmp_path, layer({"a": "12345", "b": "67890"}), most=9)


def test_a_layer_that_is_not_the_one_the_config_lists_is_refused(tmp_path):
    made = replace(layer({"a": "x"}), tar=b"another")  # by which the config names it
    with pytest.raises(ArchiveError, match="not what the image's config lists"):
        unpacked(tmp_path, made)


@pytest.mark.parametrize("names", [[f"{number}" for number in range(30)], ["/".join(f"d{n}" for n in range(40))]])
def test_small_files_and_their_folders_count_as_what_they_take_on_a_disk(tmp_path, names):
    made = layer_of_tar(tar(*((name, b"x") for name in names)))
    with pytest.raises(ArchiveError, match="more than 100,000 bytes unpacked"):
        unpacked(tmp_path, made, most=100_000)


def test_names_taken_again_and_again_are_given_up(tmp_path, monkeypatch):
    """Each name below a file looks for a folder without such a file: as many times as there are files of that name."""
    monkeypatch.setattr(unpack, "_MOST_AGAIN", 100)
    entries = [("a", b"file")] * 40 + [(f"a/{number}", b"below") for number in range(40)]
    with pytest.raises(ArchiveError, match="taken more than 100 times"):
        unpacked(tmp_path, layer_of_tar(tar(*entries)))


@pytest.mark.parametrize("size", [1, 3 << 20])
def test_a_full_disk_is_no_fault_of_the_layer(tmp_path, monkeypatch, size):
    monkeypatch.setattr(unpack._Writer, "_open", lambda *_: os.open("/dev/full", os.O_WRONLY))
    with pytest.raises(OSError, match="No space") as found:
        unpacked(tmp_path, layer({"a": "x" * size}))
    assert found.value.errno == errno.ENOSPC


def test_the_scanner_reads_them_whatever_our_umask(tmp_path):
    before = os.umask(0o077)
    try:
        unpacked(tmp_path, layer({"usr/bin/x": "one"}))
    finally:
        os.umask(before)
    top = tmp_path / "layers"
    modes = {path.name: path.stat().st_mode & 0o777 for path in (top, *top.rglob("*"))}
    folders, files = (top.name, next(top.glob("*[0-9a-f]")).name, "usr", "bin"), ("x", "config.json")
    assert modes == dict.fromkeys(folders, 0o755) | dict.fromkeys(files, 0o644)


@given(st.text().filter(lambda text: "\0" not in text))
def test_a_name_is_read_back(name):
    spelt = spell(name.encode("utf-8", "replace").decode())
    assert not spelt.startswith("/")
    assert not set(spelt.split("/")) & {".", ".."}
    assert not any(ord(each) < 32 for each in spelt)
