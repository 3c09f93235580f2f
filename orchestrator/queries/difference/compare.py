"""Two states side by side, as a frame.

This module imports pandas: import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from orchestrator.queries.difference.counts import tell
from orchestrator.queries.difference.explain import CHANGED, STATUSES, STILL, Explained, Told
from orchestrator.queries.difference.rows import Source, read_sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from orchestrator.queries.difference.explain import Pair
    from orchestrator.queries.difference.states import State
    from orchestrator.volume.layout import Volume

    Numbers: TypeAlias = NDArray[Any]

#: Columns of a difference in order.
DIFFERENCE_COLUMNS = (
    "status",
    "reference",
    "platform",
    "key",
    "kind",
    "id",
    "severity",
    "package",
    "version_before",
    "version_after",
    "count_before",
    "count_after",
    "fixed_version",
    "found_by",
    "owners",
    "suppressed_before",
    "suppressed_after",
    "run_before",
    "run_after",
    "why",
)
_COUNTS = ("count_before", "count_after")
_ORDER = ["reference", "platform", "status", "severity", "id", "key"]
_UPWARDS = [True, True, True, False, True, True]


def compare(volume: Volume, older: State, newer: State, pairs: Sequence[Pair]) -> pd.DataFrame:
    """The differences between two states.

    Args:
        volume: where the runs lie.
        older: a state.
        newer: a later one, or the same where two names are compared.
        pairs: the names to compare.

    Returns:
        The columns of `DIFFERENCE_COLUMNS`, as `orchestrator.queries.difference` says.

    Raises:
        NoResultsError: a run that is needed has a ledger but no merged findings, or damaged ones.
    """
    explained = [Explained(older, newer, pair) for pair in pairs]
    before, after, counts, keys = read_sources(volume, _sources(older, newer, pairs, explained))
    things = before.index.union(after.index, sort=False)
    was, is_ = things.isin(before.index), things.isin(after.index)
    before, after = before.reindex(things), after.reindex(things)
    frame = pd.DataFrame(
        {
            name: after[name].where(is_, before[name])
            for name in ("kind", "id", "severity", "package", "fixed_version", "found_by", "owners")
        }
    )
    for name in ("version", "suppressed", "run"):
        frame[f"{name}_before"] = before[name].where(was, "")
        frame[f"{name}_after"] = after[name].where(is_, "")
    pair, key = np.divmod(things.to_numpy(), max(len(keys), 1))
    frame["key"] = keys.take(key)
    for name in ("reference", "platform"):
        frame[name] = np.array([getattr(one, name) for one in pairs] or [""], dtype=object)[pair]
    _explain(frame, explained, pair, was, is_)
    _count(frame, counts.reindex(things), before, after, [explained[number] for number in pair])
    return _typed(frame)


def _explain(frame: pd.DataFrame, explained: Sequence[Explained], pair: Numbers, was: Numbers, is_: Numbers) -> None:
    """Set `status` and `why`, the runs where a side has none, and `found_by` as lists; like rows are told once."""
    scans, found_by = pd.factorize(frame["found_by"])
    asked, places = np.unique(((pair * len(found_by) + scans) * 2 + was) * 2 + is_, return_inverse=True)
    told = []
    for each in asked.tolist():
        number, found = divmod(each // 4, len(found_by))
        told.append(explained[number].tell(found_by[found], before=bool(each & 2), after=bool(each & 1)))
    answers = pd.DataFrame(told, columns=list(Told._fields), dtype="str").take(places).set_index(frame.index)
    frame["status"], frame["why"] = answers["status"], answers["why"]
    for name in ("run_before", "run_after"):
        frame[name] = frame[name].where(answers[name] == "", answers[name])
    lists = pd.Series([text.split(";") for text in found_by], dtype=pd.ArrowDtype(pa.list_(pa.string())))
    frame["found_by"] = lists.take(scans).set_axis(frame.index)


def _count(
    frame: pd.DataFrame, counts: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame, explained: Sequence[Explained]
) -> None:
    """Set how many there were and are, and `changed` with its reason where these are not as many, or not the same."""
    for side in ("before", "after"):
        frame[f"count_{side}"] = counts[side].astype("Int64")
    still = (frame["status"] == STILL).to_numpy()
    named = (before["names"] != after["names"]) & (before["names"] != "") & (after["names"] != "")
    others = named & (before["found_by"] == after["found_by"]) & counts[["before", "after"]].notna().all(axis=1)
    places = np.flatnonzero(still & (counts["changed"].eq(True) | others).to_numpy())
    status, why = frame["status"].to_numpy(dtype=object), frame["why"].to_numpy(dtype=object)
    for place in places.tolist():
        numbers = counts["before"].iloc[place], counts["after"].iloc[place]
        told = tell(*numbers, before["names"].iloc[place], after["names"].iloc[place])
        status[place] = CHANGED
        why[place] = f"{told}; {explained[place].image(before['found_by'].iloc[place].split(';'))}"
    frame["status"], frame["why"] = status, why


def _sources(older: State, newer: State, pairs: Sequence[Pair], explained: Sequence[Explained]) -> Iterator[Source]:
    for number, (pair, known) in enumerate(zip(pairs, explained, strict=True)):
        sides = ((False, older, pair.older, known.before), (True, newer, pair.newer, known.after))
        for is_newer, state, name, scans in sides:
            if name is not None:
                for scan in scans:
                    yield from (Source(*place, scan, number, is_newer) for place in state.sources(name, scan))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """The documented columns and dtypes, the rows in order."""
    frame["status"] = pd.Categorical(frame["status"], list(STATUSES))
    text = set(DIFFERENCE_COLUMNS) - {"status", "severity", "found_by", "owners", *_COUNTS}
    frame = frame.astype(dict.fromkeys(text, "str") | dict.fromkeys(_COUNTS, "Int64"))
    return frame.sort_values(_ORDER, ascending=_UPWARDS, ignore_index=True)[list(DIFFERENCE_COLUMNS)]
