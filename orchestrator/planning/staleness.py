"""Whether a cell's last good result is still fresh enough to do without a new scan."""

from datetime import datetime, timedelta

from orchestrator.kit.quantities import spell_duration
from orchestrator.planning.interface import Past


def freshness(past: Past | None, limit: int | None, now: datetime) -> str:
    """Why the cell need not run again; empty when it must.

    Args:
        past: latest good result of the same target digest and scan, None when there is none.
        limit: seconds a result stays good; None to scan every time.
        now: with a time zone.
    """
    if past is None or limit is None:
        return ""
    try:
        finished = datetime.fromisoformat(past.finished)
        age = now - finished
    except (ValueError, TypeError):  # not a time, or one without a time zone: a result of unknown age is not fresh
        return ""
    if age >= timedelta(seconds=limit):
        return ""
    ago, good = spell_duration(max(age.total_seconds(), 0)), spell_duration(limit)
    return f"fresh: scanned {ago} ago in run {past.run}, good for {good}"
