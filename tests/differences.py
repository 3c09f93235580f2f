"""Runs on a volume as `orchestrator.queries.difference` reads them: a ledger, and merged findings beside it."""

from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import pandas as pd

from orchestrator.model import Ledger, LedgerRow, MergedFinding, Outcome
from orchestrator.model.documents import encode
from orchestrator.queries import asking
from orchestrator.queries.difference import STILL
from orchestrator.queries.frames import differences_frame
from orchestrator.results.provisional import LEDGER
from orchestrator.results.tables.writing import MergedWriter
from orchestrator.volume.layout import Volume, atomic_file, write_atomic

OK, FAILED, SKIPPED = Outcome


@dataclass
class Run:
    """A run that is being written down: cells first, then what they found."""

    id: str
    finished: str
    partial: bool = False
    rows: list[LedgerRow] = field(default_factory=list)
    found: dict[str, list[MergedFinding]] = field(default_factory=dict)

    def cell(self, target, scan, outcome=OK, reason="", *, names=None, standing="", platform="linux/amd64", owners=()):
        """One cell; a target `app@2` is called `app` unless it is given names."""
        row = LedgerRow(
            cell=f"{target}/{scan}",
            target=target.replace("@", "-"),
            scan=scan,
            references=tuple(names or (f"registry.example/{target.split('@')[0]}",)),
            outcome=outcome,
            reason=reason or ("" if outcome is OK else "for a reason"),
            standing=standing,
            platform=platform,
            owners=tuple(owners),
            digest=f"sha256:{target}",
        )
        self.rows.append(row)
        return self

    def find(self, target, id_, *scans, **changes):
        """One merged finding of a target, found by these scans."""
        target = target.replace("@", "-")
        fields = {
            "target": target,
            "key": f"vulnerability|{id_}|deb/zlib",
            "kind": "vulnerability",
            "id": id_,
            "severity": "high",
            "package": "zlib",
            "version": "1.2.11",
            "found_by": scans,
        }
        finding = msgspec.convert(msgspec.to_builtins(fields | changes), MergedFinding)
        self.found.setdefault(target, []).append(finding)
        return self

    def write(self, volume: Volume) -> "Run":
        """Its files, as the aggregate step writes them."""
        folder = volume.results(self.id)
        with (
            atomic_file(folder / "merged.parquet") as parquet,
            atomic_file(folder / "merged.csv") as csv,
            MergedWriter(self.id, parquet, csv) as writer,
        ):
            for row in {row.target: row for row in self.rows}.values():
                writer.add(row, self.found.get(row.target, []))
        ledger = Ledger(
            run=self.id, created=self.finished, finished=self.finished, rows=tuple(self.rows), partial=self.partial
        )
        write_atomic(folder / LEDGER, encode(ledger))
        return self


def since_last(volume: Volume, run: str) -> pd.DataFrame:
    """What a run changed, asked of the volume's store."""
    with asking(volume) as store:
        found = store.differences(run)
        assert store.differences(run, still=False) == [row for row in found if row.altered or row.status != STILL]
        return differences_frame(found)


def since(volume: Volume, moment: datetime, **options) -> pd.DataFrame:
    """What changed since a moment, asked of the volume's store."""
    with asking(volume) as store:
        return differences_frame(store.differences(since=moment, **options))


def between(volume: Volume, *references: str) -> pd.DataFrame:
    """What is different between two names, asked of the volume's store."""
    with asking(volume) as store:
        return differences_frame(store.differences(between=references))
