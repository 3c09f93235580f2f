"""OpenSSF Scorecard's JSON (`--format json`), versions 4 and 5: a score from 0 to 10 for each check, and one of all.

    {"repo": {"name": …, "commit": …}, "scorecard": {"version": "v5.1.1"}, "score": 6.2, "checks": [
      {"name": "Token-Permissions", "score": 0, "reason": "…", "details": ["Warn: …"], "documentation": {…}}]}

Format: `pkg/scorecard/json.v2.schema` of github.com/ossf/scorecard. A score of -1 says that nobody can tell.
"""

from __future__ import annotations

import msgspec

from orchestrator.findings.decoding import decode_json, title
from orchestrator.findings.interface import Report, ReportError
from orchestrator.model import Finding, Severity
from orchestrator.model.places import spell_place

name = "scorecard"
kinds: tuple[str, ...] = ("check",)

#: Id of the finding that holds the score of all checks.
TOTAL = "Score"

#: The risk of what a check looks for, as `docs/checks.md` of Scorecard 5 states it.
_RISKS = {
    Severity.CRITICAL: ("Dangerous-Workflow", "Webhooks"),
    Severity.HIGH: (
        "Binary-Artifacts", "Branch-Protection", "Code-Review", "Dependency-Update-Tool", "Maintained",
        "Signed-Releases", "Token-Permissions", "Vulnerabilities",
    ),
    Severity.MEDIUM: ("Fuzzing", "Packaging", "Pinned-Dependencies", "SAST", "SBOM", "Security-Policy"),
    Severity.LOW: ("CI-Tests", "CII-Best-Practices", "Contributors", "License"),
}  # fmt: skip
_RISK = {check: severity for severity, checks in _RISKS.items() for check in checks}
_BEST, _GOOD, _NOBODY_KNOWS = 10, 8, -1


class _Check(msgspec.Struct, frozen=True):
    name: str
    score: int
    reason: str = ""
    details: list[str] | None = None


class _Scorecard(msgspec.Struct, frozen=True):
    version: str = ""


class _Repo(msgspec.Struct, frozen=True):
    name: str = ""
    commit: str = ""


class _Report(msgspec.Struct, frozen=True):
    repo: _Repo
    score: float
    checks: list[_Check] | None
    scorecard: _Scorecard = _Scorecard()


def parse(data: bytes) -> Report:
    """Read a report of Scorecard: a finding for each check, and one for the score of all.

    A check has the severity of its risk; from 8 points on at most `low`, with all 10 `none`, and `unknown` where
    Scorecard could not tell.

    Raises:
        ReportError: it is not whole, no report of Scorecard, or no check was run.
    """
    report = decode_json(data, _Report, what="a Scorecard report")
    if not report.checks:
        raise ReportError("the report of Scorecard has no check in it; nothing was looked at")
    wrong = [check.name for check in report.checks if not _NOBODY_KNOWS <= check.score <= _BEST]
    if wrong:
        raise ReportError(f"the report is damaged: the score of {wrong[0][:100]!r} is not one from 0 to 10")
    total = "no check could be decided" if report.score < 0 else f"{report.score:g}/10 in all"
    return Report(
        scanner=name,
        scanner_version=report.scorecard.version.removeprefix("v"),
        findings=(
            Finding(id=TOTAL, kind="check", severity=Severity.NONE, title=total),
            *(_finding(check) for check in report.checks),
        ),
    )


def _finding(check: _Check) -> Finding:
    points = "undecided" if check.score == _NOBODY_KNOWS else f"{check.score}/10"
    warning = next((line for line in check.details or () if line.startswith("Warn: ")), "")
    return Finding(
        id=check.name,
        kind="check",
        severity=_severity(check),
        title=title(f"{points}: {check.reason}"),
        # A warning names file and line: it moves, and is no part of what the check is about, the whole repository.
        place=spell_place(warning.removeprefix("Warn: ")),
    )


def _severity(check: _Check) -> Severity:
    if check.score == _NOBODY_KNOWS:
        return Severity.UNKNOWN
    if check.score == _BEST:
        return Severity.NONE
    risk = _RISK.get(check.name, Severity.UNKNOWN)
    return Severity.LOW if check.score >= _GOOD else risk
