"""What is printed of typed rows is what their DataFrame says: moments in UTC, numbers in one order."""

import json

import pytest

from orchestrator.cli.output import OutputFormat
from orchestrator.cli.result_tables import print_differences, print_findings
from orchestrator.model import MergedFinding, MergedRow, Severity
from orchestrator.queries.difference import STATUSES, Difference
from orchestrator.results.coverage import Coverage
from orchestrator.results.tables.reading import frame_of


def difference(status: str) -> Difference:
    versions, states = [""] * 3, [""] * 5
    return Difference(
        status, "app:1", "linux/amd64", "k", "secret", "AWS", Severity.HIGH,
        *versions, None, None, "", (), (), *states, "t"
    )  # fmt: skip


def test_statuses_with_equal_numbers_come_in_their_order_whatever_came_first(capsys):
    found = [difference(status) for status in [*reversed(STATUSES), "fixed"]]
    print_differences(found, every=True, most=10)
    assert capsys.readouterr().out.splitlines()[-1] == "2 fixed, 1 new, 1 changed, 1 no longer scanned, 1 still there"


@pytest.mark.parametrize("text", ["", "2025-03-01T10:00:00Z", "2025-03-01T10:00:00+02:00", "2025-03-01", "no date"])
def test_a_moment_is_printed_as_its_dataframe_has_it(text, capfdbinary):
    row = MergedRow(
        run="run-1", target="t", references=(), owners=(), digest="", indexes=(), platform="", suspect="",
        finding=MergedFinding(target="t", key="k", kind="secret", id="AWS", first_seen=text),
    )  # fmt: skip
    print_findings([row], Coverage(1), OutputFormat.JSON)
    [printed] = json.loads(capfdbinary.readouterr().out)["findings"]
    [moment] = frame_of([row], MergedRow)["first_seen"]
    assert printed["first_seen"] == (moment.isoformat() if moment == moment else None)  # noqa: PLR0124 - NaT is not
