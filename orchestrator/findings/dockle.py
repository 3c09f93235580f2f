"""Dockle's JSON report (`dockle -f json`): the CIS benchmark for images, and what Dockle adds to it.

    {"image": "…", "summary": {"fatal": 0, "warn": 1, "info": 2, "skip": 0, "pass": 12},
     "details": [{"code": "CIS-DI-0001", "title": "Create a user for the container", "level": "WARN", "alerts": ["…"]}]}

Format: `pkg/report/json.go` of github.com/goodwithtech/dockle. Checks that passed are only counted, so a summary that
counts nothing proves nothing and is refused.
"""

import re

import msgspec

from orchestrator.findings.decoding import by_scanner, decode_json, title
from orchestrator.findings.interface import Report, ReportError
from orchestrator.model import Finding, Severity
from orchestrator.model.places import spell_place

name = "dockle"
kinds: tuple[str, ...] = ("misconfiguration",)

#: A check that Dockle had to skip is one of which nobody knows how it would end.
_SEVERITIES = {
    "FATAL": Severity.HIGH,
    "WARN": Severity.MEDIUM,
    "INFO": Severity.LOW,
    "SKIP": Severity.UNKNOWN,
}
_PASSED, _IGNORED = "PASS", "IGNORE"
_COUNTED = ("fatal", "warn", "info")
# `setuid file: urwxr-xr-x usr/bin/su`, `Suspicious filename found : app/.env (You can suppress it with …)`.
_FILE = re.compile(r"(?:set[ug]id file: \S+|[Ff]ilename found :|[Ff]ile extension found :|unnecessary file :) (\S+)")


class _Summary(msgspec.Struct, frozen=True):
    fatal: int
    warn: int
    info: int
    skip: int = 0
    passed: int = msgspec.field(name="pass", default=0)


class _Detail(msgspec.Struct, frozen=True):
    code: str
    level: str
    title: str = ""
    alerts: list[str] | None = None


class _Report(msgspec.Struct, frozen=True):
    summary: _Summary
    details: list[_Detail] | None = None


def parse(data: bytes) -> Report:
    """Read a report of Dockle; one finding per check that did not pass; its alerts are the places.

    A check is no finding of one file, even where it names but one: with a second file it would be another finding.

    `FATAL` is `high`, `WARN` is `medium`, `INFO` is `low`, and `SKIP` is `unknown`; so is `IGNORE`, which Dockle writes
    in place of the level of a check that it ignored.

    Raises:
        ReportError: it is not whole, no report of Dockle, or no check was made.
    """
    report = decode_json(data, _Report, what="a Dockle report")
    details = report.details or []
    counted = sum(getattr(report.summary, key) for key in _COUNTED)
    if counted and not details:
        raise ReportError(f"the report is damaged: its summary counts {counted} failed checks, but none is in it")
    if not counted and not report.summary.passed and not details:
        raise ReportError("the report of Dockle has no check in it; nothing was looked at")
    return Report(
        scanner=name,
        findings=tuple([_finding(each) for each in details if each.level.upper() != _PASSED]),
    )


def _finding(detail: _Detail) -> Finding:
    alerts = detail.alerts or []
    said = f": {alerts[0]}" if alerts else ""
    more = f" and {len(alerts) - 1} more" if len(alerts) > 1 else ""
    places = dict.fromkeys(spell_place(match[1] if (match := _FILE.search(alert)) else alert) for alert in alerts)
    return Finding(
        id=detail.code,
        kind="misconfiguration",
        severity=_SEVERITIES.get(detail.level.upper(), Severity.UNKNOWN),
        title=title(f"{detail.title or detail.code}{said}{more}"),
        place="\n".join(filter(None, places)),
        suppressed=by_scanner("a check to ignore") if detail.level.upper() == _IGNORED else None,
    )
