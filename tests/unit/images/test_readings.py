"""Archives and indexes in which two readers find two images: both are scanned, or neither is."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.images.local.archives import LocalSource, open_local
from orchestrator.images.platforms import choose, normalise, parse_platform
from orchestrator.model import Platform
from orchestrator.net.errors import ImageError, Unsupported
from tests.tools import layouts
from tests.tools.images import Image, Index, layer, sha256

GOOD = Image.build([layer({"bin/app": "good"})], user="app")
EVIL = Image.build([layer({"bin/sh": "evil"}, "none")])
PLAIN = Image.build([layer({"bin/app": "good"}, "none")], user="app")


def write(path: Path, *images: Image | Index, **more: bytes) -> Path:
    """An OCI layout with further files, `__` in their names for a dot."""
    folder = layouts.write_layout(path, *images)
    for name, data in more.items():
        target = folder / name.replace("__", ".")
        target.write_bytes(data)
    return folder


def saved(image: Image, *, config: str = "", layers: list[str] | None = None, **more: Any) -> dict[str, Any]:
    names = [f"blobs/sha256/{each.digest[7:]}" for each in image.layers]
    there = {
        "Config": config or f"blobs/sha256/{sha256(image.config)[7:]}",
        "RepoTags": ["app:1"],
        "Layers": layers or names,
    }
    return there | more


def blobs(folder: Path, image: Image) -> None:
    for digest, data in image.blobs.items():
        (folder / "blobs" / "sha256" / digest[7:]).write_bytes(data)


def chosen(path: Path, *platforms: str) -> list[str]:
    """Digests of the configs of what would be scanned."""
    with open_local(path) as archive:
        found = archive.choose([parse_platform(each) for each in platforms or ("linux/amd64",)])
        with LocalSource(path) as source:
            assert [source.image(each.manifest.digest, Platform())[0].config for each in found] == [
                e.config for e in found
            ]
        return [each.config.digest for each in found]


def test_the_two_descriptions_of_one_image_are_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a", GOOD, manifest__json=json.dumps([saved(GOOD)]).encode(), repositories=b"{}")
    assert chosen(path) == [sha256(GOOD.config)]


def test_a_layer_may_be_packed_in_one_of_them_and_plain_in_the_other(tmp_path: Path) -> None:
    there = saved(GOOD, layers=["0.tar"])
    path = write(tmp_path / "a", GOOD, manifest__json=json.dumps([there]).encode(), **{"0__tar": GOOD.layers[0].tar})
    assert chosen(path) == [sha256(GOOD.config)]


def test_what_only_docker_load_would_find_is_scanned_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a", GOOD, manifest__json=json.dumps([saved(EVIL)]).encode())
    blobs(path, EVIL)
    assert set(chosen(path)) == {sha256(GOOD.config), sha256(EVIL.config)}


def test_the_same_config_with_other_layers_is_another_image(tmp_path: Path) -> None:
    there = saved(GOOD, layers=["0.tar"])
    path = write(tmp_path / "a", GOOD, manifest__json=json.dumps([there]).encode(), **{"0__tar": EVIL.layers[0].tar})
    with pytest.raises(ImageError):  # as Docker does: the layer is not of the config's diff_id
        chosen(path)


@pytest.mark.parametrize(
    "listed",
    [
        lambda: json.dumps([saved(GOOD)])[:-2] + f', "config": "blobs/sha256/{sha256(EVIL.config)[7:]}"}}]',
        lambda: json.dumps([saved(GOOD)])[:-2] + ', "Layers": []}]',
        lambda: json.dumps([saved(GOOD, layers=["gone"])]),
        lambda: json.dumps(saved(GOOD)),
        lambda: "[]",
        lambda: "[null]",
        lambda: "[" * 3000,
        lambda: json.dumps([saved(GOOD)]) + "[]",
    ],
)
def test_a_manifest_json_that_cannot_be_trusted_ends_the_archive(tmp_path: Path, listed: Any) -> None:
    path = write(tmp_path / "a", GOOD, manifest__json=listed().encode())
    blobs(path, EVIL)
    with pytest.raises(ImageError):
        chosen(path)


@pytest.mark.parametrize(
    "more",
    [
        {"repositories": b'{"app":{"1":"abc"}}'},
        {"oci-layout": b'{"imageLayoutVersion":"2.0.0"}'},
        {"oci-layout": b'{"imageLayoutVersion":"1.0.0","ImageLayoutVersion":"2.0.0"}'},
        {"oci-layout": b"x"},
        {
            "index__json": json.dumps({"schemaVersion": 2, "manifests": [GOOD.descriptor]}).encode()[:-1]
            + b',"Manifests":[]}'
        },
    ],
)
def test_other_files_that_readers_differ_in(tmp_path: Path, more: dict[str, bytes]) -> None:
    with pytest.raises(ImageError):
        chosen(write(tmp_path / "a", GOOD, **more))


def misdeclared(image: Image, platform: dict[str, str]) -> Image:
    return Image(image.manifest, image.config, image.layers, platform, image.media_type)


def test_an_image_of_a_platform_that_nobody_wants_is_scanned_when_its_config_says_otherwise(tmp_path: Path) -> None:
    hidden = misdeclared(EVIL, {"os": "plan9", "architecture": "amd64"})
    for name, path in (
        ("a", write(tmp_path / "a", GOOD, hidden)),
        ("b", write(tmp_path / "b", Index.build([GOOD, hidden]))),
    ):
        assert set(chosen(path)) == {sha256(GOOD.config), sha256(EVIL.config)}, name


def test_honest_variants_are_scanned_once(tmp_path: Path) -> None:
    old = Image.build([layer({"a": "b"})], platform="linux/arm")  # as builders wrote them before they knew variants
    path = write(
        tmp_path / "a", Index.build([misdeclared(old, {"os": "linux", "architecture": "arm", "variant": "v6"})])
    )
    assert chosen(path, "linux/arm/v6") == [sha256(old.config)]
    assert chosen(path, "linux/arm/v7") == []


def test_an_image_cannot_hide_as_an_attestation(tmp_path: Path) -> None:
    entry = EVIL.descriptor | {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    path = write(tmp_path / "a", Index.build([GOOD], extra=[entry]))
    blobs(path, EVIL)
    (path / "blobs" / "sha256" / EVIL.digest[7:]).write_bytes(EVIL.manifest)
    assert set(chosen(path)) == {sha256(GOOD.config), sha256(EVIL.config)}


@pytest.mark.parametrize(
    "platform",
    [
        {"os": "linux", "architecture": "amd64"},
        {"os": "Linux", "architecture": "x86_64"},
        {"architecture": "amd64"},
        {"os": "", "architecture": "AMD64", "variant": "v1"},
    ],
)
def test_of_two_images_of_one_platform_both_are_scanned(tmp_path: Path, platform: dict[str, str]) -> None:
    path = write(tmp_path / "a", Index.build([misdeclared(EVIL, platform), GOOD]))
    assert set(chosen(path)) == {sha256(GOOD.config), sha256(EVIL.config)}


def test_choice_among_equals() -> None:
    linux, windows = parse_platform("linux/amd64"), parse_platform("windows/amd64")
    assert choose([linux], [(linux, "a"), (windows, "w"), (linux, "b"), (linux, "a")]) == ["a", "b"]
    assert choose([windows], [(windows, "2022"), (windows, "2019")]) == ["2022"]
    assert choose([linux], [(parse_platform(f"linux/amd64/v{n}"), n) for n in (3, 2, 3)]) == [3]
    assert choose([linux] * 3, [(linux, str(n % 8)) for n in range(20_000)]) == list("01234567")
    with pytest.raises(Unsupported):
        choose([linux], [(linux, str(n)) for n in range(9)])


def test_platforms_as_containerd_spells_them() -> None:
    for fields, same in (
        (("", "amd64", ""), "linux/amd64"),
        (("macOS", "arm64", "v8"), "darwin/arm64"),
        (("linux", "armhf", ""), "linux/arm/v7"),
        (("linux", "armel", ""), "linux/arm/v6"),
    ):
        assert str(normalise(Platform(*fields))) == same


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("varied", [False, True])
def test_an_archive_that_names_one_image_without_end_costs_little(tmp_path: Path, depth: int, varied: bool) -> None:
    entries = [GOOD.descriptor | ({"platform": {"os": f"os{n}"}} if varied else {}) for n in range(500)]
    path, index = write(tmp_path / "a", GOOD), Index.build([], extra=entries)
    for _ in range(depth - 1):
        (path / "blobs" / "sha256" / index.digest[7:]).write_bytes(index.manifest)
        inner = {"mediaType": index.media_type, "digest": index.digest, "size": len(index.manifest)}
        index = Index.build([], extra=[inner | ({"platform": {"os": f"os{n}"}} if varied else {}) for n in range(500)])
    (path / "index.json").write_bytes(index.manifest)
    before = time.process_time()
    try:
        assert chosen(path) in ([sha256(GOOD.config)], [])
    except Unsupported:
        assert depth > 1
    assert time.process_time() - before < 10


def test_a_blob_of_another_size_is_not_an_absent_one(tmp_path: Path) -> None:
    entry = EVIL.descriptor | {"size": len(EVIL.manifest) + 1}
    path = write(tmp_path / "a", Index.build([GOOD], extra=[entry]))
    blobs(path, EVIL)
    (path / "blobs" / "sha256" / EVIL.digest[7:]).write_bytes(EVIL.manifest)
    with pytest.raises(ImageError):
        chosen(path)
