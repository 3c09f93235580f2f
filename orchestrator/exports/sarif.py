"""Merged findings as a SARIF 2.1.0 log, within the limits of GitHub's code scanning.

SARIF: https://docs.oasis-open.org/sarif/sarif/v2.1.0/ (sections in comments). GitHub takes at most 20 runs of 25,000
results and 25,000 rules each ("About code scanning limits on SARIF results"); runs of one tool need categories of their
own, which `automationDetails.id` gives.
"""

from __future__ import annotations

import logging
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any

from orchestrator.analysis.policy.words import name as name_cell
from orchestrator.exports.files import place, writing
from orchestrator.exports.sarif_results import Results
from orchestrator.kit.own import own_version
from orchestrator.model import Severity
from orchestrator.results.coverage import coverage_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.config.loading import Config
    from orchestrator.model import Ledger, MergedRow
    from orchestrator.results.coverage import Coverage
    from orchestrator.results.run import RunResults
    from orchestrator.results.tables.rows import MergedFile

name = "sarif"
description = "the merged findings as SARIF 2.1.0, for code scanning"
text = True

RESULTS_PER_RUN = 25_000
RUNS = 20
_SCANNERS = 100
_NOTES = 100
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_log = logging.getLogger(__name__)


def export(results: RunResults, config: Config, to: str = "") -> str:  # noqa: ARG001 - needs no configuration
    """Write the log, by default as `report.sarif`; see `orchestrator.exports.interface.Export`.

    Of more findings than code scanning takes, those of the least severity are left out; the log says how many.
    """
    import msgspec  # noqa: PLC0415 - together with what else an export imports

    path, coverage = place(results, to, "report.sarif"), coverage_in(results.ledger.rows)
    head = msgspec.json.encode({"$schema": _SCHEMA, "version": "2.1.0"})[:-1]
    with results.open_merged() as merged:
        rows, cut = _the_worst(merged, RESULTS_PER_RUN * RUNS)
        if cut:
            _log.warning("%s: %d findings of the least severity are left out; code scanning takes no more", path, cut)
        with writing(path) as file:
            file.write(head + b',"runs":[')
            # One run even where there are no findings: a log without runs says nothing.
            for number in range(1, max(1, -(-(merged.rows - cut) // RESULTS_PER_RUN)) + 1):
                file.write(b",\n" if number > 1 else b"\n")
                own = islice(rows, RESULTS_PER_RUN)
                file.write(msgspec.json.encode(_run(results.ledger, own, number, cut, coverage)))
            file.write(b"\n]}\n")
    return str(path)


def _the_worst(merged: MergedFile, limit: int) -> tuple[Iterator[MergedRow], int]:
    """At most this many rows, in their order, and how many are left out; those nobody needs to act on go first."""
    if merged.rows <= limit:
        return iter(merged), 0
    counts: Counter[tuple[bool, int]] = Counter()
    for table in merged.tables(["severity", "suppressed"]):
        pairs = zip(table["severity"].to_pylist(), table["suppressed"].to_pylist(), strict=True)
        counts.update((not suppressed, Severity(severity).rank) for severity, suppressed in pairs)
    room, left = limit, {}
    for worth in sorted(counts, reverse=True):
        left[worth] = min(room, counts[worth])
        room -= left[worth]
    return _first_of_each(merged, left), merged.rows - limit


def _first_of_each(rows: Iterable[MergedRow], left: dict[tuple[bool, int], int]) -> Iterator[MergedRow]:
    """The first rows of each worth, by what is left of it."""
    for row in rows:
        worth = row.finding.suppressed is None, row.finding.severity.rank
        if left[worth]:
            left[worth] -= 1
            yield row


def _run(ledger: Ledger, rows: Iterable[MergedRow], number: int, cut: int, coverage: Coverage) -> dict[str, Any]:
    """One run (3.14)."""
    results = Results()
    results.add(list(rows))
    category = "scanmatrix" if number == 1 else f"scanmatrix-{number}"
    return {
        "tool": {
            "driver": {"name": "scanmatrix", "version": own_version(), "rules": results.rules()},
            "extensions": _scanners(ledger),
        },
        "automationDetails": {"id": f"{category}/{ledger.run}"},  # 3.17.3: before the last slash is the category
        "columnKind": "utf16CodeUnits",
        "invocations": [_invocation(ledger, cut, coverage)],
        "originalUriBaseIds": results.bases,
        "results": results.items,
        "properties": {"run": ledger.run, "leftOut": cut, **coverage.document(_NOTES)},
    }


def _scanners(ledger: Ledger) -> list[dict[str, Any]]:
    """Who found it (3.18.3), each scanner in each version once."""
    found = {(row.scanner, row.scanner_version): None for row in ledger.rows if row.scanner}
    return [
        {"name": scanner} | ({"version": version} if version else {}) for scanner, version in sorted(found)[:_SCANNERS]
    ]


def _invocation(ledger: Ledger, cut: int, coverage: Coverage) -> dict[str, Any]:
    """How the run went (3.20): what was not scanned is said, so that nobody takes silence for cleanness."""
    failed = [row for row in ledger.rows if row.outcome == "failed"]
    notes = [
        {"level": "error", "message": {"text": f"{name_cell(row)}: {row.reason or 'failed'}"}}
        for row in failed[:_NOTES]
    ]
    doubtful = [row for row in ledger.rows if row.suspect]
    notes += [
        {"level": "error", "message": {"text": f"{name_cell(row)}: suspect: {row.suspect}"}}
        for row in doubtful[:_NOTES]
    ]
    if len(doubtful) > _NOTES:
        notes.append({"level": "error", "message": {"text": f"{len(doubtful) - _NOTES} more results are suspect"}})
    if len(failed) > _NOTES:
        notes.append({"level": "error", "message": {"text": f"{len(failed) - _NOTES} more cells failed"}})
    if coverage.unknown:
        notes.append({"level": "warning", "message": {"text": f"this log {coverage}"}})
    if cut:
        text = f"{cut} findings of the least severity are left out: code scanning takes no more than are here"
        notes.append({"level": "warning", "message": {"text": text}})
    times = {"startTimeUtc": ledger.created, "endTimeUtc": ledger.finished}
    return {
        "executionSuccessful": not failed and not doubtful,
        **{key: time for key, time in times.items() if time},
        "toolExecutionNotifications": notes,
    }
