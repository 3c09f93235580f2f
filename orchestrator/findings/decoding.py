"""What every JSON format shares: bytes to a typed, partial structure, and small helpers for foreign values."""

import codecs
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import msgspec

from orchestrator.findings.interface import ReportError
from orchestrator.kit.json_bounds import JsonBounds, explain
from orchestrator.model import BY_SCANNER, JUSTIFICATIONS, Cvss, Finding, Severity, Suppressed

T = TypeVar("T")

_TITLE_LENGTH = 200
# Real reports have a container every 70 bytes or more and a value every 25 or more, so 100 MB of a real one stay below
# these. Their length is the template's to limit.
_BOUNDS = JsonBounds(most_bytes=1 << 31, most_containers=2_000_000, most_values=8_000_000)

_SEVERITIES = {severity.value: severity for severity in Severity} | {
    "negligible": Severity.INFO,
    "informational": Severity.INFO,
    "minor": Severity.LOW,
    "moderate": Severity.MEDIUM,
    "important": Severity.HIGH,
}
# As most scanners write them.
_SPELT = {spelt: each for word, each in _SEVERITIES.items() for spelt in (word, word.capitalize(), word.upper())}


_BANDS = (
    (9.0, Severity.CRITICAL),
    (7.0, Severity.HIGH),
    (4.0, Severity.MEDIUM),
    (0.1, Severity.LOW),
    (float("-inf"), Severity.NONE),
)
_BANDS_2 = _BANDS[1:]


def check_json(data: bytes) -> bytes:
    """Refuse what cannot be a JSON report at all, each with its own reason.

    Returns:
        The document without a leading UTF-8 byte order mark.

    Raises:
        ReportError: the report is empty, not JSON at its very first character, or made to exhaust memory.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    start = data[:256].lstrip()
    if not start and not data.strip():
        raise ReportError("the report is empty")
    if start and start[:1] not in b"{[":
        shown = start[:40].decode("utf-8", "replace")
        raise ReportError(f"the report is not a JSON document: it begins with {shown!r}")
    if excess := _BOUNDS.excess(data):
        raise ReportError(f"the report {excess}")
    return data


def decode_json(data: bytes, kind: type[T], *, what: str) -> T:
    """Decode a report into a (partial) structure.

    Args:
        data: the report.
        kind: the structure; fields it does not name are skipped without being built.
        what: name of the format, for the message (`a Grype report`).

    Raises:
        ReportError: empty, not JSON, truncated, nested too deeply, or of another shape.
    """
    data = check_json(data)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise ReportError(f"the report is not {what}: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReportError(f"the report {explain(error)}") from error


def severity(word: Any) -> Severity:
    """A foreign word for a severity as ours; any word we do not know, and none at all, is `unknown`.

    Debian's and Grype's `negligible` is `info`; Red Hat's `moderate` and `important` are `medium` and `high`.
    """
    if not isinstance(word, str):
        return Severity.UNKNOWN
    return _SPELT.get(word) or _SEVERITIES.get(word.strip().lower(), Severity.UNKNOWN)


def severity_of(cvss: Cvss | None) -> Severity:
    """The qualitative severity of a base score: CVSS 3.1 section 5; for CVSS 2 the bands of the NVD."""
    if cvss is None:
        return Severity.UNKNOWN
    bands = _BANDS_2 if cvss.version.startswith("2") else _BANDS
    return next(band for least, band in bands if cvss.score >= least)


def title(text: str | None, end: str = "") -> str:
    """The first line of a text, cut to a title's length; `end` (` (line 3)`) is put after it and never cut."""
    line = text.strip() if text else ""
    if "\n" in line:
        line = line.partition("\n")[0].strip()
    most = _TITLE_LENGTH - len(end)
    return (line if len(line) <= most else line[: most - 1] + "…") + end


def other_ids(ids: set[str], own: str) -> tuple[str, ...]:
    """Aliases in the order `Finding.aliases` asks for: sorted, without the finding's own id, blanks left out."""
    ids.discard(own)
    ids.discard("")
    return tuple(sorted(ids))


def by_scanner(by: str, reason: str | None = "", justification: str | None = "") -> Suppressed:
    """What a finding carries that the scanner itself suppressed.

    Args:
        by: what of the scanner's did it (`.trivyignore`, `an ignore rule`); its name is put before it when merging.
        reason: in words; empty when the scanner does not say.
        justification: in VEX's words, which some scanners give as their reason; any other word is put before that.
    """
    said, word = (reason or "").strip(), (justification or "").strip()
    known = next((each.lower() for each in (word, said) if each.lower() in JUSTIFICATIONS), "")
    parts = [part for part in ("" if word.lower() == known else word, said) if part]
    return Suppressed(by=title(by), reason=title(": ".join(parts)), status=BY_SCANNER, justification=known)


def numbered(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings of a scanner that lists each thing once: those that read alike are numbered, so that they stay several.

    Two keys in one line of a file, or one signature in two members of an archive, differ in nothing that is reported.
    """
    seen: dict[tuple[str, ...], int] = {}
    for finding in findings:
        own = finding.kind, finding.id, finding.package, finding.version, finding.location, finding.place
        number = seen[own] = seen.get(own, 0) + 1
        if number == 1:
            yield finding
        else:
            yield msgspec.structs.replace(finding, place=f"{finding.place} ({number})".strip())
