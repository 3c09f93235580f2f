"""Merged findings as a SARIF 2.1.0 log, within the limits of GitHub's code scanning.

SARIF: https://docs.oasis-open.org/sarif/sarif/v2.1.0/ (sections in comments). GitHub takes at most 20 runs of 25,000
results and 25,000 rules each ("About code scanning limits on SARIF results"); runs of one tool need categories of their
own, which `automationDetails.id` gives.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from orchestrator.analysis.policy.words import name as name_cell
from orchestrator.exports.files import place, writing
from orchestrator.exports.sarif_results import Results
from orchestrator.exports.targets import merged_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from orchestrator.config.loading import Config
    from orchestrator.model import Ledger
    from orchestrator.results.run import RunResults

name = "sarif"
description = "the merged findings as SARIF 2.1.0, for code scanning"

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

    path = place(results, to, "report.sarif")
    frame, cut = _the_worst(results.merged, RESULTS_PER_RUN * RUNS)
    if cut:
        _log.warning("%s: %d findings of the least severity are left out; code scanning takes no more", path, cut)
    head = msgspec.json.encode({"$schema": _SCHEMA, "version": "2.1.0"})[:-1]
    with writing(path) as file:
        file.write(head + b',"runs":[')
        for number, own in enumerate(_chunks(frame), start=1):
            file.write(b",\n" if number > 1 else b"\n")
            file.write(msgspec.json.encode(_run(results.ledger, own, number, cut)))
        file.write(b"\n]}\n")
    return str(path)


def _the_worst(frame: pd.DataFrame, limit: int) -> tuple[pd.DataFrame, int]:
    """At most so many rows, in their order, and how many were left out; those nobody needs to act on go first."""
    if len(frame) <= limit:
        return frame, 0
    rank = frame["severity"].cat.codes + 100 * (frame["suppressed"] == "")
    kept = rank.sort_values(ascending=False, kind="stable").index[:limit]
    return frame.loc[kept.sort_values()], len(frame) - limit


def _chunks(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Rows of one run each; one even when there are none, because a log without runs says nothing."""
    for begin in range(0, max(len(frame), 1), RESULTS_PER_RUN):
        yield frame.iloc[begin : begin + RESULTS_PER_RUN]


def _run(ledger: Ledger, frame: pd.DataFrame, number: int, cut: int) -> dict[str, Any]:
    """One run (3.14)."""
    results = Results()
    for row in merged_rows(frame):
        results.add(row)
    category = "scanmatrix" if number == 1 else f"scanmatrix-{number}"
    return {
        "tool": {
            "driver": {"name": "scanmatrix", "version": _version(), "rules": results.rules()},
            "extensions": _scanners(ledger),
        },
        "automationDetails": {"id": f"{category}/{ledger.run}"},  # 3.17.3: before the last slash is the category
        "columnKind": "utf16CodeUnits",
        "invocations": [_invocation(ledger, cut)],
        "originalUriBaseIds": results.bases,
        "results": results.items,
        "properties": {"run": ledger.run, "leftOut": cut},
    }


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow

    try:
        return version("scanmatrix")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0"


def _scanners(ledger: Ledger) -> list[dict[str, Any]]:
    """Who found it (3.18.3), each scanner in each version once."""
    found = {(row.scanner, row.scanner_version): None for row in ledger.rows if row.scanner}
    return [
        {"name": scanner} | ({"version": version} if version else {}) for scanner, version in sorted(found)[:_SCANNERS]
    ]


def _invocation(ledger: Ledger, cut: int) -> dict[str, Any]:
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
    if cut:
        text = f"{cut} findings of the least severity are left out: code scanning takes no more than are here"
        notes.append({"level": "warning", "message": {"text": text}})
    times = {"startTimeUtc": ledger.created, "endTimeUtc": ledger.finished}
    return {
        "executionSuccessful": not failed and not doubtful,
        **{key: time for key, time in times.items() if time},
        "toolExecutionNotifications": notes,
    }
