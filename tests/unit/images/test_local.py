"""Local archives: every form gives the same image, and what is damaged or unsafe is refused."""

import gzip
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.images.local.archives import LocalSource, open_local
from orchestrator.images.platforms import parse_platform
from orchestrator.model import Platform
from orchestrator.net.errors import ArchiveError, ImageError, NotAnImage, Unsupported
from tests.examples import examples
from tests.tools import layouts, oci_artifacts
from tests.tools.images import Image, Index, layer

IMAGE = Image.build([layer({"a": "b"}), layer({"c": "d" * 9000}, "none"), layer({"e": "f"}, "zstd")], user="app")
SAVED = Image.build([layer({"a": "b"}, "none"), layer({"c": "d" * 9000}, "none")])


class Collected(dict[int, bytes]):
    """A sink that keeps what it is given."""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        self[offset] = bytes(data)

    @property
    def data(self) -> bytes:
        return b"".join(data for _, data in sorted(self.items()))


def _packed(path: Path, pack: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(pack(path.read_bytes()))
    return path


@pytest.mark.parametrize("form", ["archive", "folder", "gzip", "zstd"])
def test_every_form_of_a_layout_gives_the_image_itself(tmp_path: Path, form: str) -> None:
    if form == "folder":
        path = layouts.write_layout(tmp_path / "layout", IMAGE, name="1.2")
    else:
        path = layouts.write_archive(tmp_path / "app.tar", IMAGE, name="1.2")
        if form in {"gzip", "zstd"}:
            _packed(path, gzip.compress if form == "gzip" else zstandard.ZstdCompressor().compress)
    with open_local(path) as archive:
        (found,) = archive.found
        assert found.image.manifest.digest == IMAGE.digest
        assert found.names == ("1.2",)
        with archive.open_blob(IMAGE.layers[1].digest) as stream:
            assert stream.read() == IMAGE.layers[1].blob
    with LocalSource(path) as source:
        image, manifest = source.image(IMAGE.digest, Platform())
        assert manifest == IMAGE.manifest
        for blob in (image.config, *image.layers):
            sink = Collected()
            source.fetch(blob, sink)
            assert sink.data == IMAGE.blobs[blob.digest]


def test_docker_save_gets_a_manifest_that_is_always_the_same(tmp_path: Path) -> None:
    digests = set()
    for name, tags in (("a.tar", ("app:1", "app:latest")), ("b.tar", ())):
        with open_local(layouts.write_docker_save(tmp_path / name, SAVED, tags=tags)) as archive:
            (found,) = archive.found
            assert found.names == tags
            assert found.image.config.digest in SAVED.blobs
            assert [each.digest for each in found.image.layers] == [each.diff_id for each in SAVED.layers]
            digests.add(found.image.manifest.digest)
    assert len(digests) == 1


def test_docker_save_with_compressed_layers_as_crane_writes_them(tmp_path: Path) -> None:
    names = [f"{number}.tar.gz" for number in range(len(IMAGE.layers))]
    members = {"config.json": IMAGE.config} | dict(zip(names, (each.blob for each in IMAGE.layers), strict=True))
    members["manifest.json"] = json.dumps([{"Config": "config.json", "RepoTags": None, "Layers": names}]).encode()
    with open_local(_tar(tmp_path / "a.tar", members)) as archive:
        assert [each.digest for each in archive.images[0].layers] == [each.digest for each in IMAGE.layers]
        assert [each.media_type.rpartition("tar")[2] for each in archive.images[0].layers] == ["+gzip", "", "+zstd"]


def test_docker_save_shares_equal_layers_by_links(tmp_path: Path) -> None:
    same = layer({"a": "b"}, "none")
    image = Image.build([same, same])
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        manifest = [{"Config": "c.json", "RepoTags": [], "Layers": ["1/layer.tar", "2/layer.tar"]}]
        layouts.write_members(
            tar, {"c.json": image.config, "1/layer.tar": same.tar, "manifest.json": json.dumps(manifest).encode()}
        )
        link = tarfile.TarInfo("2/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../1/layer.tar"
        tar.addfile(link)
    with open_local(path) as archive:
        assert [each.digest for each in archive.images[0].layers] == [same.diff_id] * 2


def test_several_images_are_several_targets_and_an_index_is_one_for_each_platform(tmp_path: Path) -> None:
    members = [Image.build([layer({"p": p})], platform=p) for p in ("linux/amd64", "linux/arm64", "linux/s390x")]
    path = layouts.write_archive(tmp_path / "a.tar", IMAGE, Index.build(members))
    with open_local(path) as archive:
        assert len(archive.images) == 4
        assert {each.group for each in archive.found} == {0, 1}
        wanted = archive.choose([parse_platform("linux/arm64"), parse_platform("linux/amd64")])
        assert [each.manifest.digest for each in wanted] == [IMAGE.digest, members[1].digest, members[0].digest]
        assert archive.choose([parse_platform("linux/riscv64")]) == ()


def test_two_images_in_one_docker_save(tmp_path: Path) -> None:
    other = Image.build([layer({"x": "y"}, "none")])
    with open_local(layouts.write_docker_save(tmp_path / "a.tar", SAVED, other)) as archive:
        assert len(archive.choose([Platform()])) == 2


def test_platforms_that_were_not_saved_are_left_out(tmp_path: Path) -> None:
    here, absent = Image.build([layer({"a": "b"})]), Image.build([layer({"c": "d"})], platform="linux/arm64")
    path = layouts.write_layout(tmp_path / "layout", Index.build([here, absent]))
    (path / "blobs" / "sha256" / absent.layers[0].digest[7:]).unlink()
    with open_local(path) as archive:
        assert [each.manifest.digest for each in archive.images] == [here.digest]


def _tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        layouts.write_members(tar, members)
    return path


def _saved(**changes: Any) -> dict[str, bytes]:
    """A good archive of `docker save`, with some of its members changed."""
    name = f"{SAVED.blobs and next(iter(SAVED.blobs))[7:]}.json"
    manifest = [{"Config": name, "RepoTags": [], "Layers": ["0.tar", "1.tar"]}]
    members = {name: SAVED.config, "0.tar": SAVED.layers[0].tar, "1.tar": SAVED.layers[1].tar}
    members["manifest.json"] = json.dumps(manifest).encode()
    return {k: v for k, v in (members | changes).items() if v is not None}


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"readme": b"x"},
        {"repositories": b"{}"},
        {"index.json": b"{"},
        {"index.json": b'{"schemaVersion": 2, "manifests": []}'},
        {"index.json": json.dumps({"schemaVersion": 2, "manifests": [IMAGE.descriptor]}).encode()},
        {"manifest.json": b"[]"},
        {"manifest.json": b"{}"},
        {"manifest.json": b'[{"Config": "x", "Layers": []}]'},
        {"manifest.json": b'[{"Config": "../../x", "Layers": []}]'},
        _saved(**{"0.tar": None}),
        _saved(**{"0.tar": SAVED.layers[1].tar}),
        _saved(**{"manifest.json": b'[{"Config": "1.tar", "RepoTags": [], "Layers": ["0.tar"]}]'}),
        _saved(**{next(iter(SAVED.blobs))[7:] + ".json": SAVED.config + b" "}),
        _saved(**{"../evil": b"x"}),
    ],
    ids=range(15),
)
def test_refused(tmp_path: Path, members: dict[str, bytes]) -> None:
    path = _tar(tmp_path / "a.tar", members)
    with pytest.raises(ImageError) as error, open_local(path):
        pass
    assert str(path) in str(error.value)


