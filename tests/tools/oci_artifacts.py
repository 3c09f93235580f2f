"""What registries and archives hold beside images, as cosign, Helm, ORAS, BuildKit and Notation write it."""

import json
from collections.abc import Sequence
from typing import Any

from tests.tools.images import Image, Index
from tests.tools.layers import MEDIA_TYPES, Layer, layer, sha256

OCI_CONFIG = MEDIA_TYPES["oci"]["config"]
TAR = MEDIA_TYPES["oci"]["layer"]
EMPTY = "application/vnd.oci.empty.v1+json"


def artifact(
    *layers: tuple[str, bytes],
    config_type: str = OCI_CONFIG,
    config: bytes = b"{}",
    media_type: str | None = MEDIA_TYPES["oci"]["manifest"],
    **more: Any,
) -> Image:
    """A manifest of anything: its layers by media type and content; `more` are further members of it."""
    manifest = {
        "schemaVersion": 2,
        **({"mediaType": media_type} if media_type else {}),
        "config": {"mediaType": config_type, "digest": sha256(config), "size": len(config)},
        "layers": [{"mediaType": kind, "digest": sha256(data), "size": len(data)} for kind, data in layers],
    }
    held = tuple(Layer(data, data, "none") for _, data in layers)
    return Image(json.dumps(manifest | more).encode(), config, held, {}, media_type or MEDIA_TYPES["oci"]["manifest"])


def config_of(*layers: bytes, **more: Any) -> bytes:
    """A config that lists these layers, as an image's does; cosign's and BuildKit's do so too."""
    return json.dumps({"rootfs": {"type": "layers", "diff_ids": [sha256(each) for each in layers]}, **more}).encode()


def bare(image: Image, **more: Any) -> dict[str, Any]:
    """Its descriptor in an index, without platform."""
    found = {"mediaType": image.media_type, "digest": image.digest, "size": len(image.manifest)}
    return found | more


def beside(image: Image, *others: Image, **more: Any) -> Index:
    """An index of an image and of artifacts that state no platform."""
    index = Index.build([image], extra=[bare(each, **more) for each in others])
    return Index(index.manifest, (image, *others), index.media_type)


def cosigned(kind: str, data: bytes) -> Image:
    """As cosign attaches something: the config claims to be an image's, of no platform."""
    return artifact((kind, data), config=config_of(data, architecture="", os="", config={}))


_SIGNED = json.dumps({"critical": {"type": "cosign container image signature"}, "optional": None}).encode()
_STATEMENT = json.dumps({"_type": "https://in-toto.io/Statement/v0.1", "predicate": {"x": "y" * 600}}).encode()
_CHART = layer({"app/Chart.yaml": "name: app\n"}).blob

SIGNATURE = cosigned("application/vnd.dev.cosign.simplesigning.v1+json", _SIGNED)
ATTESTATION = cosigned("application/vnd.dsse.envelope.v1+json", _STATEMENT)
SBOM = cosigned("text/spdx", b"SPDXVersion: SPDX-2.3\n" * 50)
IN_TOTO = artifact(
    ("application/vnd.in-toto+json", _STATEMENT),
    config=config_of(_STATEMENT, architecture="unknown", os="unknown", config={}),
)
CHART = artifact(
    ("application/vnd.cncf.helm.chart.content.v1.tar+gzip", _CHART),
    config_type="application/vnd.cncf.helm.config.v1+json",
    config=json.dumps({"name": "app", "version": "1.0.0", "apiVersion": "v2"}).encode(),
    media_type=None,  # Helm leaves it out
)
ORAS = artifact(  # `oras push` calls files without a type so
    ("application/vnd.oci.image.layer.v1.tar", b"hello\n"),
    ("application/vnd.oci.image.layer.v1.tar+gzip", _CHART),
    config_type="application/vnd.unknown.config.v1+json",
)
ORAS_REFERRER = artifact(
    ("application/spdx+json", b'{"spdxVersion": "SPDX-2.3"}'),
    config_type=EMPTY,
    artifactType="application/spdx+json",
    subject={"mediaType": MEDIA_TYPES["oci"]["manifest"], "digest": sha256(b"image"), "size": 5},
)
NOTATION = artifact(("application/jose+json", b'{"payload": ""}'), config_type="application/vnd.cncf.notary.signature")
OLD_ORAS = artifact(  # `--config /dev/null:…`
    ("application/vnd.example.model", b"weights"), config_type="application/vnd.example.config", config=b""
)

#: All of them by name.
ARTIFACTS = {
    "cosign's signature": SIGNATURE,
    "cosign's attestation": ATTESTATION,
    "cosign's sbom": SBOM,
    "buildkit's attestation": IN_TOTO,
    "helm's chart": CHART,
    "files of oras": ORAS,
    "a referrer of oras": ORAS_REFERRER,
    "notation's signature": NOTATION,
    "files of an old oras": OLD_ORAS,
}


def save(image: Image, *others: Image, annotations: Sequence[str] = ()) -> Index:
    """The index.json of `cosign save`: an image, and what is signed about it, distinguished by annotations."""
    kinds = ("dev.cosignproject.cosign/image", *annotations, *["dev.cosignproject.cosign/sigs"] * len(others))
    entries = [bare(each, annotations={"kind": kind}) for each, kind in zip((image, *others), kinds, strict=False)]
    index = Index.build([], extra=entries)
    return Index(index.manifest, (image, *others), index.media_type)
