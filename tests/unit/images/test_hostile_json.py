"""Documents of images that two readers would read as two images; each was read silently once."""

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import PermanentError
from orchestrator.images.content.filesystem import merge
from orchestrator.images.manifests import OCI_CONFIG, OCI_LAYER, read_config, read_image, read_manifest
from orchestrator.images.tarball.archive import open_tarball
from orchestrator.net.errors import ArchiveError, Unsupported
from orchestrator.steps.check import CHECKS, check
from tests.tools.images import Image, layer, sha256
from tests.unit.tarballs import write_tarball

GOOD, EVIL = "sha256:" + "1" * 64, "sha256:" + "e" * 64
CONFIG = {"mediaType": OCI_CONFIG, "digest": GOOD, "size": 7}
LAYER = {"mediaType": OCI_LAYER, "digest": "sha256:" + "2" * 64, "size": 5}


def pairs(*members: tuple[str, Any]) -> str:
    """A JSON object of members in this order, duplicates and all."""
    return "{" + ",".join(f"{json.dumps(key)}:{value}" for key, value in members) + "}"


def manifest(*more: tuple[str, Any], config: str = json.dumps(CONFIG), layers: str = json.dumps([LAYER])) -> bytes:
    return pairs(("schemaVersion", 2), ("config", config), ("layers", layers), *more).encode()


def index(*more: tuple[str, Any], entry: str = json.dumps({"digest": GOOD, "size": 1})) -> bytes:
    return pairs(("schemaVersion", 2), ("manifests", f"[{entry}]"), *more).encode()


EVIL_LAYERS = json.dumps([LAYER | {"digest": EVIL}])
TYPE_AND_SIZE = (("mediaType", f'"{OCI_CONFIG}"'), ("size", 7))
VERSIONS = ("2.0", "2e0", '"2"', "3", "true", "-2")


@pytest.mark.parametrize(
    "document",
    [
        index(("Manifests", json.dumps([{"digest": EVIL, "size": 1}]))),
        index(("MANIFESTS", "[]")),
        index(("manifest\u017f", "[]")),
        index(("manifests", "[]")),
        index(("MediaType", '"application/vnd.oci.image.manifest.v1+json"')),
        index(("Config", json.dumps(CONFIG))),
        index(("Layers", "[]")),
        index(("layers", "[]")),
        index(entry=pairs(("digest", f'"{GOOD}"'), ("Digest", f'"{EVIL}"'), ("size", 1))),
        index(entry=pairs(("digest", f'"{GOOD}"'), ("digest", f'"{EVIL}"'), ("size", 1))),
        index(entry=pairs(("digest", f'"{GOOD}"'), ("\u017fize", 2), ("size", 1))),
        index(entry=pairs(("digest", f'"{GOOD}"'), ("size", 1), ("platform", '{"os":"linux","OS":"windows"}'))),
        index(entry=pairs(("digest", f'"{GOOD}"'), ("size", 1), ("platform", '{"os":"linux","OS.Version":"1"}'))),
        manifest(("Layers", EVIL_LAYERS)),
        manifest(("layers", EVIL_LAYERS)),
        manifest(("layer\u017f", EVIL_LAYERS)),
        manifest(("Manifests", "[]")),
        manifest(("manifests", "[]")),
        manifest(("CONFIG", "null")),
        manifest(("fsLayers", "[]")),
        manifest(("FsLayers", "null")),
        manifest(("signatures", "[]")),
        manifest(("x", 1), ("X", 1)),
        manifest(("mediaType", '"application/vnd.oci.image.index.v1+json"')),
        manifest(config=pairs(("digest", f'"{GOOD}"'), ("digest", f'"{EVIL}"'), *TYPE_AND_SIZE)),
        manifest(config=pairs(("digest", f'"{GOOD}"'), ("Digest", f'"{EVIL}"'), *TYPE_AND_SIZE)),
        manifest(config=json.dumps(CONFIG | {"data": "ZXZpbA=="})),
        manifest(config=json.dumps(CONFIG | {"data": "ZXZpbAo"})),
        manifest(config=json.dumps(CONFIG | {"size": 7.0})),
        manifest(config=json.dumps(CONFIG | {"size": "7"})),
        manifest(config=json.dumps(CONFIG | {"size": 1 << 64})),
        manifest(layers="{}"),
        manifest(layers="[null]"),
        manifest(layers="[[]]"),
        b"\xef\xbb\xbf" + manifest(),
        manifest() + b"{}",
        manifest(("deep", "[" * 3000 + "]" * 3000)),
        manifest(("number", "1" * 5000)),
        manifest(("number", "1e999")),
        *(manifest().replace(b'"schemaVersion":2', f'"schemaVersion":{bad}'.encode()) for bad in VERSIONS),
    ],
)  # fmt: skip
def test_manifests_of_two_readings_are_refused(document: bytes) -> None:
    with pytest.raises(Unsupported):
        believe(document)


def believe(document: bytes) -> None:
    """Read all that a pull would."""
    found = read_manifest(document, origin="test")
    for each in (*(found.manifests or ()), *(found.layers or ()), found.config):
        if each:
            each.blob("test")


def test_the_same_documents_without_the_fault_are_read() -> None:
    believe(index())
    believe(manifest())
    read_config(pairs(*BASE).encode(), origin="test")


def test_what_is_embedded_must_be_what_it_stands_for() -> None:
    right = {"mediaType": OCI_CONFIG, "digest": sha256(b"evil"), "size": 4, "data": "ZXZpbA=="}
    assert read_image(manifest(config=json.dumps(right)), origin="test").config.digest == sha256(b"evil")
    for change in ({"data": "ZXZpbDI="}, {"digest": GOOD}):
        with pytest.raises(Unsupported):
            read_image(manifest(config=json.dumps(right | change)), origin="test")


