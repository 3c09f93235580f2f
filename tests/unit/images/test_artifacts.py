"""What is no image is passed over only if no runtime would run it; else it is scanned, or refused."""

import json
from pathlib import Path

import pytest

from orchestrator.images.artifacts import check_image, may_be_archive
from orchestrator.images.local.archives import open_local
from orchestrator.images.manifests import read_image, read_manifest
from orchestrator.model import Blob, Platform
from orchestrator.net.errors import NotAnImage, Unsupported
from tests.tools import layouts, oci_artifacts
from tests.tools.images import Image, Index, layer
from tests.tools.layers import MEDIA_TYPES, sha256
from tests.tools.oci_artifacts import ARTIFACTS, EMPTY, TAR, artifact, bare, beside, config_of, cosigned

GOOD = Image.build([layer({"bin/app": "good"})])
ROOT = layer({"bin/sh": "evil"})
PACKED = f"{TAR}+gzip"


def check(image: Image) -> None:
    def read(blob: Blob) -> bytes:
        data = image.blobs[blob.digest]
        assert len(data) == blob.size
        return data

    check_image(read_manifest(image.manifest, origin="test"), origin="test", read=read)


@pytest.mark.parametrize("name", ARTIFACTS)
def test_what_no_runtime_runs_is_no_image(name: str) -> None:
    with pytest.raises(NotAnImage, match="artifact of type"):
        check(ARTIFACTS[name])


def test_of_an_image_nothing_is_read() -> None:
    def read(blob: Blob) -> bytes:
        raise AssertionError(blob)

    for image in (GOOD, Image.build([ROOT, layer({"a": "b"}, "zstd")], kind="docker"), Image.build([])):
        check_image(read_manifest(image.manifest, origin="test"), origin="test", read=read)


@pytest.mark.parametrize(
    "image",
    [
        # Docker unpacks layers whatever they are called.
        cosigned("application/vnd.dev.cosign.simplesigning.v1+json", ROOT.blob),
        cosigned("application/vnd.in-toto+json", ROOT.tar),
        # containerd mounts the one layer, and does not look at the other.
        artifact((TAR, ROOT.tar), ("application/spdx+json", b"{}"), config=config_of(ROOT.tar)),
        # Docker and containerd go by what the config lists, not by what it is called.
        artifact((TAR, ROOT.tar), config_type="application/vnd.example.config", config=config_of(ROOT.tar)),
        artifact(
            (TAR, ROOT.tar), config_type=EMPTY, config=config_of(ROOT.tar), artifactType="application/spdx+json"
        ),
        artifact((TAR, ROOT.tar), config_type="x/y", config=b" \n" + config_of(ROOT.tar)),
        # podman takes any config with a manifest of Docker's.
        artifact(
            (MEDIA_TYPES["docker"]["layer"], ROOT.tar),
            config_type="application/octet-stream",
            media_type=MEDIA_TYPES["docker"]["manifest"],
        ),
        # containerd mounts file systems of EROFS as they are, which are no archives.
        cosigned("application/vnd.example.layer.erofs", bytes(1024) + b"\xe2\xe1\xf5\xe0" + b"x" * 4096),
        # An image that says it is about another.
        artifact((PACKED, ROOT.blob), config=config_of(ROOT.tar), artifactType="x/y", subject=bare(GOOD)),
        artifact((TAR, ROOT.tar), config=b"{}"),
    ],
)  # fmt: skip
def test_what_some_runtime_might_run_is_never_passed_over(image: Image) -> None:
    check(image)  # scanned, or refused by what reads it then


def test_podman_goes_by_the_descriptor_where_a_manifest_names_no_type(tmp_path: Path) -> None:
    image = artifact((TAR, ROOT.tar), config_type="x/y", config=b'{"a": 1}', media_type=None)
    called = Image(image.manifest, image.config, image.layers, {}, MEDIA_TYPES["docker"]["manifest"])
    for each, kind in ((image, NotAnImage), (called, Unsupported)):
        with pytest.raises(Unsupported) as error:
            found(layouts.write_layout(tmp_path / kind.__name__, each))
        assert error.type is kind


@pytest.mark.parametrize("config", [b'{"rootfs": {"diff_ids": []}, "RootFS": {}}', b'{"rootfs": "x"}', b'{"rootfs": {'])
def test_a_config_of_two_readings_is_refused(config: bytes) -> None:
    with pytest.raises(Unsupported) as error:
        check(artifact((TAR, ROOT.tar), config_type="x/y", config=config))
    assert not isinstance(error.value, NotAnImage)


@pytest.mark.parametrize(
    "image",
    [
        artifact(("application/vnd.sylabs.sif.layer.v1.sif", b"x" * 600), config_type="x/y", config=b""),
        artifact(("application/wasm", b"\0asm"), config_type="application/vnd.wasm.config.v0+json"),
        artifact(("application/vnd.wasm.content.layer.v1+wasm", b"\0asm"), config=config_of(b"\0asm")),
        artifact(("x/y", b"{}"), config_type="application/vnd.docker.plugin.v1+json"),
    ],
)
def test_what_runs_in_other_ways_is_not_passed_over(image: Image) -> None:
    with pytest.raises(Unsupported, match="runs") as error:
        check(image)
    assert not isinstance(error.value, NotAnImage)


