"""Whether a cell's last good result is still fresh enough to do without a new scan: `rescanAfter` against history.

The store answers by the same rule (`orchestrator.results.freshness`). The scheduler asks it, names its cells, and none
of them is spared.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.kit.quantities import spell_duration
from orchestrator.results import history
from orchestrator.results.freshness import is_answer, is_fresh
from orchestrator.results.ledger import seconds
from orchestrator.scanners.rules import rules_of
from orchestrator.volume.layout import Volume

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from orchestrator.config.loading import Config
    from orchestrator.planning.inputs import Past

History: TypeAlias = "Mapping[tuple[str, str], Past]"
"""The latest good result by target id and scan."""


def earlier_results(config: Config, now: datetime, volume: Path | None = None) -> History:
    """Results young enough to spare a scan; nothing is read where every scan runs again.

    Args:
        config: says how long results stay fresh, and whose are not believed.
        now: with a time zone.
        volume: folder with the results, instead of the configuration's.

    Raises:
        SourceError: a list of denied or distrusted scanners is missing, or has mistakes.
    """
    if not config.rescan_after:
        return {}
    oldest = now - timedelta(seconds=max(config.rescan_after.values()))
    return history(Volume(volume or config.volume.path, distrusted=rules_of(config)), oldest)


def freshness(past: Past | None, limit: int | None, now: datetime, asked: str = "") -> str:
    """Why the cell need not run again; empty when it must.

    Args:
        past: latest good result of the same target digest and scan, None when there is none.
        limit: seconds a result stays good; None to scan every time.
        now: with a time zone.
        asked: digest of what the scan asks now; empty where any answer will do.
    """
    ended = seconds(past.finished) if past is not None else 0
    if (
        past is None
        or limit is None
        or not is_fresh(ended, limit, now)
        or (asked and not is_answer(past.asked, (asked,)))
    ):
        return ""
    ago, good = spell_duration(max(int(now.timestamp()) - ended, 0)), spell_duration(limit)
    return f"fresh: scanned {ago} ago in run {past.run}, good for {good}"
