"""Archives and layers in forms that are not read are named by them, not called damaged."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from orchestrator.images.content.filesystem import merge
from orchestrator.images.local.archives import open_local
from orchestrator.images.tarball.archive import open_tarball
from orchestrator.net.errors import ArchiveError
from tests.tools import layouts
from tests.tools.images import Image, Layer, layer
from tests.tools.oci_artifacts import TAR, artifact, config_of
from tests.unit.tarballs import write_tarball

PLAIN = layer({"a": "b"}, "none")


def _zipped(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("image.tar", data)
    return buffer.getvalue()


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zip": _zipped,
    "lz4": lambda data: b"\x04\x22\x4d\x18" + data,
    "7z": lambda data: b"7z\xbc\xaf\x27\x1c" + data,
}


def _refused(path: Path) -> str:
    with pytest.raises(ArchiveError) as error, open_local(path):
        pass
    return str(error.value)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("write", [layouts.write_archive, layouts.write_docker_save])
def test_an_archive_of_another_form(tmp_path: Path, form: str, write: Callable[..., Path]) -> None:
    path = write(tmp_path / "a.tar", Image.build([PLAIN]))
    path.write_bytes(FORMS[form](path.read_bytes()))
    said = _refused(path)
    assert form in said
    assert "gzip or zstd" in said
    for pack, name in ((gzip.compress, "gzip"), (zstandard.ZstdCompressor().compress, "zstd")):
        (packed := tmp_path / name).write_bytes(pack(path.read_bytes()))
        assert {form, name} <= set(_refused(packed).replace(",", "").split())


def test_a_page_that_was_saved_as_an_archive(tmp_path: Path) -> None:
    (path := tmp_path / "image.tar").write_bytes(b"<!DOCTYPE html><html><title>Sign in</title></html>")
    assert "HTML" in _refused(path)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert "HTML" in _refused(path)


def test_a_file_without_anything_in_it(tmp_path: Path) -> None:
    (path := tmp_path / "image.tar").touch()
    assert "empty" in _refused(path)


def test_a_tar_whose_first_name_looks_like_something_else_is_a_tar(tmp_path: Path) -> None:
    for name in ("BZh", "PK\x03\x04", "<html>", "070701"):
        image = Image.build([layer({name: "x"}, "none")])
        with open_local(layouts.write_docker_save(tmp_path / "a.tar", image)) as archive:
            assert len(archive.images) == 1
        with open_tarball(write_tarball(tmp_path / "b.tar", image)) as tarball:
            assert merge(tarball).lookup(name) is not None
        (tmp_path / "b.tar").unlink()


@pytest.mark.parametrize("form", ["xz", "bzip2"])
def test_layers_that_docker_unpacks_and_we_do_not(tmp_path: Path, form: str) -> None:
    packed = FORMS[form](PLAIN.tar)
    image = artifact((TAR, packed), config=config_of(PLAIN.tar))
    with open_tarball(write_tarball(tmp_path / "a.tar", image)) as tarball, pytest.raises(ArchiveError, match=form):
        merge(tarball)
    saved = Image(image.manifest, image.config, (Layer(packed, packed, "none"),), {}, image.media_type)
    assert form in _refused(layouts.write_docker_save(tmp_path / "b.tar", saved))


def test_what_is_no_archive_of_images_but_of_one_s_files(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "version").write_text("Directory Transport Version: 1.1\n")
    (tmp_path / "dir" / "manifest.json").write_bytes(Image.build([PLAIN]).manifest)
    with pytest.raises(ArchiveError, match="oci-archive"), open_local(tmp_path / "dir"):
        pass
    with tarfile.open(tmp_path / "export.tar", "w") as tar:
        link = tarfile.TarInfo("etc/mtab")
        link.type, link.linkname = tarfile.SYMTYPE, "/proc/mounts"
        tar.addfile(link)
    with pytest.raises(ArchiveError, match="docker save"), open_local(tmp_path / "export.tar"):
        pass
