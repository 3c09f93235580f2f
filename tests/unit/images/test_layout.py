"""The tarball's geometry: exact before a byte is there, deterministic, and plain tar to everybody else."""

import json
import tarfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.images.manifests import OCI_LAYER, OCI_MANIFEST, read_image
from orchestrator.images.tarball.archive import write_frame
from orchestrator.images.tarball.layout import layout, tarball_size
from orchestrator.model import Blob, Image, Platform
from tests.tools import images
from tests.unit.tarballs import write_tarball

_GIB = 1024**3


def _blob(number: int, size: int, algorithm: str = "sha256") -> Blob:
    return Blob(
        digest=f"{algorithm}:{number:0{64 if algorithm == 'sha256' else 128}x}", size=size, media_type=OCI_LAYER
    )


def _image(*sizes: int, algorithm: str = "sha256") -> Image:
    manifest = Blob(digest=_blob(0, 0).digest, size=700, media_type=OCI_MANIFEST)
    layers = tuple(_blob(number, size, algorithm) for number, size in enumerate(sizes, start=2))
    return Image(manifest=manifest, config=_blob(1, 300), layers=layers)


@given(st.lists(st.integers(min_value=0, max_value=64 * _GIB), max_size=12), st.sampled_from(["sha256", "sha512"]))
def test_members_neither_overlap_nor_leave_holes(sizes: list[int], algorithm: str) -> None:
    plan = layout(_image(*sizes, algorithm=algorithm))
    end = 0
    for entry in plan.entries:
        assert entry.start == end
        assert entry.start % 512 == len(entry.header) % 512 == 0
        end = entry.offset + -(-entry.size // 512) * 512
    assert plan.size == end + 1024


def test_python_s_tarfile_reads_the_headers_of_huge_layers_and_long_names(tmp_path: Path) -> None:
    image = _image(9 * _GIB, 8 * _GIB, 8 * _GIB - 1, 3, algorithm="sha512")
    plan = layout(image)
    path = tmp_path / "sparse.tar"
    with path.open("w+b") as file:
        file.truncate(plan.size)
        write_frame(file.fileno(), plan)
    with tarfile.open(path) as tar:
        found = {member.name: (member.offset_data, member.size) for member in tar if member.isfile()}
    assert found == {entry.name: (entry.offset, entry.size) for entry in plan.entries if not entry.name.endswith("/")}
    assert path.stat().st_blocks * 512 < 1_000_000


def test_the_size_is_known_beforehand(tmp_path: Path) -> None:
    made = images.Image.build([images.layer({"a": "b" * n}) for n in (1, 600, 600, 100_000)])
    image = read_image(made.manifest, origin="test")
    assert write_tarball(tmp_path / "a.tar", made).stat().st_size == tarball_size(image)


def test_a_layer_that_occurs_twice_lies_there_once_and_is_named_twice() -> None:
    same = images.layer({"a": "b"})
    image = read_image(images.Image.build([same, images.layer({"c": "d"}), same]).manifest, origin="test")
    plan = layout(image)
    names = [entry.name for entry in plan.entries]
    assert len(names) == len(set(names)) == 2 + 3 + 4
    (docker,) = json.loads(next(entry.content for entry in plan.entries if entry.name == "manifest.json") or b"")
    assert docker["Layers"] == [f"blobs/{digest.digest.replace(':', '/')}" for digest in image.layers]


def test_nothing_but_the_image_decides() -> None:
    made = images.Image.build([images.layer({"a": "b"})])
    one = read_image(made.manifest, origin="registry.example/a:1", platform=Platform(architecture="arm64"))
    other = read_image(made.manifest, origin="elsewhere")
    assert layout(one).entries == layout(other).entries


def test_syft_needs_the_folders() -> None:
    assert [entry.name for entry in layout(_image(1)).entries][:2] == ["blobs/", "blobs/sha256/"]
