"""`summary.md`: a run on one page, for people; the same ledger gives the same text."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from orchestrator.analysis.policy import coverage
from orchestrator.analysis.policy.words import SHOWN, clip, offenders
from orchestrator.kit.text import markdown
from orchestrator.model import Ledger, LedgerRow, Name, Outcome, Severity, Violation
from orchestrator.model.image import unusual
from orchestrator.model.policy import COVERAGE

_MATRIX_TARGETS, _MATRIX_SCANS = 50, 12
_ROWS = 100
_MARKS = {Outcome.OK: "ok", Outcome.FAILED: "**failed**", Outcome.SKIPPED: "skipped"}
Severities: TypeAlias = Mapping[str, Mapping[Severity | None, int]]
"""Merged findings by severity for each target that has any; those that are suppressed under None."""


def summarise(ledger: Ledger, severities: Severities, notes: Sequence[str] = ()) -> str:
    """The summary of a run as Markdown.

    Args:
        ledger: the run's ledger.
        severities: merged findings by severity for each target that has any.
        notes: what else happened that a reader should know, a sentence each.
    """
    rows = ledger.rows
    sections = [
        f"# Run {markdown(ledger.run)}\n\n{_totals(ledger)}",
        _policy(ledger),
        _matrix(rows),
        _reasons(rows, Outcome.FAILED, "Failed cells"),
        _targets(rows, severities),
        _reasons(rows, Outcome.SKIPPED, "Skipped cells"),
        _workloads(rows, ledger.names),
        _list("Notes", [f"- {markdown(note)}" for note in notes]),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _totals(ledger: Ledger) -> str:
    findings = sum(row.findings or 0 for row in ledger.rows)
    counts = [len(ledger.rows), *(ledger.count(outcome) for outcome in (Outcome.OK, Outcome.FAILED, Outcome.SKIPPED))]
    reached = f"{int(coverage(ledger.rows) * 100) / 100:g} %"
    return "\n".join(
        [
            f"Planned {ledger.created}, ended {ledger.finished}.",
            "",
            "| cells | ok | failed | skipped | coverage | findings |",
            "|---:|---:|---:|---:|---:|---:|",
            f"| {' | '.join(map(str, counts))} | {reached} | {findings} |",
            *_from_sboms(ledger.rows),
        ]
    )


def _from_sboms(rows: Sequence[LedgerRow]) -> list[str]:
    """How many results rest on an SBOM that was stored earlier, and how old that may be."""
    made = [row.source.made for row in rows if row.source is not None and row.holds]
    if not made:
        return []
    cells = "cell was" if len(made) == 1 else "cells were"
    return ["", f"{len(made)} {cells} answered from stored SBOMs, the oldest of {min(made)}."]


def _policy(ledger: Ledger) -> str:
    verdict = ledger.verdict
    remark = f" {markdown(verdict.remark[:1].upper() + verdict.remark[1:])}." if verdict.remark else ""
    if not verdict.broken:
        return f"Policy: passed.{remark}"
    heading = ("Policy: broken, but only warned of." if verdict.passed else "Policy: **broken**.") + remark
    rows = {rule.message: rule for rule in verdict.rules if rule.rule != COVERAGE}  # its rows have a section below
    lines = [heading, ""]
    for message in verdict.broken:
        lines += [f"- {markdown(message)}", *_rows(rows.get(message), ledger.rows)]
    return "\n".join(lines)


def _rows(rule: Violation | None, cells: Sequence[LedgerRow]) -> list[str]:
    """The first rows that broke a rule, a list within the list."""
    if rule is None or not rule.rows:
        return []
    shown, total = offenders(rule, SHOWN, cells), rule.total or rule.count
    more = [f"  - … and {total - len(shown)} more"] if total > len(shown) else []
    return [*(f"  - {markdown(clip(row))}" for row in shown), *more]


def _matrix(rows: Sequence[LedgerRow]) -> str:
    """Targets by scans, for runs small enough to be read so."""
    scans = list(dict.fromkeys(row.scan for row in rows))
    cells: dict[str, dict[str, LedgerRow]] = {}
    for row in rows:
        cells.setdefault(row.target, {})[row.scan] = row
    if not cells or len(cells) > _MATRIX_TARGETS or len(scans) > _MATRIX_SCANS:
        return ""
    lines = [f"| target | {' | '.join(map(markdown, scans))} |", f"|---|{'---|' * len(scans)}"]
    for known in cells.values():
        label = _label(next(iter(known.values())))
        lines.append(f"| {label} | {' | '.join(_mark(known.get(scan)) for scan in scans)} |")
    return "\n".join(["## Matrix", "", *lines])


def _mark(row: LedgerRow | None) -> str:
    if row is None:
        return ""
    return f"ok ({row.findings})" if row.findings else _MARKS[row.outcome]


def _reasons(rows: Sequence[LedgerRow], outcome: Outcome, heading: str) -> str:
    chosen = [row for row in rows if row.outcome is outcome]
    lines = [f"| {_label(row)} | {markdown(row.scan)} | {markdown(row.reason)} |" for row in chosen]
    return _list(heading, lines, head=["| target | scan | reason |", "|---|---|---|"])


def _targets(rows: Sequence[LedgerRow], severities: Severities) -> str:
    """Merged findings by severity for each target that has any, the worst first."""
    labels = {row.target: _label(row) for row in rows if row.target in severities}
    order: list[Severity | None] = [*reversed(Severity), None]
    worst = sorted(labels, key=lambda target: ([-severities[target].get(each, 0) for each in order], labels[target]))
    lines = [f"| {labels[target]} | {_counts(severities[target], order)} |" for target in worst]
    head = [f"| target | {' | '.join(each or 'suppressed' for each in order)} |", f"|---|{'---:|' * len(order)}"]
    return _list("Findings of all scans by severity", lines, head=head)


def _workloads(rows: Sequence[LedgerRow], names: Mapping[str, Sequence[Name]]) -> str:
    """What runs each target, a line for each name that says so."""
    labels = {row.target: _label(row) for row in rows}
    lines = {
        f"| {markdown(name.workload)} | {markdown(name.owner)} | {labels[target]} |": None
        for target in labels
        for name in names.get(target, ())
        if name.workload
    }
    return _list("Workloads", list(lines), head=["| workload | owner | target |", "|---|---|---|"])


def _counts(found: Mapping[Severity | None, int], order: Sequence[Severity | None]) -> str:
    return " | ".join(str(found.get(each, 0)) for each in order)


def _list(heading: str, lines: Sequence[str], *, head: Sequence[str] = ()) -> str:
    """A section of at most this many lines; nothing when there are none."""
    if not lines:
        return ""
    more = ["", f"… and {len(lines) - _ROWS} more; all of them are in ledger.json and merged.parquet."]
    return "\n".join([f"## {heading}", "", *head, *lines[:_ROWS], *(more if len(lines) > _ROWS else ())])


def _label(row: LedgerRow) -> str:
    """A target's first name, how many others it has, and its platform where that is not the usual one."""
    first, *others = row.references or (row.target,)
    also = f" (+{len(others)})" if others else ""
    platform = f" {shown}" if (shown := unusual(row.platform)) else ""
    return markdown(f"{first}{also}{platform}")
