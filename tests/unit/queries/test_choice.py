"""Choosing among merged findings."""

import pytest

from orchestrator.errors import UsageError
from orchestrator.model import Severity
from orchestrator.queries.choice import Choice, choose
from tests.exports import make_finding, make_row, put_run, suppressed


@pytest.fixture
def merged(tmp_path):
    rows = [
        make_row(target="a", references=("docker.io/library/ubuntu:20.04",), owners=("team-a",)),
        make_row(target="b", references=("ghcr.io/team/app:1", "ghcr.io/team/app:stable"), owners=("team-b", "team-c")),
    ]
    findings = [
        make_finding(target="a", number=1, severity=Severity.LOW, fixed_version=""),
        make_finding(target="a", number=2, severity=Severity.CRITICAL, suppressed=suppressed()),
        make_finding(
            target="b", number=3, severity=Severity.MEDIUM, aliases=("GHSA-aaaa-bbbb-cccc",), found_by=("osv",)
        ),
        make_finding(
            target="b", number=4, kind="secret", package="", purl="", fixed_version="", severity=Severity.HIGH
        ),
    ]
    with put_run(tmp_path, rows, findings).open_merged() as merged:
        return list(merged)


@pytest.mark.parametrize(
    ("choice", "numbers"),
    [
        ({}, [4, 3, 1]),
        ({"suppressed": True}, [2, 4, 3, 1]),
        ({"target": "ubuntu"}, [1]),
        ({"target": "ubuntu:20.*"}, [1]),
        ({"target": "docker.io/*"}, [1]),
        ({"target": "*:stable"}, [4, 3]),
        ({"target": "team/app"}, [4, 3]),
        ({"target": " team/app:1 "}, [4, 3]),
        ({"target": "team/ap"}, []),
        ({"owner": "team-c"}, [4, 3]),
        ({"scan": "osv"}, [3]),
        ({"id": "GHSA-*"}, [3]),
        ({"id": "CVE-2024-000[13]"}, [3, 1]),
        ({"id": " cve-2024-0003\u00a0"}, [3]),
        ({"id": "ghsa-AAAA-*"}, [3]),
        ({"package": "openssl"}, [3, 1]),
        ({"package": "debian/open*"}, [3, 1]),
        ({"package": "pkg:deb/debian/openssl"}, [3, 1]),
        ({"package": "pkg:deb/openssl"}, [3, 1]),
        ({"package": "pkg:deb/ubuntu/openssl"}, []),
        ({"package": "pkg:deb/debian/openssl?arch=armhf"}, []),
        ({"package": "pkg:deb/debian/openssl?arch=amd64&distro=debian-12"}, [3, 1]),
        ({"kinds": ("secret", "malware")}, [4]),
        ({"severity": Severity.MEDIUM}, [4, 3]),
        ({"fixable": True}, [3]),
        ({"target": "ubuntu", "fixable": True}, []),
    ],
)
def test_every_condition_must_hold_and_the_worst_come_first(merged, choice, numbers):
    chosen = choose(merged, Choice(**choice))
    assert [int(row.finding.id[-1]) for row in chosen] == numbers


def test_nothing_can_be_chosen_from():
    assert choose((), Choice(target="x", owner="x", id="x", package="x", severity=Severity.LOW)) == []


def test_an_unknown_kind(merged):
    with pytest.raises(UsageError, match="virus"):
        choose(merged, Choice(kinds=("virus",)))
