"""Trivy's databases: OCI artifacts of one layer each, read by digest through the cache that there is.

What Trivy does when it downloads them itself (`pkg/oci/artifact.go`, `pkg/db/db.go`): one layer of the right type,
unpacked into `<cache>/db` or `<cache>/java-db`, then the moment put into `metadata.json`.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import msgspec

from orchestrator.databases.download import allowance
from orchestrator.databases.interface import DatabaseRefused, parse_moment, spell
from orchestrator.databases.unpack import unpack
from orchestrator.images.manifests import read_manifest
from orchestrator.images.reference import parse
from orchestrator.images.registry.cache import pull_location
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.tarball.sources import RegistryBlobs
from orchestrator.kit.foreign_json import ForeignJsonError, decode
from orchestrator.model import DatabasePart
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from orchestrator.databases.interface import FetchLimit, Order
    from orchestrator.model import Blob

name = "trivy"


class _Artifact(NamedTuple):
    """One of the two databases.

    Attributes:
        setting: names its repository.
        folder: where Trivy looks for it in its cache.
        layer: media type.
        file: the database in the layer.
    """

    setting: str
    folder: str
    layer: str
    file: str


_ARTIFACTS = (
    _Artifact("repository", "db", "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip", "trivy.db"),
    _Artifact("java_repository", "java-db", "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip", "trivy-java.db"),
)
_BY_NAME = {artifact.folder: artifact for artifact in _ARTIFACTS}
_METADATA = "metadata.json"
_METADATA_LIMIT = 1024 * 1024


class _Metadata(msgspec.Struct, rename="pascal"):
    """`metadata.json`, of both databases (trivy-db, pkg/metadata)."""

    version: int = 0
    next_update: str = ""
    updated_at: str = ""
    downloaded_at: str = ""


def offers(order: Order) -> Sequence[DatabasePart]:
    """The artifacts as their tags stand now.

    Raises:
        DatabaseRefused: one is no database of Trivy.
        ImageError: a registry cannot be read.
    """
    with closing(_client(order)) as client:
        return [_offer(order, artifact, client) for artifact in _ARTIFACTS if order.settings.get(artifact.setting)]


def fetch(order: Order, part: DatabasePart) -> DatabasePart:
    """One artifact's files where Trivy looks for them.

    Raises:
        DatabaseRefused: it does not hold what it should.
        ImageError: the registry cannot be read, or serves other bytes than it promised.
    """
    artifact = _BY_NAME[part.name]
    location, _ = _location(order, artifact)
    archive = order.folder / f".{artifact.folder}.tar.gz"
    with closing(_client(order)) as client:
        manifest = client.manifest(location, part.digest, allowance=allowance(order)).data
        layer = _layer(manifest, artifact, part.origin, order.limit)
        with archive.open("xb") as file:
            RegistryBlobs(client, location).fetch(layer, _Sink(file, order.watch))
    folder = order.folder / artifact.folder
    wanted = {artifact.file: folder / artifact.file, _METADATA: folder / _METADATA}
    # Writable by its owner: Trivy before 0.68 opens it for writing. In the cluster cells mount it read-only.
    unpack(archive, wanted, limit=order.limit, origin=part.origin, watch=order.watch)
    archive.unlink()
    metadata = _stamp(folder / _METADATA, order, part.origin)
    files = tuple(f"{artifact.folder}/{each}" for each in wanted)
    built = parse_moment(metadata.updated_at, origin=f"{part.origin}: {_METADATA}")
    return msgspec.structs.replace(part, built=built, version=str(metadata.version), files=files)


def _client(order: Order) -> RegistryClient:
    return RegistryClient(order.insecure, order.retries, caches=order.caches)


def _location(order: Order, artifact: _Artifact) -> tuple[str, str]:
    """Where its repository is read, and under which tag or digest."""
    reference = parse(order.settings[artifact.setting])
    return pull_location(reference, order.caches, order.insecure), reference.digest or reference.tag


def _offer(order: Order, artifact: _Artifact, client: RegistryClient) -> DatabasePart:
    location, wanted = _location(order, artifact)
    origin = str(parse(order.settings[artifact.setting]))
    order.watch.check()
    manifest = client.manifest(location, wanted, allowance=allowance(order))
    _layer(manifest.data, artifact, origin, order.limit)
    return DatabasePart(name=artifact.folder, origin=origin, digest=manifest.digest)


def _layer(manifest: bytes, artifact: _Artifact, origin: str, limit: int) -> Blob:
    """The one layer of an artifact."""
    layers = read_manifest(manifest, origin=origin).layers or ()
    if len(layers) != 1 or layers[0].media_type != artifact.layer:
        found = ", ".join(layer.media_type[:80] for layer in layers[:3]) or "none"
        raise DatabaseRefused(f"{origin}: holds layers of type {found}, where one of {artifact.layer} belongs")
    layer = layers[0].blob(origin)
    if layer.size > limit:
        raise DatabaseRefused(f"{origin}: its layer of {layer.size} bytes exceeds the limit of {limit}")
    return layer


def _stamp(path: Path, order: Order, origin: str) -> _Metadata:
    """Say in the metadata when it was downloaded, as Trivy does itself."""
    if path.stat().st_size > _METADATA_LIMIT:
        raise DatabaseRefused(f"{origin}: {_METADATA} is larger than any of Trivy's")
    try:
        metadata = decode(path.read_bytes(), _Metadata, origin=f"{origin}: {_METADATA}")
    except ForeignJsonError as error:
        raise DatabaseRefused(str(error)) from error
    metadata.downloaded_at = spell(order.now)
    write_atomic(path, msgspec.json.encode(metadata), mode=0o444)
    return metadata


class _Sink:
    """Where a layer's bytes go; ends the transfer when time is up."""

    def __init__(self, file: BinaryIO, watch: FetchLimit) -> None:
        self._file, self._watch = file, watch

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Put bytes at an offset."""
        self._watch.check()
        self._file.seek(offset)
        self._file.write(data)
