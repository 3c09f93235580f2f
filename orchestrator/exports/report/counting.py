"""Every number of the report out of one pass over the merged findings, and which of them are the worst.

Counting is left to Arrow: a row group becomes a small table of sums at once. This module imports pyarrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.exports.report.packages import PackageTally
from orchestrator.exports.report.severities import (
    NAMES,
    NOTHING,
    add,
    count_rows,
    count_true,
    read_tally,
    tally,
    total,
    with_severities,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestrator.exports.report.packages import PackageCount
    from orchestrator.exports.report.severities import Counts
    from orchestrator.results.tables.rows import MergedFile

COLUMNS = (
    "target",
    "severity",
    "suppressed",
    "suppressed_by",
    "suppressed_reason",
    "suppressed_until",
    "kev",
    "epss",
    "ecosystem",
    "package",
    "fixed_version",
    "found_by",
)
_EPSS_STEPS = 1000


class SuppressedCount(NamedTuple):
    """What one rule or VEX document suppresses; `until` is RFC 3339, or empty."""

    by: str
    status: str
    reason: str
    until: str
    findings: int


class ReportNumbers(NamedTuple):
    """The numbers of one run; suppressed findings are in none but their own.

    Attributes:
        total: of all merged findings, suppressed or not.
        severities: of the run; what two scans found is one finding.
        suppressed: those that nobody needs to act on.
        fixable: findings with a fixed version.
        exploited: findings that are in CISA's catalogue.
        targets: by target id.
        cells: what each scan found, by target id and scan; one finding counts for every scan that found it.
        packages: the packages with the worst findings.
        rules: what suppresses most.
        worst: numbers of the rows, the worst first and the suppressed ones last.
    """

    total: int
    severities: Counts
    suppressed: Counts
    fixable: int
    exploited: int
    targets: dict[str, Counts]
    cells: dict[tuple[str, str], Counts]
    packages: list[PackageCount]
    rules: list[SuppressedCount]
    worst: list[int]


def count(file: MergedFile, *, worst: int, packages: int = 20, rules: int = 20) -> ReportNumbers:
    """Read the merged findings once and count them.

    Args:
        file: the merged findings.
        worst: how many rows to choose.
        packages: how many packages to name.
        rules: how many rules to name.

    Raises:
        NoResultsError: the file is damaged.
    """
    parts: dict[str, list[Any]] = {"targets": [], "cells": [], "rules": [], "keys": []}
    by_package = PackageTally()
    sums = {"fixable": 0, "exploited": 0}
    suppressed = NOTHING
    for number, rows in enumerate(file.groups()):
        table = with_severities(file.read(number, COLUMNS))
        table = table.append_column("fixable", pc.not_equal(table["fixed_version"], ""))
        parts["keys"].append(_keys(table, rows.start))
        hidden = pc.not_equal(table["suppressed"], "")
        if pc.any(hidden).as_py():
            suppressed = add(suppressed, count_rows(table.filter(hidden)))
            parts["rules"].append(_rules(table.filter(hidden)))
            table = table.filter(pc.invert(hidden))
        sums["fixable"] += count_true(table["fixable"])
        sums["exploited"] += count_true(table["kev"])
        parts["targets"].append(tally(table, ["target"]))
        parts["cells"].append(tally(_by_scan(table), ["target", "scan"]))
        by_package.add(table)
    targets = read_tally(parts["targets"], ["target"])
    return ReportNumbers(
        total=file.rows,
        severities=total(targets.values()),
        suppressed=suppressed,
        targets={target: counts for (target,), counts in targets.items()},
        cells={
            (target, scan): counts for (target, scan), counts in read_tally(parts["cells"], ["target", "scan"]).items()
        },
        packages=by_package.top(packages),
        rules=_top_rules(parts["rules"], rules),
        worst=_first(parts["keys"], worst),
        **sums,
    )


def _keys(table: pa.Table, begin: int) -> Any:
    """For each row a number that is smaller the worse it is: suppressed, severity, exploited, EPSS, then place.

    From left to right in decimal digits of a 64-bit integer: 1, 1, 1, 4, and 11 for the row's number.
    """
    digits = pc.cast(pc.not_equal(table["suppressed"], ""), pa.int64())
    likely = pc.multiply(pc.fill_null(table["epss"], 0.0), float(_EPSS_STEPS))
    likely = pc.if_else(pc.is_finite(likely), pc.max_element_wise(0.0, pc.min_element_wise(likely, _EPSS_STEPS)), 0.0)
    for factor, part in (
        (10, table["rank"]),
        (10, pc.invert(pc.fill_null(table["kev"], False))),
        (10 * _EPSS_STEPS, pc.subtract(_EPSS_STEPS, pc.cast(pc.floor(likely), pa.int64()))),
        (10**11, pa.chunked_array([pa.array(range(begin, begin + len(table)), pa.int64())])),
    ):
        digits = pc.add(pc.multiply(digits, factor), pc.cast(part, pa.int64()))
    return digits


def _first(keys: Sequence[Any], most: int) -> list[int]:
    if not keys:
        return []
    every = pa.chunked_array([chunk for each in keys for chunk in each.chunks], pa.int64())
    order = pc.select_k_unstable(every, k=min(most, len(every)), sort_keys=[("", "ascending")])
    chosen: list[int] = order.to_pylist()
    return chosen


def _by_scan(table: pa.Table) -> pa.Table:
    """A row for each scan that found each finding."""
    table = table.combine_chunks()
    parents = pc.list_parent_indices(table["found_by"])
    return table.select(["target", *NAMES]).take(parents).append_column("scan", pc.list_flatten(table["found_by"]))


def _rules(table: pa.Table) -> pa.Table:
    keys = ["suppressed_by", "suppressed", "suppressed_reason", "suppressed_until"]
    return table.group_by(keys, use_threads=False).aggregate([([], "count_all")])


def _top_rules(parts: Sequence[Any], most: int) -> list[SuppressedCount]:
    sums: dict[tuple[str, ...], int] = {}
    for row in _dictionaries(parts):
        *key, found = row.values()
        sums[tuple(key)] = sums.get(tuple(key), 0) + found
    first = sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))[:most]
    return [
        SuppressedCount(by=by, status=status, reason=reason, until=until, findings=findings)
        for (by, status, reason, until), findings in first
    ]


def _dictionaries(parts: Sequence[Any]) -> Iterator[Mapping[str, Any]]:
    for part in parts:
        yield from part.to_pylist()
