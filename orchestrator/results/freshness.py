"""How old a result may be: the one rule of plans (`rescanAfter`) and of the store (`Store.stale`, `Store.states`).

A plan is made where there may be no database, so it reads ledgers and the store its rows; both know of each target and
scan the newest ok result and whether it is believed, and both ask here whether it still stands: it is young enough, and
answers what is asked today. `Store.states`, which knows no scans, counts by age alone.
"""

from collections.abc import Collection
from datetime import datetime


def stale_until(age: int | None, now: datetime) -> int | None:
    """The last second (since 1970) of which a result is stale; one that ended later is fresh, even in the future.

    Args:
        age: seconds that a result stays fresh; None where every result is stale.
        now: with a time zone.

    Returns:
        None where every result is stale; never before 1970, because 0 stands for no result at all.
    """
    return None if age is None else max(int(now.timestamp()) - age, 0)


def is_fresh(ended: int, age: int | None, now: datetime) -> bool:
    """Whether a result that ended at a second (since 1970; 0 for unknown) still stands; see `stale_until`."""
    until = stale_until(age, now)
    return until is not None and ended > until


def is_answer(asked: str, questions: Collection[str]) -> bool:
    """Whether a result answers what is asked today (`orchestrator.catalog.question`).

    Args:
        asked: when the result was made; empty where an earlier version did not write it down: then it does.
        questions: that the scan asks today.
    """
    return not asked or asked in questions