def test_the_good_one_of_these_is_good(tmp_path: Path) -> None:
    with open_local(_tar(tmp_path / "a.tar", _saved())) as archive:
        assert len(archive.images) == 1


def test_a_damaged_manifest_and_a_damaged_layer(tmp_path: Path) -> None:
    path = layouts.write_layout(tmp_path / "layout", IMAGE)
    blob = path / "blobs" / "sha256" / IMAGE.layers[0].digest[7:]
    blob.write_bytes(blob.read_bytes()[::-1])
    with LocalSource(path) as source, pytest.raises(ArchiveError, match=IMAGE.layers[0].digest):
        source.fetch(source.image(IMAGE.digest, Platform())[0].layers[0], Collected())
    manifest = path / "blobs" / "sha256" / IMAGE.digest[7:]
    manifest.write_bytes(manifest.read_bytes()[::-1])
    with pytest.raises(ArchiveError, match=IMAGE.digest), open_local(path):
        pass


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("packed", [False, True])
def test_truncated(tmp_path: Path, share: float, packed: bool) -> None:
    path = layouts.write_archive(tmp_path / "a.tar", IMAGE)
    if packed:
        _packed(path, gzip.compress)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ArchiveError), open_local(path):
        pass


@given(
    form=st.sampled_from(["archive", "docker-save", "gzip"]),
    damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    share=st.floats(0, 1) | st.just(1),
)
@settings(max_examples=examples(40), deadline=None)
def test_any_damage_ends_in_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, form: str, damage: list[tuple[float, int]], share: float
) -> None:
    path = tmp_path_factory.getbasetemp() / f"damaged-{os.getpid()}.tar"
    if form == "docker-save":
        layouts.write_docker_save(path, SAVED)
    else:
        layouts.write_archive(path, IMAGE)
    data = bytearray(gzip.compress(path.read_bytes(), 1) if form == "gzip" else path.read_bytes())
    for where, byte in damage:
        data[int(where * len(data))] = byte
    path.write_bytes(data[: int(len(data) * share)])
    try:
        with open_local(path) as archive:
            assert all(image.manifest.size for image in archive.images)
    except ImageError as error:
        assert str(path) in str(error)  # noqa: PT017 - that there is no other error is the point


