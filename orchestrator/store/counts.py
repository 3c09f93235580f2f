"""What is counted of a run's findings while they are read; this module imports pyarrow: import it where it is used."""

from __future__ import annotations

from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from orchestrator.model import Severity
from orchestrator.results.tables.rows import count_rows
from orchestrator.store.lookers import FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import MergedFinding

_SCANS = ("found_by", *FIELDS)
_scans_of = attrgetter(*_SCANS)


class Numbers:
    """What is counted while a run is read.

    Attributes:
        scores: EPSS by the id that has it.
        unsuppressed: merged findings by severity.
        suppressed: number of those that are.
        looks_for: by kind of finding, the scans that look for it, as far as the rows tell.
    """

    def __init__(self) -> None:
        self.scores: dict[str, float] = {}
        self.unsuppressed = Counter[Severity]()
        self.suppressed = 0
        self.looks_for: dict[str, list[str]] = {}

    def add(self, table: Any) -> None:
        """Count the rows of a `pyarrow.Table`."""
        counts, suppressed = count_rows(table)
        self.suppressed += suppressed
        self.unsuppressed.update(counts)
        if "epss" in table.column_names:
            known = table.select(["id", "epss"]).filter(pc.is_valid(table["epss"]))
            self.scores |= zip(known["id"].to_pylist(), known["epss"].to_pylist(), strict=True)
        scans = [name for name in _SCANS if name in table.column_names]
        for kind in pc.unique(table["kind"]).to_pylist():
            rows = table.select(scans).filter(pc.equal(table["kind"], kind))
            told = [scan for name in scans for scan in pc.unique(pc.list_flatten(rows[name])).to_pylist()]
            self._look(kind, told)

    def add_made(self, found: Sequence[MergedFinding]) -> None:
        """Count findings."""
        # Of most findings the scans are the same, and one tuple.
        said: dict[tuple[str, tuple[tuple[str, ...], ...]], None] = {}
        for finding in found:
            if finding.suppressed is not None:
                self.suppressed += 1
            else:
                self.unsuppressed[finding.severity] += 1
            if finding.epss is not None:
                self.scores[finding.id] = finding.epss
            said[finding.kind, _scans_of(finding)] = None
        for kind, scans in said:
            self._look(kind, [scan for some in scans for scan in some])

    def _look(self, kind: str, scans: Sequence[str]) -> None:
        self.looks_for[kind] = list(dict.fromkeys((*self.looks_for.get(kind, ()), *scans)))