@pytest.mark.parametrize(
    "platform", [{"os": "linux", "architecture": "amd64"}, {"os": "unknown", "architecture": "amd64"}]
)
def test_an_entry_for_a_real_platform_is_an_image_whatever_its_annotations_say(platform: dict[str, str]) -> None:
    entry = {
        "digest": EVIL,
        "size": 1,
        "platform": platform,
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
    }
    (found,) = read_manifest(index(entry=json.dumps(entry)), origin="test").manifests or ()
    assert not found.is_attestation()


BASE = (("architecture", '"amd64"'), ("os", '"linux"'))
CONFIGS = [
    pairs(*BASE, ("config", '{"User":"1000","user":"0"}')),
    pairs(*BASE, ("config", '{"User":"1000","User":"0"}')),
    pairs(*BASE, ("config", '{"User":"1000","USER":null}')),
    pairs(*BASE, ("config", '{"u\u017fer":"0"}')),
    pairs(*BASE, ("config", '{"User":"1000"}'), ("Config", '{"User":"0"}')),
    pairs(*BASE, ("config", '{"User":"1000"}'), ("config", '{"User":"0"}')),
    pairs(*BASE, ("config", '{"User":1000}')),
    pairs(*BASE, ("config", '{"User":["1000"]}')),
    pairs(*BASE, ("config", '{"Env":["PATH=/bin"],"env":["PATH=/evil"]}')),
    pairs(*BASE, ("config", '{"Healthcheck":{"Test":["NONE"],"test":["CMD","evil"]}}')),
    pairs(*BASE, ("created", '"2020-01-01T00:00:00Z"'), ("Created", '"2026-01-01T00:00:00Z"')),
    pairs(*BASE, ("created", '"2020-01-01T00:00:00Z"'), ("created", '"2026-01-01T00:00:00Z"')),
    pairs(*BASE, ("created", "1577836800")),
    pairs(*BASE, ("rootfs", '{"diff_ids":["a"],"Diff_Ids":["b"]}')),
    pairs(*BASE, ("rootfs", '{"diff_ids":["a"],"diff_id\u017f":["b"]}')),
    pairs(*BASE, ("RootFS", '{"diff_ids":["b"]}')),
    pairs(*BASE, ("history", '[{"created_by":"a","Created_By":"b"}]')),
    pairs(*BASE, ("container_config", '{"User":"1","user":"0"}')),
    pairs(*BASE, ("OS", '"windows"')),
    pairs(*BASE, ("os.version", '"1"'), ("OS.version", '"2"')),
    pairs(*BASE, ("unknown", 1), ("Unknown", 2)),
    pairs(*BASE, ("deep", "[" * 3000 + "]" * 3000)),
    pairs(*BASE, ("number", "1" * 5000)),
    pairs(*BASE).replace("amd64", "\\ud800"),
    pairs(*BASE) + "x",
    '{"architecture":5,"os":"linux"}',
    '{"Architecture":"amd64","OS":"linux"}',
]


@pytest.mark.parametrize("config", CONFIGS)
def test_configs_of_two_readings_are_refused(config: str) -> None:
    with pytest.raises(Unsupported):
        read_config(config.encode(), origin="test")


def with_config(config: bytes) -> Image:
    made = Image.build([layer({"a": ""})])
    said = json.loads(made.manifest)
    said["config"] |= {"digest": sha256(config), "size": len(config)}
    return Image(json.dumps(said).encode(), config, made.layers, made.platform, made.media_type)


@pytest.mark.parametrize("config", [CONFIGS[0], CONFIGS[10], CONFIGS[21]])
@pytest.mark.parametrize("name", sorted(CHECKS))
def test_no_check_of_ours_reports_such_an_image(tmp_path: Path, name: str, config: str) -> None:
    tarball = write_tarball(tmp_path / "image.tar", with_config(config.encode()))
    with pytest.raises(PermanentError):
        check(name, tarball, tmp_path / "report.json", parameters={"maxAge": "30d"})
    assert not (tmp_path / "report.json").exists()


@pytest.mark.parametrize("number", [0, 2, 300])
def test_config_and_manifest_speak_of_as_many_layers(tmp_path: Path, number: int) -> None:
    rootfs = {"type": "layers", "diff_ids": [GOOD] * number}
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs}).encode()
    tarball = write_tarball(tmp_path / "image.tar", with_config(config))
    with pytest.raises(Unsupported, match="layers"), open_tarball(tarball):
        pass


def test_layers_are_those_that_the_config_lists(tmp_path: Path) -> None:
    """containerd takes layers it has by the ids of the config, and would run those instead of what was scanned."""
    honest = [layer({"a": "b"}), layer({"c": "d"}, "zstd"), layer({"e": "f"}, "none")]
    with open_tarball(write_tarball(tmp_path / "good.tar", Image.build(honest))) as tarball:
        assert merge(tarball).lookup("/e")
    for number, each in enumerate(honest):
        made = Image.build(honest)
        config = made.config.replace(each.diff_id.encode(), EVIL.encode())
        said = json.loads(made.manifest)
        said["config"] |= {"digest": sha256(config), "size": len(config)}
        image = Image(json.dumps(said).encode(), config, made.layers, made.platform, made.media_type)
        path, wrong = write_tarball(tmp_path / "bad.tar", image), made.layers[number].digest
        with open_tarball(path) as tarball, pytest.raises(ArchiveError, match=wrong):
            merge(tarball)
