"""An attempt of one cell, as every stage step begins it: its folder ready, and whatever happens in its record."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.errors import PermanentError, ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.kit.removal import remove
from orchestrator.scanners.distrust import why_refused
from orchestrator.upkeep.leftovers import make_accessible
from orchestrator.volume.records import Records, now

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.model import CellRecord, Plan, Scan
    from orchestrator.volume.layout import Volume


@dataclass
class StagedAttempt:
    """One that is being staged.

    Attributes:
        folder: of the cell, without an earlier attempt's report.
        record: as it will be written.
    """

    folder: Path
    record: CellRecord

    def note(self, **changes: Any) -> None:
        """Change the record."""
        self.record = msgspec.structs.replace(self.record, **changes)


@contextmanager
def staging(
    plan: Plan, target_id: str, scan: Scan, volume: Volume, *, in_image: bool, **known: Any
) -> Iterator[StagedAttempt]:
    """Begin an attempt; when the block ends, its record is on the volume, with the error that it raised, if any.

    Args:
        plan: the run's plan.
        target_id: the cell's target.
        scan: the cell's scan.
        volume: where everything lies.
        in_image: whether the scanner runs in its image; otherwise it is a process.
        known: what the record says from the beginning.

    Raises:
        PermanentError: the scan's image is not trusted any more; besides, whatever the block raises.
    """
    records = Records(volume, plan.run)
    record = records.attempt(target_id, scan.name, image=scan.image if in_image else "")
    attempt = StagedAttempt(volume.cell(plan.run, target_id, scan.name), msgspec.structs.replace(record, **known))
    try:
        with guarded(f"staging {target_id} for {scan.name}"):
            if reason := why_refused(scan, (*plan.distrusted, *volume.distrusted), now()):
                raise PermanentError(reason)
            attempt.folder.mkdir(parents=True, exist_ok=True)
            make_accessible(attempt.folder)
            remove(attempt.folder / scan.report)
            yield attempt
    except ScanmatrixError as error:
        attempt.note(error=str(error), finished=now())
        raise
    finally:
        records.write(target_id, scan.name, attempt.record)
