"""The merged findings of names at a moment, as frames: one row for each name and thing found.

This module imports pandas and pyarrow: import it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.model import Severity
from orchestrator.queries.difference.counts import compare_counts, counts_of, names_in
from orchestrator.results.tables.reading import read_merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.queries.difference.states import Order
    from orchestrator.volume.layout import Volume

_COLUMNS = (
    "target",
    "key",
    "kind",
    "id",
    "severity",
    "package",
    "version",
    "fixed_version",
    "found_by",
    "owners",
    "suppressed",
    "counts",
    "places",
)
_GATHERED = (
    "kind",
    "id",
    "package",
    "owners",
    "severity",
    "version",
    "fixed_version",
    "suppressed",
    "found_by",
    "run",
    "names",
)
_LISTS = pd.ArrowDtype(pa.list_(pa.string()))


class Source(NamedTuple):
    """Where a result lies that is part of what is compared.

    Attributes:
        pair: number of the two names that are compared.
        newer: which of the two it belongs to.
    """

    order: Order
    target: str
    scan: str
    pair: int
    newer: bool


class Rows(NamedTuple):
    """What both sides found.

    Attributes:
        before: the older side, indexed by thing, one row each, in no order: `kind`, `id`, `severity`, `package`,
            `version`, `fixed_version`, `owners` and `suppressed` as the latest run has them, the versions of several
            packages joined by `, `; `found_by`, the scans joined by `;`; `run`; `names`, of its places, a line each.
        after: the newer side likewise.
        counts: of both, as `compare_counts` gives them.
        keys: every key there is; a thing is the number of its pair times the number of keys, and the place of its key.
    """

    before: pd.DataFrame
    after: pd.DataFrame
    counts: pd.DataFrame
    keys: pd.Index[str]


def read_sources(volume: Volume, sources: Iterable[Source]) -> Rows:
    """What was found by these results; each run's file is read once, for both sides, and of it only these targets.

    Raises:
        NoResultsError: a run has a ledger but no merged findings, or damaged ones.
    """
    by_run: dict[Order, list[Source]] = {}
    for source in sources:
        by_run.setdefault(source.order, []).append(source)
    orders = sorted(by_run)
    frames = [_read(volume, order[1], by_run[order], rank) for rank, order in enumerate(orders)]
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        none = pd.DataFrame({"before": [], "after": [], "changed": pd.Series([], dtype="bool")}, dtype="float64")
        return Rows(_nothing(), _nothing(), none, pd.Index([], dtype="str"))
    found = pd.concat(frames, ignore_index=True)
    del frames
    codes, keys = pd.factorize(found.pop("key"))
    found["thing"] = found.pop("pair") * len(keys) + codes
    counts = compare_counts(found[["thing", "scan", "rank", "newer", "row", "count"]])
    newer, runs = found.pop("newer"), [order[1] for order in orders]
    return Rows(_gather(found[~newer], runs), _gather(found[newer], runs), counts, keys)


def _read(volume: Volume, run: str, sources: Sequence[Source], rank: int) -> pd.DataFrame:
    """The rows of one run, one for each name and scan that they are found by."""
    targets = {source.target for source in sources}
    merged = read_merged(volume, run, targets=targets, columns=_COLUMNS)
    found_by = pa.array(merged.pop("found_by"))
    rows = pd.DataFrame(
        {
            "row": np.asarray(pc.list_parent_indices(found_by), dtype="int64"),
            "scan": pd.Series(pc.list_flatten(found_by).to_pylist(), dtype="str"),
        }
    )
    rows["count"] = counts_of(rows, pa.array(merged.pop("counts")))
    merged["names"] = pd.Series(names_in(merged.pop("places")), dtype="str", index=merged.index)
    rows["target"] = merged["target"].to_numpy()[rows["row"]]
    wanted = pd.DataFrame(sources, columns=list(Source._fields)).drop(columns="order")
    wanted = wanted.astype({"target": "str", "scan": "str"})
    rows = rows.merge(wanted, on=["target", "scan"]).drop(columns="target")
    found = pd.concat([rows, merged.iloc[rows["row"]].drop(columns="target").reset_index(drop=True)], axis=1)
    return found.assign(rank=rank)


def _gather(found: pd.DataFrame, runs: Sequence[str]) -> pd.DataFrame:
    """One row for each thing."""
    if found.empty:
        return _nothing()
    group, things = pd.factorize(found["thing"])
    found = found.assign(group=group)
    found_by = _joined(found, "scan", ";", len(things))
    # Of a thing that several runs know, the latest says what it is; its rows are there once for each scan.
    latest = found["rank"] == found.groupby("group")["rank"].transform("max")
    found = found[latest].drop_duplicates(["group", "row"])
    first = found.sort_values(["group", "row"], kind="stable").drop_duplicates("group").set_index("group")
    gathered = first[["kind", "id", "package", "owners"]].copy()
    gathered["severity"] = found.groupby("group")["severity"].max()
    gathered["version"] = _joined(found, "version", ", ", len(things))
    gathered["fixed_version"] = _joined(found, "fixed_version", ", ", len(things))
    open_ = found.loc[found["suppressed"] == "", "group"].unique()
    gathered["names"] = _joined(found, "names", "\n", len(things))
    gathered["suppressed"] = first["suppressed"].where(~first.index.isin(open_), "")
    gathered["found_by"] = found_by
    gathered["run"] = pd.Series(runs, dtype="str").to_numpy()[first["rank"]]
    gathered.index = pd.Index(things)
    return gathered.astype(dict.fromkeys(("run", "version", "fixed_version", "found_by", "names"), "str"))


def _joined(found: pd.DataFrame, column: str, separator: str, groups: int) -> list[str]:
    """The distinct words of each group in order, joined; `""` for a group without any."""
    words = found.loc[found[column] != "", ["group", column]].drop_duplicates().sort_values(["group", column])
    offsets = np.searchsorted(words["group"].to_numpy(), np.arange(groups + 1))
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(words[column], pa.string()))
    joined: list[str] = pc.binary_join(lists, separator).to_pylist()
    return joined


def _nothing() -> pd.DataFrame:
    """No row, with the dtypes that others have."""
    special = {"owners": _LISTS, "severity": pd.CategoricalDtype([word.value for word in Severity], ordered=True)}
    columns = {name: pd.Series([], dtype=special.get(name, "str")) for name in _GATHERED}
    return pd.DataFrame(columns, index=pd.Index([], dtype="int64"))
