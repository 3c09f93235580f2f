"""Results as a JUnit XML report, which GitLab, Jenkins, Azure DevOps and others show beside the tests of a pipeline.

A test suite is a target, a test case a cell, or something that was found in the target. The format has no standard; the
elements and attributes are those that Jenkins' schema of it and GitLab's documentation ("Unit test reports") name.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from orchestrator.analysis.policy.words import name_target
from orchestrator.exports.files import place, writing
from orchestrator.kit.text import visible
from orchestrator.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.config.loading import Config
    from orchestrator.model import LedgerRow, MergedFinding, MergedRow
    from orchestrator.results.run import RunResults

name = "junit"
description = "cells and merged findings as a JUnit XML report, for the test reports of CI systems"
text = True

_FILE = "junit.xml"
_LONGEST = 1000
_COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}
# The only code points that are no hidden ones, and that no XML document can hold.
_NO_XML = str.maketrans({"\ufffe": "\\ufffe", "\uffff": "\\uffff"})


def export(results: RunResults, config: Config, to: str = "") -> str:  # noqa: ARG001 - needs no configuration
    """Write the report, by default as `junit.xml`; see `orchestrator.exports.interface.Export`.

    Memory holds the findings of one target at a time.
    """
    rows: dict[str, list[LedgerRow]] = {}
    for row in results.ledger.rows:
        rows.setdefault(row.target, []).append(row)
    path = place(results, to, _FILE)
    with results.open_merged() as merged, writing(path) as file:
        of_target = merged.by_target()
        file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name={_value(results.run)}>\n'.encode())
        for target, cells in rows.items():
            file.writelines(line.encode() for line in _suite(cells, of_target(target)))
        file.write(b"</testsuites>\n")
    return str(path)


def _suite(cells: Sequence[LedgerRow], found: Sequence[MergedRow]) -> Iterator[str]:
    """A target: its cells, then what was found in it."""
    label = name_target(cells[0])
    ended = [_of_cell(cell) for cell in cells]
    results = [*ended, *map(_of_finding, found)]
    counts = {word: sum(each.startswith(f"<{tag}") for each in results) for word, tag in _COUNTED.items()}
    spelt = " ".join(f'{word}="{count}"' for word, count in {"tests": len(results), **counts}.items())
    began = min((cell.started for cell in cells if cell.started), default="")
    when = f" timestamp={_value(began.removesuffix('Z'))}" if began else ""
    yield f"<testsuite name={_value(label)} {spelt}{when}>\n"
    for cell, result in zip(cells, ended, strict=True):
        yield _case(label, f"scan {cell.scan}", result, seconds=_seconds(cell))
    for row, result in zip(found, results[len(ended) :], strict=True):
        yield _case(label, _title(row.finding), result)
    yield "</testsuite>\n"


def _case(suite: str, case: str, result: str, *, seconds: float = 0) -> str:
    return f'<testcase classname={_value(suite)} name={_value(case)} time="{seconds:.0f}">{result}</testcase>\n'


def _of_cell(cell: LedgerRow) -> str:
    if cell.suspect:
        return f'<error type="suspect" message={_value(cell.suspect)}/>'
    if cell.outcome is Outcome.FAILED:
        return f'<error type="failed" message={_value(cell.reason or "failed")}/>'
    return f"<skipped message={_value(cell.reason)}/>" if cell.outcome is Outcome.SKIPPED else ""


def _of_finding(row: MergedRow) -> str:
    finding = row.finding
    if finding.suppressed is not None:
        return f"<skipped message={_value(f'suppressed by {finding.suppressed.by}: {finding.suppressed.reason}')}/>"
    if row.suspect:
        return f"<skipped message={_value(f'suspect: {row.suspect}')}/>"
    fix = f"fixed in {finding.fixed_version}" if finding.fixed_version else "no fix known" if finding.package else ""
    said = "; ".join(filter(None, (finding.title, fix, ", ".join(finding.locations[:3]))))
    return f"<failure type={_value(finding.severity)} message={_value(said or finding.id)}/>"


def _title(finding: MergedFinding) -> str:
    """The same in every run, so that a CI system knows it again; without a package by the place where it is."""
    where = " ".join(filter(None, (finding.package, finding.version))) or ", ".join(finding.locations[:1])
    return f"{finding.severity} {finding.id}{f' in {where}' if where else ''}"


def _seconds(cell: LedgerRow) -> float:
    if not (cell.started and cell.finished):
        return 0
    return max(0.0, (datetime.fromisoformat(cell.finished) - datetime.fromisoformat(cell.started)).total_seconds())


def _value(said: str) -> str:
    """An attribute's value; what XML cannot hold, and what nobody could see, is spelt out."""
    return quoteattr(visible(said, _LONGEST).translate(_NO_XML))
