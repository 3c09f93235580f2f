"""Syft's own JSON: what an image holds, for scanners that look for vulnerabilities in it. It has no findings itself.

https://github.com/anchore/syft/tree/main/schema/json (16.x). Syft's CycloneDX leaves out which files belong to which
package, by which Grype drops a package that another one brought; so Grype is given this.
"""

from __future__ import annotations

from typing import Any

import msgspec

from orchestrator.findings.catalogued import Catalogued, types_of
from orchestrator.findings.decoding import decode_json
from orchestrator.findings.interface import Report, ReportError

name = "syft"
kinds: tuple[str, ...] = ()

#: What Grype looks at the files of: it ignores what an APK brings where its distribution says so.
_BY_FILES = "apk-"
#: Cataloguers that try every program to see whether it is theirs: that it is none is no trouble.
_TRY_ALL = ("file-", "binary", "executable")


class _Descriptor(msgspec.Struct):
    name: str
    version: str


class _Artifact(msgspec.Struct):
    name: str
    version: str = ""
    purl: str = ""


class _Location(msgspec.Struct):
    path: str = ""


class _File(msgspec.Struct):
    location: _Location = msgspec.field(default_factory=_Location)
    unknowns: tuple[str, ...] = ()


class _ImageMetadata(msgspec.Struct, rename="camel"):
    manifest_digest: str = ""


class _SourceOfIt(msgspec.Struct):
    type: str = ""
    metadata: _ImageMetadata | str | None = None


class _Document(msgspec.Struct):
    artifacts: list[_Artifact]
    descriptor: _Descriptor
    relationships: list[dict[str, Any]] | None = msgspec.field(default=None, name="artifactRelationships")
    source: _SourceOfIt = msgspec.field(default_factory=_SourceOfIt)
    files: list[_File] | None = None


def parse(data: bytes) -> Report:
    """Read Syft's own JSON.

    Raises:
        ReportError: it is not a whole document of Syft's.
    """
    document = _read(data)
    return Report(scanner="syft", scanner_version=document.descriptor.version.removeprefix("v"))


def catalogued(data: bytes) -> Catalogued:
    """What it lists, in short; see `orchestrator.findings.catalogued`.

    Raises:
        ReportError: it is not a whole document of Syft's.
    """
    document = _read(data)
    metadata = document.source.metadata
    return Catalogued(
        cataloguer=f"syft {document.descriptor.version.removeprefix('v')}",
        image=metadata.manifest_digest if isinstance(metadata, _ImageMetadata) else "",
        types=types_of(artifact.purl for artifact in document.artifacts),
        gaps=tuple(_gaps(document)),
    )


def for_matching(data: bytes) -> bytes:
    """What Grype reads of it: a list of files, and what lies in which of them, is most of a document, and not needed.

    Grype 0.110.0 looks at packages, how they overlap, the distribution and the source (`syft_sbom_provider.go`), and of
    packages at the files of APKs alone (`package.go`); `tests/integration/sboms` compares what it finds.

    Raises:
        ReportError: it is not a whole document of Syft's.
    """
    _read(data)
    whole = decode_json(data, dict[str, Any], what="Syft's own JSON")
    packages = {str(each.get("id")) for each in whole["artifacts"]}
    for artifact in whole["artifacts"]:
        metadata = artifact.get("metadata")
        if isinstance(metadata, dict) and not str(artifact.get("metadataType")).startswith(_BY_FILES):
            metadata.pop("files", None)
    between = [
        each
        for each in whole.get("artifactRelationships") or ()
        if {str(each.get("parent")), str(each.get("child"))} <= packages
    ]
    return msgspec.json.encode(whole | {"files": [], "artifactRelationships": between})


def _read(data: bytes) -> _Document:
    document = decode_json(data, _Document, what="Syft's own JSON")
    if document.descriptor.name != "syft":
        raise ReportError(f"the report is not Syft's own JSON: {document.descriptor.name[:80]!r} wrote it")
    return document


def _gaps(document: _Document) -> list[str]:
    """What Syft says it could not read, and packages that nothing can be looked up by."""
    found = [
        f"{file.location.path[:200]}: {unknown[:200]}"
        for file in document.files or ()
        for unknown in file.unknowns
        if not any(word in unknown.partition(":")[0] for word in _TRY_ALL)
    ]
    found += [
        f"package {artifact.name[:200]} has no version"
        for artifact in document.artifacts
        if artifact.version in {"", "UNKNOWN"}
    ]
    return found
