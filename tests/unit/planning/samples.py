"""Scans, images and a resolver out of a table, for tests of planning."""

import hashlib
from datetime import UTC, datetime

from orchestrator.config.loading import Config, default_config
from orchestrator.inventory import Entry
from orchestrator.model import Blob, Database, Image, Platform, Scan
from orchestrator.planning import Located

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
AMD64 = Platform()
ARM64 = Platform(architecture="arm64")
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"

CATALOG = {
    scan.name: scan
    for scan in (
        Scan(name="dependency", image="anchore/grype:v0.110.0", command=("grype",), format="grype",
             database=Database(refresh=("grype", "db", "update"))),
        Scan(name="general", image="ghcr.io/aquasecurity/trivy:0.57.0", command=("trivy",), format="trivy"),
        Scan(name="image-lifetime", image="localhost/scanmatrix:1", command=("scanmatrix-step",), format="scanmatrix",
             builtin=True),
        Scan(name="virus", image="docker.io/clamav/clamav:1.4", command=("clamscan",), format="clamav",
             platforms=("linux",), compressions=("gzip", "none")),
    )
}  # fmt: skip


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def image(
    name: str, *, size: int = 1000, platform: Platform = AMD64, layers: tuple[str, ...] = (), kind: str = GZIP
) -> Image:
    """An image whose own layer is of this size; `layers` adds shared ones of 500 bytes each."""
    own = Blob(digest=digest(f"layer of {name}"), size=size, media_type=kind)
    return Image(
        manifest=Blob(digest=digest(name), size=100),
        config=Blob(digest=digest(f"config of {name}"), size=10),
        layers=(*(Blob(digest=digest(layer), size=500, media_type=kind) for layer in layers), own),
        platform=platform,
    )


def located(found: Image, *, size: int | None = None, pull: str = "") -> Located:
    return Located(
        platform=found.platform,
        pull=pull or f"http://cache:5000/{found.manifest.digest[7:15]}",
        image=found,
        size=sum(layer.size for layer in found.layers) if size is None else size,
    )


class Table:
    """A resolver that knows these references, and says of any other that it does not exist."""

    def __init__(self, answers: dict[str, tuple[Located, ...]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, reference: str, *, local: bool) -> tuple[Located, ...]:
        self.asked.append(reference)
        missing = Located(platform=AMD64, error=f"{reference} does not exist")
        return self.answers.get(reference, (missing,))


def entry(reference: str, *scans: str, owner: str = "", **labels: str) -> Entry:
    return Entry(reference=reference, scans=scans, owner=owner, labels=labels, origin="targets.csv:2")


def config(**overrides: object) -> Config:
    return default_config(environment={}, **overrides)
