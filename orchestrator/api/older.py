"""Functions of 0.1 that take a volume; `orchestrator.results.difference` was their module. Deleted with 0.3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

    from orchestrator.volume.layout import Volume

__all__ = ["between", "since", "since_last"]


def since_last(volume: Volume, run: str) -> pd.DataFrame:
    """See `scanmatrix.differences`: what a run changed."""
    return _differences(volume, run=run)


def since(volume: Volume, moment: datetime, *, references: Sequence[str] | None = None) -> pd.DataFrame:
    """See `scanmatrix.differences`: what all runs that ended after a moment changed, of these names or all."""
    return _differences(volume, since=moment, references=references)


def between(volume: Volume, older_reference: str, newer_reference: str) -> pd.DataFrame:
    """See `scanmatrix.differences`: of two names of images."""
    return _differences(volume, between=(older_reference, newer_reference))


def _differences(volume: Volume, **question: Any) -> pd.DataFrame:
    from orchestrator.queries import asking
    from orchestrator.queries.frames import differences_frame

    with asking(volume) as store:
        return differences_frame(store.differences(**question))
