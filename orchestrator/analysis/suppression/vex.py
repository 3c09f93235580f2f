"""VEX documents of either format, distinguished by content."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from orchestrator.analysis.suppression import cyclonedx_vex, openvex
from orchestrator.analysis.suppression.vex_document import VexDocument
from orchestrator.kit.sources import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.config.loading import Config

MAX_BYTES = 32 * 1024 * 1024
"""Most bytes of one document."""

_WANTED = "write OpenVEX as JSON, or CycloneDX VEX"
_MAGIC = re.compile(r"[*?[]")


def is_vex(data: bytes) -> bool:
    """Whether a file is meant to be a VEX document: JSON that says so, or XML."""
    if _is_xml(data):
        return True
    try:
        found = msgspec.json.decode(_without_mark(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(found, dict) and bool({"@context", "bomFormat", "document", "predicateType"} & found.keys())


def parse(data: bytes, file: str) -> VexDocument:
    """Read a VEX document.

    Args:
        data: the file's content.
        file: as the user named it.

    Returns:
        Its statements, or every mistake in it.
    """
    if len(data) > MAX_BYTES:
        return _refused(file, f"is larger than {MAX_BYTES // 1024**2} MiB; split it")
    if _is_xml(data):
        return _parse_xml(data, file)
    try:
        found = msgspec.json.decode(_without_mark(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _refused(file, f"is not JSON: {error}; {_WANTED}")
    match found:
        case {"@context": context} if "openvex" in str(context):
            return openvex.read(found, file)
        case {"bomFormat": "CycloneDX"}:
            return cyclonedx_vex.read(found, file)
    return _refused(file, f"{_other(found)}; {_WANTED}")


def _parse_xml(data: bytes, file: str) -> VexDocument:
    """A CycloneDX document in XML."""
    from orchestrator.findings.cyclonedx_xml import to_json  # noqa: PLC0415 - on first use
    from orchestrator.findings.interface import ReportError  # noqa: PLC0415 - likewise

    try:
        found = to_json(data)
    except ReportError as error:
        return _refused(file, f"{error}; {_WANTED}")
    return cyclonedx_vex.read(found, file)


def paths(config: Config) -> tuple[list[tuple[str, Path]], list[Problem]]:
    """The configured documents, each as users know it and where it lies, globs expanded; and what leads nowhere."""
    found: dict[str, Path] = {}
    problems = []
    for index, written in enumerate(config.suppression.vex):
        path = Path(written).expanduser()
        if _MAGIC.search(written):
            matched = [Path(each) for each in glob.glob(str(path), root_dir=config.base, recursive=True)]  # noqa: PTH207
            files = sorted(each for each in matched if (config.base / each).is_file())
        else:
            files = [path] if (config.base / path).is_file() else []
        if not files:
            problems.append(config.wrong(("suppression", "vex", index), f"there is no file {written!r}"))
        found |= {str(each): config.base / each for each in files}
    return list(found.items()), problems


def read_all(config: Config) -> list[VexDocument]:
    """Every configured document; of several versions of one, the highest."""
    files, problems = paths(config)
    documents = [VexDocument(config.file, problems=problems)] if problems else []
    for name, path in files:
        try:
            documents.append(parse(path.read_bytes(), name))
        except OSError as error:
            documents.append(_refused(name, f"cannot be read: {error.strerror}"))
    return _newest(documents)


def _newest(documents: Iterable[VexDocument]) -> list[VexDocument]:
    """Without those that a higher version of the same document replaces; what is wrong with them still counts."""
    documents = list(documents)
    highest: dict[str, int] = {}
    for each in documents:
        if each.id:
            highest[each.id] = max(each.version, highest.get(each.id, each.version))
    for each in documents:
        if each.id and each.version < highest[each.id]:
            each.statements.clear()
            each.notes = [f"{each.source}: version {each.version} is replaced by version {highest[each.id]}"]
    return documents


def _other(found: object) -> str:
    """What a document is instead."""
    match found:
        case {"document": {"csaf_version": _}}:
            return "is a CSAF document; convert it, for instance with `vexctl`"
        case {"predicateType": _} | {"payloadType": _}:
            return "is an attestation; take the VEX document out of it"
    return "is not a VEX document: it has neither OpenVEX's `@context` nor the `bomFormat` of CycloneDX"


def _refused(file: str, message: str) -> VexDocument:
    return VexDocument(file, problems=[Problem(file, 0, message)])


def _without_mark(data: bytes) -> bytes:
    return data.removeprefix(b"\xef\xbb\xbf")


def _is_xml(data: bytes) -> bool:
    return _without_mark(data[:256]).lstrip().startswith(b"<")
