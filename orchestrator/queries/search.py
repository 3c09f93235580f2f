"""Who has a vulnerability, by the latest results of every target on a volume.

This module imports pandas: import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.queries.choice import Choice, choose
from orchestrator.queries.difference.states import state_now
from orchestrator.results.interface import NoResultsError
from orchestrator.results.tables.reading import read_merged

if TYPE_CHECKING:
    from orchestrator.queries.difference.states import Order
    from orchestrator.volume.layout import Volume


def who_has(volume: Volume, id_: str) -> pd.DataFrame:
    """Every target that has this vulnerability now, suppressed or not, under whatever alias.

    Args:
        volume: where the runs lie.
        id_: its id or any alias, or a glob of such.

    Returns:
        Rows of merged findings as `orchestrator.results.read_merged` gives them, the worst first, one for each target
        and package, of the latest run that knows it. Names that later runs no longer have are left out.

    Raises:
        NoResultsError: no run has ended here, or the merged findings of one that is needed are missing or damaged.
    """
    state = state_now(volume)
    if not state.runs:
        raise NoResultsError(f"{volume.root}: no run has ended here; there is nothing to search")
    targets: dict[Order, set[str]] = {}
    for name in state.names:
        if not state.gone(name):
            for scan in state.scans(name):
                for order, target in state.sources(name, scan):
                    targets.setdefault(order, set()).add(target)
    wanted = Choice(id=id_, suppressed=True)
    frames = [
        choose(read_merged(volume, order[1], targets=targets[order]), wanted) for order in sorted(targets, reverse=True)
    ]
    if not frames:
        raise NoResultsError(f"{volume.root}: no scan has ended ok here; there is nothing to search")
    found = pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
    found = found.drop_duplicates(["target", "key", "version"], ignore_index=True)
    return found.sort_values("severity", ascending=False, kind="stable", ignore_index=True)