def test_a_folder_s_manifest_cannot_name_files_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_bytes(SAVED.config)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    for name in ("../secret.json", str(tmp_path / "secret.json"), "link.json"):
        (folder / "manifest.json").write_text(json.dumps([{"Config": name, "RepoTags": [], "Layers": []}]))
        with pytest.raises(ArchiveError), open_local(folder):
            pass


def test_artifacts_and_absent_files_are_distinguished(tmp_path: Path) -> None:
    with (
        pytest.raises(NotAnImage, match="helm"),
        open_local(layouts.write_layout(tmp_path / "chart", oci_artifacts.CHART)),
    ):
        pass
    with pytest.raises(ArchiveError), open_local(tmp_path / "absent.tar"):
        pass


def test_a_plan_s_image_that_is_no_longer_there(tmp_path: Path) -> None:
    with LocalSource(layouts.write_archive(tmp_path / "a.tar", IMAGE)) as source, pytest.raises(ArchiveError):
        source.image(SAVED.digest, Platform())


def test_an_index_by_stranger_s_bytes_is_no_traceback(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        layouts.write_members(tar, {"index.json": b'{"schemaVersion":2,"manifests":[{"digest":"sha256:..","size":1}]}'})
    (tmp_path / "a.tar").write_bytes(buffer.getvalue())
    with pytest.raises(Unsupported), open_local(tmp_path / "a.tar"):
        pass


def test_a_layout_folder_is_read_without_its_links_and_pipes(tmp_path: Path) -> None:
    elsewhere = layouts.write_layout(tmp_path / "elsewhere", IMAGE)
    for part in ("index.json", "blobs", "blobs/sha256", f"blobs/{IMAGE.digest.replace(':', '/')}"):
        folder = layouts.write_layout(tmp_path / f"layout-{part.replace('/', '-')[:20]}", IMAGE)
        (folder / part).rename(tmp_path / "away")
        (folder / part).symlink_to(elsewhere / part)
        with pytest.raises(ImageError), open_local(folder):
            pass
        (folder / part).unlink()
        os.mkfifo(folder / part)
        with pytest.raises(ImageError), open_local(folder):  # and this does not wait for somebody to write
            pass
        shutil.rmtree(tmp_path / "away") if (tmp_path / "away").is_dir() else (tmp_path / "away").unlink()
    (tmp_path / "link").symlink_to(elsewhere)  # the folder itself is what somebody asked for
    with open_local(tmp_path / "link") as archive:
        assert archive.found


def test_a_pipe_is_no_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArchiveError), open_local(tmp_path / "pipe"):
        pass
