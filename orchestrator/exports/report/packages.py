"""The packages with the worst findings, gathered row group by row group.

This module imports pyarrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.exports.report.severities import NAMES, tally

if TYPE_CHECKING:
    from orchestrator.exports.report.severities import Counts

_KEYS = ("ecosystem", "package")


class PackageCount(NamedTuple):
    """What one package brings into the run.

    Attributes:
        targets: number of targets it is in.
        fixable: of its findings, how many have a fixed version.
    """

    ecosystem: str
    package: str
    counts: Counts
    targets: int
    fixable: int


class PackageTally:
    """Sums for each package; of what was added, only these and the packages of the last target are kept.

    A target's findings stand together in `merged.parquet`: one that spans two row groups counts once.
    """

    def __init__(self) -> None:
        self._parts: list[Any] = []
        self._target = ""
        self._seen: Any = pa.array([], pa.string())

    def add(self, table: pa.Table) -> None:
        """Add the unsuppressed rows of a row group, with the columns of `with_severities` and `fixable`."""
        named = pc.not_equal(table["package"], "")
        if not pc.all(named).as_py():
            table = table.filter(named)
        if not len(table):
            return
        table = table.append_column("fixed", pc.cast(table["fixable"], pa.int64()))
        one_each = tally(table, (*_KEYS, "target"), "fixed")
        name = pc.binary_join_element_wise(one_each["ecosystem"], one_each["package"], "\0")
        known = pc.and_(pc.equal(one_each["target"], self._target), pc.is_in(name, value_set=self._seen))
        one_each = one_each.append_column("targets", pc.cast(pc.invert(known), pa.int64()))
        self._parts.append(tally(one_each, _KEYS, "fixed", "targets"))
        self._remember(table["target"][-1].as_py(), one_each["target"], name)

    def _remember(self, target: str, targets: Any, names: Any) -> None:
        before = self._seen if target == self._target else pa.array([], pa.string())
        here = names.filter(pc.equal(targets, target))
        self._target, self._seen = target, pc.unique(pa.chunked_array([before, *here.chunks], pa.string()))

    def top(self, most: int) -> list[PackageCount]:
        """This many packages, those with the worst findings first."""
        if not self._parts:
            return []
        summed = tally(pa.concat_tables(self._parts), _KEYS, "fixed", "targets")
        order = [(name, "descending") for name in NAMES] + [(key, "ascending") for key in _KEYS]
        rows = summed.take(pc.select_k_unstable(summed, k=min(most, len(summed)), sort_keys=order)).to_pylist()
        return [
            PackageCount(
                ecosystem=row["ecosystem"],
                package=row["package"],
                counts=tuple(row[name] for name in NAMES),
                targets=row["targets"],
                fixable=row["fixed"],
            )
            for row in rows
        ]
