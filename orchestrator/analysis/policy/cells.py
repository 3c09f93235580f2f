"""The rules that look at cells: how many of them ended well, and how old their databases were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.analysis.policy.words import name, number, percent, some
from orchestrator.kit.quantities import spell_duration
from orchestrator.model import Outcome, Violation
from orchestrator.model.policy import COVERAGE, DATABASE_AGE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orchestrator.model import LedgerRow, Policy

#: Most rows that a `Broken` names.
ROWS = 100


def coverage(rows: Sequence[LedgerRow]) -> float:
    """Percentage of cells that ended ok or skipped, suspect results left out; 100 where there are none."""
    failed = sum(row.fails for row in rows)
    return 100.0 * (len(rows) - failed) / len(rows) if rows else 100.0


def judge_coverage(policy: Policy, rows: Sequence[LedgerRow]) -> Violation | None:
    """Whether enough of the planned cells ended ok or skipped."""
    reached = coverage(rows)
    if reached >= policy.coverage:
        return None
    failed = [row for row in rows if row.fails]
    message = (
        f"{COVERAGE}: {percent(reached)} of the cells ended ok or skipped, {percent(policy.coverage)} are asked for; "
        f"{len(failed)} of {len(rows)} failed: {some([name(row) for row in failed])}"
    )
    return Violation(rule=COVERAGE, message=message, count=len(failed), rows=_ids(failed))


def judge_databases(policy: Policy, rows: Sequence[LedgerRow], databases: Collection[str]) -> Violation | None:
    """Whether the database of each scan was young enough when its report was written.

    Only cells that ended ok count: what failed is covered by `coverage`, and a result that was still fresh was judged
    by the run it comes from. A database of unknown age counts against the rule: nobody knows that it is young enough.

    Args:
        policy: of the run.
        rows: the ledger's.
        databases: names of the scans that have a database; one that its scanner reports counts as well.
    """
    limit = policy.database_age
    if not limit:
        return None
    used = [row for row in rows if row.outcome is Outcome.OK and (row.scan in databases or row.database_version)]
    old = [row for row in used if row.database_age is None or row.database_age > limit]
    if not old:
        return None
    old.sort(key=lambda row: (row.database_age is not None, -(row.database_age or 0)))  # stable: then as in the plan
    message = (
        f"{DATABASE_AGE}: {number(len(old), 'cell')} of {len(used)} had a database older than {spell_duration(limit)}, "
        f"or of unknown age: {some([f'{name(row)}: {_age(row)}' for row in old])}"
    )
    return Violation(rule=DATABASE_AGE, message=message, count=len(old), rows=_ids(old))


def _age(row: LedgerRow) -> str:
    return "unknown" if row.database_age is None else spell_duration(row.database_age)


def _ids(rows: Sequence[LedgerRow]) -> tuple[str, ...]:
    return tuple(row.cell for row in rows[:ROWS])
