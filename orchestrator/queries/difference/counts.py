"""How many of each thing both sides found: whether some of several are gone, or more have come.

Compared is what one scan counted with what the same scan counted before: two scanners may see unequally many of the
same. Runs of versions that did not count say nothing here, so nothing is changed by them. Places that are names
(`aws_s3_bucket.a`) are compared as well, but never lines, which move.

This module imports pandas and pyarrow: import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.model.merged import MOST_PLACES
from orchestrator.model.places import name_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SIDES = ["before", "after"]
_SHOWN = 3


def counts_of(rows: pd.DataFrame, counts: pa.Array) -> pd.Series[float]:
    """What each scan counted of each row; NaN where it did not.

    Args:
        rows: `row`, the number of a merged row, and `scan`.
        counts: of each merged row, `scan=count` for each of its scans.
    """
    texts = pc.list_flatten(counts).to_pylist()
    parts = [text.rpartition("=") for text in texts]
    known = pd.DataFrame(
        {
            "row": np.asarray(pc.list_parent_indices(counts), dtype="int64"),
            "scan": pd.Series([scan for scan, _, _ in parts], dtype="str"),
            "count": pd.Series([float(count) for _, _, count in parts], dtype="float64"),
        }
    ).drop_duplicates(["row", "scan"])
    return rows[["row", "scan"]].merge(known, on=["row", "scan"], how="left")["count"]


def names_in(places: Iterable[Sequence[str]]) -> list[str]:
    """Of each row the names among its places, sorted, a line each; empty where some place is not a name."""
    return [_names(list(each)) if len(each) else "" for each in places]


def _names(places: Sequence[str]) -> str:
    names = {name_of(place) for place in places}
    plain = len(places) < MOST_PLACES and all(name and not any(map(str.isspace, name)) for name in names)
    return "\n".join(sorted(names)) if plain else ""


def compare_counts(found: pd.DataFrame) -> pd.DataFrame:
    """Compare the counts of both sides.

    Args:
        found: `thing`, `scan`, `rank` of the run, `newer`, `row` and `count`; a row for each that a scan found.

    Returns:
        Indexed by thing: `before` and `after`, the highest count, of scans that counted on both sides where there are
        such, else of any; NaN where nobody counted. `changed`, whether a scan counted otherwise than before.
    """
    latest = found["rank"] == found.groupby(["thing", "scan", "newer"])["rank"].transform("max")
    own = found[latest].drop_duplicates(["thing", "scan", "newer", "row"])
    # Several rows of one thing are versions of its package; where one of them is not counted, the sum is not known.
    of_scans = own.groupby(["thing", "scan", "newer"])["count"]
    sums = of_scans.sum().where(of_scans.size() == of_scans.count())
    table = pd.DataFrame(sums.unstack("newer")).reindex(columns=[False, True]).set_axis(_SIDES, axis=1)
    both = table.dropna()
    compared = both.assign(changed=both["before"] != both["after"]).groupby("thing").max()
    alone = table.groupby("thing")[_SIDES].max()
    compared = compared.reindex(alone.index)
    compared["changed"] = compared["changed"].eq(True)
    for side in _SIDES:
        compared[side] = compared[side].fillna(alone[side])
    return compared


def tell(before: float, after: float, names_before: str, names_after: str) -> str:
    """What is otherwise, in words: `2 before, 1 now: aws_s3_bucket.b is gone`."""
    counted = f"{before:.0f} before, {after:.0f} now" if before != after else f"{after:.0f} as before, but others"
    was, is_ = set(names_before.split("\n")), set(names_after.split("\n"))
    if not names_before or not names_after or was == is_:
        return counted
    changes = [(sorted(was - is_), "gone"), (sorted(is_ - was), "new")]
    return f"{counted}: {'; '.join(f'{_some(names)} {what}' for names, what in changes if names)}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
