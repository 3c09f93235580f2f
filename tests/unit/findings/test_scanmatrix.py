"""The project's own report format: what is written is read back, and nothing doubtful passes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.findings import scanmatrix
from orchestrator.findings.interface import ReportError
from orchestrator.kit.text import is_blank
from orchestrator.model import Cvss, Finding, Severity

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
FINDINGS = st.builds(
    Finding,
    id=TEXT.filter(lambda text: not is_blank(text)),
    kind=st.sampled_from(["check", "vulnerability", "malware"]),
    severity=st.sampled_from(Severity),
    aliases=st.lists(TEXT, max_size=3).map(tuple),
    title=TEXT,
    package=TEXT,
    location=TEXT,
    cvss=st.none() | st.builds(Cvss, score=st.floats(0, 10), version=TEXT),
)


@given(st.lists(FINDINGS, max_size=5), TEXT.filter(bool), TEXT)
def test_what_is_written_is_read_back(findings, scanner, version):
    report = scanmatrix.parse(scanmatrix.encode_report(scanner, version, findings, database="2025-01-01"))
    assert report.findings == tuple(findings)
    assert (report.scanner, report.scanner_version, report.database_version) == (scanner, version, "2025-01-01")


def _document(**changes):
    whole = {"format": "scanmatrix/1", "scanner": {"name": "a"}, "findings": []}
    return json.dumps({key: value for key, value in (whole | changes).items() if value is not None}).encode()


def test_no_findings_is_a_clean_result():
    assert scanmatrix.parse(_document()).findings == ()


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[]",
        _document(findings=None),
        _document(scanner=None),
        _document(scanner={"name": ""}),
        _document(format="scanmatrix/2"),
        _document(format=None),
        _document(findings=[{"id": "a"}]),
        _document(findings=[{"id": "a", "kind": "check", "severity": "Terrible"}]),
        _document(findings=[{"id": "a", "kind": "check", "sevrity": "low"}]),
        _document()[:-1],
    ],
)
def test_doubtful_reports_are_refused(data):
    with pytest.raises(ReportError):
        scanmatrix.parse(data)
