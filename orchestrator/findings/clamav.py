"""The log of clamscan and clamdscan: one line per file, then a summary.

    /usr/bin/x: Eicar-Test-Signature FOUND
    ----------- SCAN SUMMARY -----------
    Engine version: 1.2.2
    Infected files: 1

The log is believed only when it is whole and says that everything was read: it must end in a summary whose number of
infected files matches its lines, of at least one scanned file, and it must name no error and no exceeded limit. Where
something was found and the log cannot be believed otherwise, the reason names what was found.
"""

import re

from orchestrator.findings.decoding import numbered
from orchestrator.findings.interface import Report, ReportError
from orchestrator.model import Finding, Severity
from orchestrator.model.places import spell_place

name = "clamav"
kinds: tuple[str, ...] = ("malware",)

_SUMMARY = re.compile(r"^-+ SCAN SUMMARY -+\s*$", re.MULTILINE)
_FIELD = re.compile(r"^([A-Z][a-z]+ [a-z]+): *(.*?) *$", re.MULTILINE)
_NUMBER = re.compile(r"[0-9]{1,15}")
_FOUND = re.compile(r"^(?P<path>.*): (?P<signature>[^:\s]\S*) FOUND$")
# `Signature(md5:size)`: detail that `--debug` and `ExtendedDetectionInfo` add.
_DETAIL = re.compile(r"\([0-9a-fA-F]{32,64}:\d+\)$")
# `--archive-verbose`: `a.zip!inner.zip!(2)eicar.com`; the number says how deep it lies.
_MEMBER = re.compile(r"(?P<file>[^!]+)!(?P<outer>[^(]*)\(\d{1,9}\)(?P<member>.+)")
_LIMITS = "Heuristics.Limits.Exceeded"
_TROUBLE = re.compile(r" ERROR$|^ERROR: |^LibClamAV Error: |^WARNING: .*Can't (?:open|access|read)")
_SHOWN = 3
_MOST_LINES = 2_000_000


def parse(data: bytes) -> Report:
    """Read a log of ClamAV; one finding per infected file and signature, each `critical`: ClamAV rates none.

    Members of an archive are places within it. What one scan tells of a file twice is in two members of it, which only
    `--archive-verbose` names.

    Raises:
        ReportError: the log is empty, cut off or inconsistent, or something could not be scanned.
    """
    # Paths of files may be any bytes; those that are not UTF-8 are shown escaped, so that distinct ones stay so.
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    if not text.strip():
        raise ReportError("the report is empty")
    if text.count("\n") > _MOST_LINES:
        raise ReportError(f"the report has more than {_MOST_LINES:,} lines")
    summaries = list(_SUMMARY.finditer(text))
    if not summaries:
        raise ReportError("the report is truncated, or not a ClamAV log: it has no scan summary")
    sections, fields = _split(text, [match.span() for match in summaries])
    found = [[each for line in lines if (each := _finding(line)) is not None] for lines in sections]
    _believe([line for lines in sections for line in lines], fields, tuple(each for some in found for each in some))
    findings = dict.fromkeys(each for some in found for each in numbered(_opened(some)))
    return Report(
        scanner=name,
        scanner_version=fields[-1].get("Engine version", ""),
        findings=tuple(finding for finding in findings if not finding.id.startswith(_LIMITS)),
    )


def _split(text: str, spans: list[tuple[int, int]]) -> tuple[list[list[str]], list[dict[str, str]]]:
    """The lines about files and the fields of each summary, scan by scan; a log that was appended to has several."""
    sections: list[list[str]] = []
    fields: list[dict[str, str]] = []
    begin = 0
    for index, (start, end) in enumerate(spans):
        sections.append(text[begin:start].split("\n"))
        following = spans[index + 1][0] if index + 1 < len(spans) else len(text)
        # A summary ends at the first blank line after it, or with the text.
        blank = text.find("\n\n", end, following)
        begin = following if blank < 0 else blank
        fields.append(dict(_FIELD.findall(text[end:begin])))
    rest = text[begin:].split("\n")
    if any(_finding(line) is not None or line.endswith(": OK") for line in rest):
        raise ReportError("the report is truncated: its last scan has no summary")
    return [*sections, rest], fields


def _opened(found: list[Finding]) -> list[Finding]:
    """What one scan tells; of an archive as a whole only where it tells nothing of its members."""
    opened = {(finding.id, finding.location) for finding in found if finding.place}
    return [finding for finding in found if finding.place or (finding.id, finding.location) not in opened]


def _finding(line: str) -> Finding | None:
    match = _FOUND.match(line)
    if match is None:
        return None
    signature = _DETAIL.sub("", match["signature"])
    path, place = match["path"], ""
    if member := _MEMBER.fullmatch(path):
        path, place = member["file"], spell_place(f"{member['outer']}{member['member']}")
    return Finding(
        id=signature, kind="malware", severity=Severity.CRITICAL, title=signature, location=path, place=place
    )


def _believe(lines: list[str], fields: list[dict[str, str]], findings: tuple[Finding, ...]) -> None:
    """Refuse a log that does not prove that everything was scanned."""
    infected = _sum(fields, "Infected files")
    if infected is None:
        raise ReportError(f"the report is truncated: its summary has no number of infected files{_also(findings)}")
    if infected > len(findings):
        raise ReportError(
            f"the report is damaged: its summary counts {infected} infected files, its lines {len(findings)}"
        )
    limits = sum(finding.id.startswith(_LIMITS) for finding in findings)
    if limits:
        raise ReportError(f"ClamAV left out {limits} files that exceed its limits; raise the limits{_also(findings)}")
    trouble = [line for line in lines if _TROUBLE.search(line)]
    errors = _sum(fields, "Total errors") or len(trouble)
    if errors:
        shown = f" ({trouble[0][:200]})" if trouble else ""
        raise ReportError(f"ClamAV met {errors} errors, so not everything was scanned{shown}{_also(findings)}")
    if _sum(fields, "Known viruses") == 0:
        raise ReportError("ClamAV knew no signature at all; refresh its database")
    if _sum(fields, "Scanned files") == 0 and not findings:
        raise ReportError("ClamAV scanned no file at all")


def _sum(fields: list[dict[str, str]], key: str) -> int | None:
    """A number summed over all summaries; None when one of them lacks it."""
    values = [each.get(key, "") for each in fields]
    return sum(map(int, values)) if all(map(_NUMBER.fullmatch, values)) else None


def _also(findings: tuple[Finding, ...]) -> str:
    """What was found before the trouble, so that it is not lost with the report."""
    found = [f"{each.id} in {each.location}" for each in findings if not each.id.startswith(_LIMITS)]
    if not found:
        return ""
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"; it found {', '.join(found[:_SHOWN])}{more}"
