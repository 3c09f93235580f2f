"""Everything that one run left on the volume, each part read when it is first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.errors import PermanentError
from orchestrator.findings import kinds_of
from orchestrator.model import Plan
from orchestrator.model.documents import read
from orchestrator.results.bom import BOM
from orchestrator.results.ledger import read_ledger, suspects

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pandas as pd

    from orchestrator.model import Ledger, Severity
    from orchestrator.results.tables.rows import MergedFile
    from orchestrator.volume.layout import Volume


class RunResults:
    """The results of a run that has ended.

    Attributes:
        run: its id.
        volume: where it lies.
        folder: its results folder, `results/<run>/`.

    Args:
        volume: where it lies.
        run: its id.
        ledger: its ledger, where that is known but not yet written.
    """

    def __init__(self, volume: Volume, run: str, ledger: Ledger | None = None) -> None:
        self.run = run
        self.volume = volume
        self.folder: Path = volume.results(run)
        self._ledger = ledger

    def __repr__(self) -> str:
        return f"RunResults({self.run!r})"

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger.

        Raises:
            NoResultsError: the run has none.
        """
        return self._ledger or read_ledger(self.volume, self.run)

    @cached_property
    def looks_for(self) -> dict[str, frozenset[str]]:
        """The kinds of findings that each scan looks for, as far as the run's plan is on the volume."""
        try:
            plan = read(self.volume.plan(self.run), Plan)
        except (PermanentError, OSError):
            return {}
        return {scan.name: kinds for scan in plan.scans if (kinds := kinds_of(scan)) is not None}

    @cached_property
    def merged(self) -> pd.DataFrame:
        """The merged findings, columns and dtypes as `orchestrator.results.read_merged` gives them.

        Raises:
            NoResultsError: the run has none.
        """
        from orchestrator.results.tables.reading import read_merged  # noqa: PLC0415 - imports pandas

        return read_merged(self.volume, self.run)

    def open_merged(self) -> AbstractContextManager[MergedFile]:
        """The merged findings as typed rows, streamed: `with results.open_merged() as rows: for row in rows: …`.

        Raises:
            NoResultsError: the run has none, or they are damaged; reading the rows raises it, too.
        """
        from orchestrator.results.tables.rows import open_merged  # noqa: PLC0415 - imports pyarrow

        return open_merged(self.folder / "merged.parquet", suspects(self.volume, self.run))

    @cached_property
    def findings(self) -> pd.DataFrame:
        """The findings as each scanner reported them, as `orchestrator.results.read_findings` gives them.

        Raises:
            NoResultsError: the run has none.
        """
        from orchestrator.results.tables.reading import read_findings  # noqa: PLC0415 - imports pandas

        return read_findings(self.volume, self.run)

    def counts(self) -> tuple[dict[Severity, int], int]:
        """Merged findings that are not suppressed by severity, the worst first, and how many are suppressed.

        Raises:
            NoResultsError: the run has no merged findings, or they are damaged.
        """
        from orchestrator.results.tables.reading import count_merged  # noqa: PLC0415 - imports pandas

        return count_merged(self.volume, self.run)

    @property
    def bom(self) -> Path:
        """Where the merged CycloneDX BOM lies, whether it is there or not; that of what was put is made here.

        Raises:
            NoResultsError: it would be made, but its run is not on the volume any more.
            OSError: it would be made, but the volume cannot be written.
        """
        from orchestrator.results.bom.later import is_made_later, make_bom  # noqa: PLC0415 - imports the library

        path = self.folder / BOM
        if not path.exists() and is_made_later(self.ledger):
            make_bom(self.volume, self.ledger, path)
        return path
