"""Whether a run was good enough: each rule looks at the ledger and says in words what broke it."""

from collections.abc import Mapping, Sequence

from orchestrator.model import LedgerRow, Outcome, Policy, Severity, Verdict

_SHOWN = 5

Severities = Mapping[str, Mapping[Severity, int]]
"""Findings by severity for each cell id that has any."""


def judge(policy: Policy, rows: Sequence[LedgerRow], severities: Severities) -> Verdict:
    """Apply a policy to a run.

    Args:
        policy: the rules.
        rows: the ledger's rows.
        severities: findings by severity for each cell.

    Returns:
        Which rules were broken and by which rows, the first few of them by name. With `warn_only` it passes all the
        same, the broken rules still named.
    """
    broken = tuple(filter(None, (_coverage(policy, rows), _severity(policy, rows, severities))))
    return Verdict(passed=not broken or policy.warn_only, broken=broken)


def coverage(rows: Sequence[LedgerRow]) -> float:
    """Percentage of cells that ended ok or skipped; 100 where there are none."""
    failed = sum(row.outcome is Outcome.FAILED for row in rows)
    return 100.0 * (len(rows) - failed) / len(rows) if rows else 100.0


def _coverage(policy: Policy, rows: Sequence[LedgerRow]) -> str:
    reached = coverage(rows)
    if reached >= policy.coverage:
        return ""
    failed = [name(row) for row in rows if row.outcome is Outcome.FAILED]
    return (
        f"coverage: {_percent(reached)} of the cells ended ok or skipped, {_percent(policy.coverage)} are asked for; "
        f"{len(failed)} of {len(rows)} failed: {_some(failed)}"
    )


def _severity(policy: Policy, rows: Sequence[LedgerRow], severities: Severities) -> str:
    least = policy.severity
    if least is None:
        return ""
    counts = {row.cell: _at_least(severities.get(row.cell, {}), least) for row in rows}
    total = sum(counts.values())
    if not total:
        return ""
    worst = sorted((row for row in rows if counts[row.cell]), key=lambda row: (-counts[row.cell], row.cell))
    return (
        f"severity: {total} findings are {least} or worse, in {len(worst)} cells: "
        f"{_some([f'{name(row)}: {counts[row.cell]}' for row in worst])}"
    )


def _at_least(counts: Mapping[Severity, int], least: Severity) -> int:
    return sum(count for severity, count in counts.items() if severity.rank >= least.rank)


def name(row: LedgerRow) -> str:
    """A cell for people: its target's first reference, its platform where another than the usual, and its scan."""
    platform = "" if row.platform in {"", "linux/amd64"} else f" ({row.platform})"
    return f"{row.references[0] if row.references else row.target}{platform} × {row.scan}"


def _some(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more


def _percent(value: float) -> str:
    """Rounded down to two places, so that a broken rule never reads as one that was met."""
    return f"{int(value * 100) / 100:g} %"
