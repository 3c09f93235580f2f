"""OpenSSF Scorecard's reports."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.findings import formats
from orchestrator.findings.interface import ReportError
from orchestrator.findings.scorecard import TOTAL, parse
from orchestrator.model import Severity


def report(*checks: tuple[str, int], **keys) -> bytes:
    found = {
        "date": "2026-01-05T10:00:00Z",
        "repo": {"name": "github.com/example/project", "commit": "a" * 40},
        "scorecard": {"version": "v5.1.1", "commit": "b" * 40},
        "score": 6.2,
        "checks": [
            {
                "details": ["Info: looked", "Warn: topLevel permissions are write: .github/workflows/a.yml:3"],
                "score": score,
                "reason": f"reason of {name}",
                "name": name,
                "documentation": {"url": "https://example.com", "short": "…"},
            }
            for name, score in checks
        ],
        "metadata": None,
    }
    return json.dumps(found | keys).encode()


def test_each_check_is_a_finding_with_its_points():
    found = parse(report(("Token-Permissions", 0), ("License", 10), ("Fuzzing", -1), ("Code-Review", 9), ("New", 3)))
    assert found.scanner_version == "5.1.1"
    assert {each.id: each.severity for each in found.findings} == {
        TOTAL: Severity.NONE,
        "Token-Permissions": Severity.HIGH,
        "License": Severity.NONE,
        "Fuzzing": Severity.UNKNOWN,
        "Code-Review": Severity.LOW,
        "New": Severity.UNKNOWN,
    }
    by_id = {each.id: each for each in found.findings}
    assert "6.2/10" in by_id[TOTAL].title
    assert by_id["Token-Permissions"].title.startswith("0/10")
    assert by_id["Token-Permissions"].place.endswith(".github/workflows/a.yml:3")
    assert {each.location for each in found.findings} == {""}


def test_a_repository_of_which_nothing_can_be_known():
    (total, _) = parse(report(("Maintained", -1), score=-1)).findings
    assert "-1" not in total.title


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"{}", report(), report(("License", 11)), report(("License", 3))[:-9], report(checks=None), b"[1]"],
)
def test_what_is_not_whole_is_refused(data):
    with pytest.raises(ReportError):
        parse(data)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_nothing_else_than_its_own_error(data):
    try:
        parse(data)
    except ReportError:
        return


def test_it_is_known_by_its_name():
    assert formats()["scorecard"].parse is parse
