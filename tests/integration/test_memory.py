"""Findings take no more memory than `orchestrator.results.costs` says; `tests/benchmarks/worst.py` has the whole."""

import pytest

from orchestrator.kit.quantities import parse_size
from orchestrator.results import costs
from orchestrator.results.reports import parse_report
from tests.benchmarks import worst

# Where more is in memory beside the reports than with fewer or more findings.
MOST_BESIDE = 0.12


@pytest.mark.parametrize("part", [0.06, pytest.param(MOST_BESIDE, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("name", list(worst.KINDS))
def test_reports_take_no_more_than_they_are_said_to_cost(name, part):
    kind = worst.KINDS[name]
    idle, busy = worst.measure(name, 0.00001), worst.measure(name, part)
    report = costs.of_report(parse_report(kind.format, kind.make(0, int(kind.items * part)).encode()))
    assert busy.ok == kind.reports
    assert idle.peak < costs.PROGRAM
    assert busy.peak - idle.peak < kind.reports * report + costs.BESIDE


@pytest.mark.campaign
@pytest.mark.parametrize("name", list(worst.KINDS))
def test_the_costliest_reports_that_are_accepted_are_all_merged_within_the_memory_of_the_pod(name):
    """Four of 190,000 findings (65 MB) each or two BOMs of 175,000 components, and one more that is refused."""
    measured, kind = worst.measure(name, 1.0), worst.KINDS[name]
    assert (measured.ok, measured.refused) == (kind.reports - 1, 1)
    assert measured.peak < parse_size(costs.POD_MEMORY)
