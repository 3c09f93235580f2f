"""The reader of our own tarballs: what it gives, and what it refuses."""

import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.images.tarball.archive import open_tarball
from orchestrator.net.errors import ArchiveError
from tests.tools.images import Image, layer
from tests.tools.layers import Compression
from tests.unit.tarballs import write_tarball

IMAGE = Image.build(
    [layer({"a": "gzip"}), layer({"b": "zstd" * 9000}, "zstd"), layer({"c": "plain"}, "none")],
    platform="linux/arm64/v8",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_tarball(tmp_path / "image.tar", IMAGE)


def test_gives_everything_back(path: Path) -> None:
    with open_tarball(path, digest=IMAGE.digest) as tarball:
        assert tarball.manifest == IMAGE.manifest
        assert tarball.config == IMAGE.config
        assert str(tarball.image.platform) == "linux/arm64"
        for number, each in enumerate(IMAGE.layers):
            assert tarball.open_blob(each.digest).read() == each.blob
            assert tarball.open_layer(number).read() == each.tar
        tarball.verify()
        assert IMAGE.digest in repr(tarball)


def test_layers_are_read_by_several_threads_at_once(tmp_path: Path) -> None:
    image = Image.build([layer({"a": os.urandom(300_000)}) for _ in range(4)])
    with open_tarball(write_tarball(tmp_path / "image.tar", image)) as tarball, ThreadPoolExecutor(4) as pool:
        tars = list(pool.map(lambda number: tarball.open_layer(number).read(), [0, 1, 2, 3] * 3))
    assert tars == [each.tar for each in image.layers] * 3


@pytest.mark.parametrize(("really", "claimed"), [("none", "gzip"), ("zstd", "gzip"), ("gzip", "none")])
def test_the_bytes_decide_how_a_layer_is_compressed(tmp_path: Path, really: Compression, claimed: Compression) -> None:
    honest = layer({"a": "b"}, really)
    lying = type(honest)(honest.tar, honest.blob, claimed)
    with open_tarball(write_tarball(tmp_path / "image.tar", Image.build([lying]))) as tarball:
        assert tarball.open_layer(0).read() == honest.tar


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 2000)


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0" * 512)


def _overwrite(what: bytes) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = path.read_bytes()
        assert what in data
        path.write_bytes(data.replace(what, bytes(byte ^ 1 for byte in what), 1))

    return damage


def _rebuild(path: Path) -> None:
    """The same members by another writer, in another order."""
    folder = path.with_suffix(".d")
    folder.mkdir()
    subprocess.run(["tar", "-xf", path, "-C", folder], check=True)  # tarfile differs by version
    with tarfile.open(path, "w") as tar:
        for each in sorted(folder.iterdir(), reverse=True):
            tar.add(each, each.name)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "damage",
    [
        _truncate,
        _grow,
        _rebuild,
        _overwrite(IMAGE.manifest[:40]),
        _overwrite(IMAGE.config[:40]),
        _overwrite(b"index.json"),
        _overwrite(IMAGE.digest.encode()),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"x" * 5000),
        lambda path: path.unlink(),
    ],
)
def test_damage_is_reported(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)
    with pytest.raises(ArchiveError) as error, open_tarball(path):
        pass
    assert str(path) in str(error.value)


def test_a_damaged_layer_is_found_by_verify_only(path: Path) -> None:
    blob = IMAGE.layers[1].blob
    _overwrite(blob[-20:])(path)
    with open_tarball(path) as tarball, pytest.raises(ArchiveError, match=IMAGE.layers[1].digest):
        tarball.verify()


def test_another_image_than_expected(path: Path) -> None:
    with pytest.raises(ArchiveError), open_tarball(path, digest="sha256:" + "0" * 64):
        pass


def test_neither_links_nor_pipes_are_opened(tmp_path: Path, path: Path) -> None:
    (tmp_path / "link.tar").symlink_to(path)
    os.mkfifo(tmp_path / "pipe.tar")
    for name in ("link.tar", "pipe.tar", "."):
        with pytest.raises(ArchiveError), open_tarball(tmp_path / name):
            pass