def test_what_could_be_unpacked() -> None:
    for packed in (b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18", b"", bytes(1024)):
        assert may_be_archive(packed)
    assert may_be_archive(ROOT.tar)
    disguised = layer({'{"a": "' + "b" * 20 + '"}': "c"}, "none").tar
    assert disguised.startswith(b'{"a"')
    assert may_be_archive(disguised)
    for other in (b"{}", b"SPDXVersion: SPDX-2.3\n" * 100, ROOT.tar[:511], b"x" * 4096):
        assert not may_be_archive(other)


def test_a_manifest_of_another_type_is_an_artifact_only_without_the_parts_of_an_image() -> None:
    said = json.loads(GOOD.manifest)
    said["mediaType"] = "application/vnd.oci.artifact.manifest.v1+json"
    with pytest.raises(Unsupported) as error:
        read_manifest(json.dumps(said).encode(), origin="test")
    assert not isinstance(error.value, NotAnImage)
    abandoned = {"mediaType": said["mediaType"], "artifactType": "x/y", "blobs": said["layers"]}
    with pytest.raises(NotAnImage):
        read_manifest(json.dumps(abandoned).encode(), origin="test")


# In archives


def found(path: Path) -> tuple[list[str], tuple[str, ...]]:
    """Digests of what would be scanned, and what is passed over."""
    with open_local(path) as archive:
        return [image.manifest.digest for image in archive.choose([Platform()])], archive.passed_over


@pytest.mark.parametrize("name", ARTIFACTS)
def test_an_artifact_does_not_fail_the_image_beside_it(tmp_path: Path, name: str) -> None:
    other = ARTIFACTS[name]
    for number, path in enumerate(
        (
            layouts.write_layout(tmp_path / "a", GOOD, other),
            layouts.write_layout(tmp_path / "b", other, GOOD),
            layouts.write_layout(tmp_path / "c", beside(GOOD, other)),
            layouts.write_archive(tmp_path / "d.tar", beside(GOOD, other, platform=GOOD.platform)),
        )
    ):
        digests, passed_over = found(path)
        assert digests == [GOOD.digest], number
        (note,) = passed_over
        assert other.digest in note


def test_a_folder_of_cosign_save(tmp_path: Path) -> None:
    path = layouts.write_layout(tmp_path / "saved", GOOD)
    index = oci_artifacts.save(GOOD, oci_artifacts.SIGNATURE, oci_artifacts.ATTESTATION)
    (path / "index.json").write_bytes(index.manifest)
    for each in index.images:
        for digest, data in (each.blobs | {each.digest: each.manifest}).items():
            (path / "blobs" / "sha256" / digest[7:]).write_bytes(data)
    digests, passed_over = found(path)
    assert digests == [GOOD.digest]
    assert len(passed_over) == 2


def test_an_archive_of_artifacts_only_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match="simplesigning"):
        found(layouts.write_layout(tmp_path / "a", oci_artifacts.SIGNATURE, oci_artifacts.SBOM))
    with pytest.raises(NotAnImage):
        found(layouts.write_layout(tmp_path / "b", Index.build([], extra=[bare(oci_artifacts.CHART)]), oci_artifacts.CHART))  # fmt: skip # noqa: E501


def test_an_image_called_an_attestation_is_scanned(tmp_path: Path) -> None:
    evil = Image.build([ROOT])
    note = {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    digests, _ = found(layouts.write_layout(tmp_path / "a", beside(GOOD, evil, **note)))
    assert set(digests) == {GOOD.digest, evil.digest}


def test_a_cache_of_buildkit_is_an_index_of_layers(tmp_path: Path) -> None:
    blob, settings = b"\x1f\x8b" + bytes(70_000), b'["not", "a manifest"]'
    entries = [
        {"mediaType": kind, "digest": sha256(data), "size": len(data)}
        for kind, data in ((PACKED, blob), ("application/vnd.buildkit.cacheconfig.v0", settings))
    ]
    listed, held = Index.build([], extra=entries), artifact((PACKED, blob), ("x/y", settings))
    cache = Index(listed.manifest, (held,), listed.media_type)
    with pytest.raises(NotAnImage, match="not a manifest"):
        found(layouts.write_layout(tmp_path / "a", cache))
    digests, passed_over = found(layouts.write_layout(tmp_path / "b", cache, GOOD))
    assert digests == [GOOD.digest]
    assert len(passed_over) == 2


def test_a_manifest_under_another_type_is_looked_at(tmp_path: Path) -> None:
    evil = Image.build([ROOT])
    hidden = bare(evil, mediaType="application/vnd.oci.image.layer.v1.tar")
    index = Index.build([GOOD], extra=[hidden])
    path = layouts.write_layout(tmp_path / "a", Index(index.manifest, (GOOD, evil), index.media_type))
    assert set(found(path)[0]) == {GOOD.digest, evil.digest}


# Images of old builders


def _without(image: Image, *keys: str, config_type: str = oci_artifacts.OCI_CONFIG) -> Image:
    config = {key: value for key, value in json.loads(image.config).items() if key not in keys}
    return artifact((PACKED, image.layers[0].blob), config=json.dumps(config).encode(), config_type=config_type)


@pytest.mark.parametrize("keys", [(), ("architecture",), ("os",), ("architecture", "os")])
@pytest.mark.parametrize("config_type", [oci_artifacts.OCI_CONFIG, "application/octet-stream", "application/json"])
def test_an_image_without_platform_is_of_the_machine_that_is_wanted(
    tmp_path: Path, keys: tuple[str, ...], config_type: str
) -> None:
    old = _without(GOOD, *keys, config_type=config_type)
    for path in (
        layouts.write_layout(tmp_path / "a", old),
        layouts.write_layout(tmp_path / "b", beside(GOOD, old)),
        layouts.write_layout(tmp_path / "c", Index.build([], extra=[bare(old, platform=GOOD.platform)]), old),
    ):
        with open_local(path) as archive:
            chosen = archive.choose([Platform(), Platform(architecture="arm64")])
            assert old.digest in {image.manifest.digest for image in chosen}
            assert {str(image.platform) for image in chosen} == {"linux/amd64"}
            assert archive.passed_over == ()
        assert read_image(old.manifest, origin="test").config.media_type == config_type
