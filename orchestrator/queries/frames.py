"""Answers as pandas DataFrames, which is what people get them as; `docs/results.md` lists columns and dtypes.

This module imports pandas: import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from orchestrator.model import MergedRow
from orchestrator.queries.difference import STATUSES, Difference
from orchestrator.queries.holders import merged_rows
from orchestrator.results.tables.reading import frame_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.store.documents import Holders


def holders_frame(found: Holders) -> pd.DataFrame:
    """Who has something: a row for each target and finding, with the columns of merged findings."""
    return frame_of(merged_rows(found), MergedRow)


def differences_frame(found: Sequence[Difference]) -> pd.DataFrame:
    """Differences, with `status` as a category in the order of `STATUSES`."""
    frame = frame_of(found, Difference)
    return frame.assign(status=pd.Categorical(frame["status"], list(STATUSES)))
