"""The project's own report format, `scanmatrix/1`: what the built-in scans write, and any scanner may.

    {"format": "scanmatrix/1",
     "scanner": {"name": "root-user", "version": "0.1.0", "database": ""},
     "findings": [{"id": "root-user", "kind": "check", "severity": "medium", "title": "Runs as root"}]}

A finding holds the fields of `orchestrator.model.Finding`; `id` and `kind` are required, fields that have their
default are left out, and a field it does not know is refused, so that a misspelt one is never silently lost.
`"findings": []` is how a scan says that it looked and found nothing; a report without `findings` is damaged.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from orchestrator.findings.decoding import decode_json
from orchestrator.findings.interface import Report, ReportError
from orchestrator.model import KINDS, Document, Finding

name = "scanmatrix"
kinds: tuple[str, ...] = KINDS

FORMAT: Literal["scanmatrix/1"] = "scanmatrix/1"


class _Scanner(Document, frozen=True):
    """Who wrote the report; `database` is the build time or version of what it knew."""

    name: str
    version: str = ""
    database: str = ""


class _Document(Document, frozen=True):
    """The whole report."""

    format: Literal["scanmatrix/1"]
    scanner: _Scanner
    findings: tuple[Finding, ...]


def encode_report(scanner: str, version: str, findings: Iterable[Finding], *, database: str = "") -> bytes:
    """Write a report of this format.

    Args:
        scanner: the scanner's name, lower-case; must not be empty.
        version: the scanner's version.
        findings: what it found; none is a clean result.
        database: build time or version of the data it compared with, where there is such.
    """
    document = _Document(
        format=FORMAT,
        scanner=_Scanner(name=scanner, version=version, database=database),
        findings=tuple(findings),
    )
    return msgspec.json.encode(document) + b"\n"


def parse(data: bytes) -> Report:
    """Read a report of this format.

    Raises:
        ReportError: it is not a whole report of this format and version.
    """
    document = decode_json(data, _Document, what=f"a {FORMAT} report")
    if not document.scanner.name:
        raise ReportError("the report does not say which scanner wrote it")
    return Report(
        scanner=document.scanner.name,
        scanner_version=document.scanner.version,
        database_version=document.scanner.database,
        findings=document.findings,
    )
