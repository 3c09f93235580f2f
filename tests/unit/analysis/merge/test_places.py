"""Different things of one id in one file are one row that counts them, and names every place."""

import pytest

from orchestrator.analysis.merge import CellFindings, merge
from orchestrator.model import KINDS, Finding, Outcome
from orchestrator.model.merged import MOST_PLACES


def rows(**scans):
    return merge("t", [CellFindings(name, Outcome.OK, frozenset(KINDS), found) for name, found in scans.items()])


def secret(place, *, location="app/settings.py", title="AWS key"):
    return Finding(id="aws-key", kind="secret", location=location, place=place, title=title)


def test_two_secrets_of_one_rule_in_one_file_are_counted_and_named():
    two = [secret("line 12", title="AWS key (line 12)"), secret("line 9", title="AWS key (line 9)")]
    (row,) = rows(trivy=two)
    assert (row.count, row.places, row.counts) == (2, ("line 9", "line 12"), {"trivy": 2})
    assert row.title == "AWS key"


def test_the_key_is_the_same_however_many_there_are_and_wherever_they_move():
    keys = {rows(trivy=found)[0].key for found in ([secret("line 9")], [secret("line 10"), secret("line 20")])}
    assert keys == {"secret|aws-key|app/settings.py"}


def test_scanners_that_find_the_same_ones_are_not_added_up():
    (row,) = rows(
        trivy=[secret("line 9"), secret("line 12")],
        gitleaks=[secret("line 9, column 4", location="/app/settings.py"), secret("line 12, column 4"), secret("x")],
    )
    assert row.count == 3
    assert row.counts == {"trivy": 2, "gitleaks": 3}
    assert row.places == ("line 9, column 4", "line 12, column 4", "x")


def test_what_a_scan_reports_twice_is_there_once():
    (row,) = rows(trivy=[secret("line 9"), secret("line 9", location="./app/settings.py")])
    assert (row.count, row.places) == (1, ("line 9",))


def test_copies_of_a_vulnerable_package_are_counted_by_their_paths():
    log4j = {"id": "CVE-2021-44228", "kind": "vulnerability", "package": "log4j", "version": "2.14.1"}
    found = [Finding(**log4j, location=path) for path in ("/a/log4j.jar", "/b/log4j.jar", "b/log4j.jar")]
    (row,) = rows(grype=found, trivy=found[:1])
    assert (row.count, row.counts, row.places) == (2, {"grype": 2, "trivy": 1}, ())
    assert len(row.locations) == 2


def test_places_of_several_locations_say_which_location():
    mit = {"id": "GPL-3.0", "kind": "vulnerability", "package": "x", "version": "1"}
    (row,) = rows(a=[Finding(**mit, location="/a", place="line 1"), Finding(**mit, location="/b", place="line 1")])
    assert row.places == ("/a: line 1", "/b: line 1")


def test_what_has_neither_location_nor_place_is_one():
    (row,) = rows(trivy=[Finding(id="root-user", kind="check")])
    assert (row.count, row.counts, row.places) == (1, {"trivy": 1}, ())


def test_the_places_that_are_named_are_bounded_and_the_count_is_not():
    (row,) = rows(trivy=[secret(f"line {line}") for line in range(1, 1001)])
    assert row.count == 1000
    assert row.places == tuple(f"line {line}" for line in range(1, MOST_PLACES + 1))


@pytest.mark.parametrize("turn", [1, -1])
def test_nothing_depends_on_the_order_of_the_report(turn):
    found = [secret("line 9", title="b"), secret("line 12", title="a"), secret("", title="c")]
    (row,) = rows(trivy=found[::turn])
    assert (row.count, row.places, row.title) == (3, ("line 9", "line 12"), "a")
