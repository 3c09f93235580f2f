"""Dockle's reports."""

import json

import pytest

from orchestrator.findings.dockle import parse
from orchestrator.findings.interface import ReportError
from orchestrator.model import Severity


def _report(*details, **summary):
    counts = {"fatal": 0, "warn": 0, "info": 0, "skip": 0, "pass": 12} | summary
    return json.dumps({"summary": counts, "details": list(details)}).encode()


def _detail(level, code="CIS-DI-0001", alerts=("Last user should not be root",)):
    return {"code": code, "title": "Create a user", "level": level, "alerts": list(alerts)}


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        ("FATAL", Severity.HIGH),
        ("WARN", Severity.MEDIUM),
        ("INFO", Severity.LOW),
        ("SKIP", Severity.UNKNOWN),
        ("NEW", Severity.UNKNOWN),
    ],
)
def test_levels(level, severity):
    (finding,) = parse(_report(_detail(level))).findings
    assert (finding.id, finding.kind, finding.severity) == ("CIS-DI-0001", "misconfiguration", severity)


def test_what_passed_is_no_finding_and_what_is_ignored_is_suppressed():
    report = parse(_report(_detail("PASS"), _detail("IGNORE"), _detail("WARN")))
    assert [each.suppressed is not None for each in report.findings] == [True, False]
    assert report.unsuppressed == 1


def test_a_clean_image():
    assert parse(_report()).findings == ()
    assert (
        parse(
            b'{"image": "a:1", "summary": {"fatal":0,"warn":0,"info":0,"skip":0,"pass":16}, "details": null}'
        ).findings
        == ()
    )


def test_alerts_are_one_finding_and_counted():
    (finding,) = parse(_report(_detail("INFO", alerts=("a", "b", "c")))).findings
    assert "a" in finding.title
    assert "2 more" in finding.title


@pytest.mark.parametrize(
    ("alerts", "place"),
    [
        (["setuid file: urwxr-xr-x usr/bin/su"], "usr/bin/su"),
        (["Suspicious filename found : app/.env (You can suppress it with --accept-file)"], "app/.env"),
        (["unnecessary file : app/node_modules"], "app/node_modules"),
        (["setuid file: urwxr-xr-x usr/bin/su", "setgid file: grwxr-xr-x usr/bin/wall"], "usr/bin/su\nusr/bin/wall"),
        (["Last user should not be root", "setuid file: x a", "setuid file: x a"], "Last user should not be root\na"),
        ([], ""),
    ],
)
def test_files_and_alerts_are_places_and_never_part_of_the_key(alerts, place):
    (finding,) = parse(_report(_detail("INFO", alerts=alerts))).findings
    assert (finding.location, finding.place) == ("", place)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"summary": {}},
        {"details": []},
        {"summary": {"fatal": 0, "warn": 0, "info": 0, "skip": 0, "pass": 0}, "details": []},
        {"summary": {"fatal": 1, "warn": 0, "info": 0, "skip": 0, "pass": 3}, "details": []},
        {"summary": {"fatal": 0, "warn": 1, "info": 0, "skip": 0, "pass": 3}, "details": None},
        {"summary": {"fatal": 0, "warn": 1, "info": 0, "pass": 3}, "details": [{"code": "a"}]},
    ],
)
def test_what_proves_no_check_is_refused(document):
    with pytest.raises(ReportError):
        parse(json.dumps(document).encode())
