"""Manifests: the four kinds, and what is refused by name."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.images.manifests import (
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    check_layers,
    compression,
    compressions,
    config_platform,
    is_foreign,
    read_image,
    read_manifest,
)
from orchestrator.images.schemas import ConfigFields, RootFsFields
from orchestrator.model import Blob
from orchestrator.net.errors import ImageError, Unsupported
from tests.tools.images import Image, Index, Kind, layer

DIGEST = "sha256:" + "1" * 64


def _image(**changes: Any) -> bytes:
    layers = [{"mediaType": OCI_LAYER, "digest": "sha256:" + "2" * 64, "size": 5}]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": DIGEST, "size": 7},
        "layers": layers,
    }
    return json.dumps(manifest | changes).encode()


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_images_of_both_kinds(kind: Kind) -> None:
    made = Image.build([layer({"a": "b"}), layer({"c": "d"}, "none"), layer({"e": "f"}, "zstd")], kind=kind)
    image = read_image(made.manifest, origin="test")
    assert (image.manifest.digest, image.manifest.size) == (made.digest, len(made.manifest))
    assert image.manifest.media_type == made.media_type
    assert [each.digest for each in image.layers] == [each.digest for each in made.layers]
    assert compressions(image) == ("gzip", "none", "zstd")


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_indexes_of_both_kinds(kind: Kind) -> None:
    members = [Image.build([layer({"a": p})], platform=p, kind=kind) for p in ("linux/amd64", "linux/arm64/v8")]
    manifest = read_manifest(Index.build(members, kind=kind).manifest, origin="test")
    assert manifest.manifests is not None
    assert [str(entry.declared_platform()) for entry in manifest.manifests] == ["linux/amd64", "linux/arm64"]
    with pytest.raises(Unsupported):
        read_image(Index.build(members, kind=kind).manifest, origin="test")


def test_attestations_are_distinguished_from_images() -> None:
    extra = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": DIGEST,
            "size": 1,
            "platform": {"os": "unknown", "architecture": "unknown"},
        },
        {
            "mediaType": OCI_MANIFEST,
            "digest": DIGEST,
            "size": 1,
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        },
    ]
    index = read_manifest(Index.build([Image.build([])], extra=extra).manifest, origin="test")
    # Of the last only its content tells: podman and containerd may choose an entry without platform.
    assert [entry.is_attestation() for entry in index.manifests or ()] == [False, True, False]


def test_an_image_may_have_no_layers_and_the_same_layer_twice() -> None:
    assert read_image(Image.build([]).manifest, origin="test").layers == ()
    same = layer({"a": "b"})
    assert len(read_image(Image.build([same, same]).manifest, origin="test").layers) == 2


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "not an image manifest"),
        (b"{", "not an image manifest"),
        (b"[]", "not an image manifest"),
        (b'{"schemaVersion": "2"}', "not an image manifest"),
        (b"\xff\xfe", "not an image manifest"),
        (json.dumps({"schemaVersion": 1, "fsLayers": []}).encode(), "schema 1"),
        (json.dumps({"schemaVersion": 2}).encode(), "neither"),
        (_image(manifests=[]), "at once"),
        (_image(mediaType="application/vnd.oci.image.index.v1+json"), "index"),
        (_image(mediaType="application/vnd.cncf.helm.chart"), "helm"),
        (_image(config={"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": DIGEST, "size": 1}), "helm"),
        (_image(artifactType="application/x-thing", config={"mediaType": "x", "digest": DIGEST, "size": 1}), "x-thing"),
        (_image(layers=[{"mediaType": f"{OCI_LAYER}+bzip3", "digest": DIGEST, "size": 1}]), "bzip3"),
        (_image(layers=[{"mediaType": f"{OCI_LAYER}+gzip+encrypted", "digest": DIGEST, "size": 1}]), "encrypted"),
        (_image(layers=[{"mediaType": OCI_LAYER, "digest": "sha256:../../etc/passwd", "size": 1}]), "digest"),
        (_image(layers=[{"mediaType": OCI_LAYER, "digest": "md5:" + "1" * 32, "size": 1}]), "md5"),
        (_image(layers=[{"mediaType": OCI_LAYER, "digest": DIGEST, "size": -1}]), "-1"),
        (_image(layers=[{"mediaType": OCI_LAYER, "digest": DIGEST, "size": 1 << 62}]), "bytes"),
        (_image(layers=[{"mediaType": OCI_LAYER, "digest": DIGEST, "size": 8}]), "two different sizes"),
    ],
)
def test_refused_by_name(data: bytes, word: str) -> None:
    with pytest.raises(Unsupported) as error:
        read_image(data, origin="registry.example/app:1")
    assert word in str(error.value)
    assert "registry.example/app:1" in str(error.value)


@given(
    st.binary(max_size=200)
    | st.text(alphabet='{}[]":,0123456789abcdefghijklmnopqrstuvwxyz', max_size=200).map(str.encode)
)
def test_any_bytes_end_in_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(ImageError):
        read_image(data, origin="test")


def test_foreign_layers_are_layers() -> None:
    for kind, suffix in (
        ("vnd.oci.image.layer.nondistributable.v1.tar", "+gzip"),
        ("vnd.docker.image.rootfs.foreign.diff.tar", ".gzip"),
    ):
        blob = Blob(digest=DIGEST, size=1, media_type=f"application/{kind}{suffix}")
        assert compression(blob.media_type) == "gzip"
        assert is_foreign(blob)
    assert not is_foreign(Blob(digest=DIGEST, size=1, media_type=OCI_LAYER))


def test_the_config_tells_the_platform() -> None:
    image = Image.build([], platform="linux/arm/v6")
    assert str(config_platform(image.config, origin="test")) == "linux/arm/v6"
    for old in (b"{}", b'{"os": "linux"}'):
        assert not config_platform(old, origin="test").architecture
    for bad in (b"[]", b"\xff", b'{"os": 1}'):
        with pytest.raises(Unsupported):
            config_platform(bad, origin="test")


@pytest.mark.parametrize(
    "kind", ["application/octet-stream", "application/json", "application/JSON; charset=utf-8", "text/plain", ""]
)
def test_configs_by_the_names_that_old_builders_gave_them(kind: str) -> None:
    image = read_image(_image(config={"mediaType": kind, "digest": DIGEST, "size": 7}), origin="test")
    assert image.config.digest == DIGEST
    nothing, listed = ConfigFields(), ConfigFields(rootfs=RootFsFields(diff_ids=(DIGEST,)))
    check_layers(listed, image, origin="test")
    with pytest.raises(Unsupported, match="artifact"):  # what an artifact of such a type has
        check_layers(nothing, image, origin="test")
