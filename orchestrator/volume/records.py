"""The records of a run's cells: the one reader and the one writer.

A record lies beside its cell's folder, out of reach of the cell's scanner. It is written when an attempt begins, when
our own code ends or fails it, and when the cluster is asked how it ended (`orchestrator.steps.settle`). What a record
means for its cell, `orchestrator.model.endings` decides.
"""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from orchestrator.errors import PermanentError
from orchestrator.model import CellRecord
from orchestrator.model.documents import DocumentError, decode, encode, spell_time
from orchestrator.model.endings import RecordState, failed_by_code, state_of_record
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from orchestrator.volume.layout import Volume

#: Most bytes of a record that is read, and most characters of an error or a log that is written.
_LARGEST = 1024 * 1024
_LONGEST = 16_000
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Recorded(NamedTuple):
    """A record as it was found.

    Attributes:
        state: what it says.
        record: what it holds; an empty one where there is none, or none that can be read.
        reason: why the cell failed by it, or why it cannot be read.
    """

    state: RecordState
    record: CellRecord
    reason: str = ""


#: Of a cell that has no record.
NOTHING_RECORDED = Recorded(RecordState.NONE, CellRecord())


class Records:
    """The records of one run.

    Args:
        volume: where the run lies.
        run: its id.
    """

    def __init__(self, volume: Volume, run: str) -> None:
        self._volume = volume
        self._run = run

    def look(self, target: str, scan: str, success_codes: Collection[int] | None = None) -> Recorded:
        """The record of a cell; trouble of any kind with it is its state, never an exception.

        Args:
            target: id of its target.
            scan: name of its scan.
            success_codes: of the scan; None to leave it at the record's error.
        """
        try:
            path = self._volume.record(self._run, target, scan)
            record = decode(read_small(path), CellRecord, origin=str(path))
        except FileNotFoundError:
            return NOTHING_RECORDED
        except (PermanentError, OSError) as error:
            return Recorded(RecordState.DAMAGED, CellRecord(), f"its record cannot be read: {error}")
        reason = record.error
        if not reason and failed_by_code(record, success_codes):
            reason = f"the scanner ended with exit code {record.exit_code}"
        return Recorded(state_of_record(record, success_codes), record, reason)

    def attempt(self, target: str, scan: str, *, image: str = "") -> CellRecord:
        """The record of an attempt that begins now, not written yet, with what is worth keeping of those before.

        Args:
            target: id of the cell's target.
            scan: name of its scan.
            image: in which the scanner will run; empty for a process.
        """
        # One that is damaged counts for none: the attempt matters more than the count.
        before = self.look(target, scan).record
        return CellRecord(attempts=before.attempts + 1, started=before.started or now(), image=image)

    def write(self, target: str, scan: str, record: CellRecord, **changes: Any) -> CellRecord:
        """Write the record of a cell, with changes; it is returned as it was written.

        Raises:
            OSError: the volume cannot be written.
        """
        record = msgspec.structs.replace(record, **changes)
        record = msgspec.structs.replace(record, error=record.error[:_LONGEST], log=record.log[-_LONGEST:])
        write_atomic(self._volume.record(self._run, target, scan), encode(record))
        return record

    def fail(self, target: str, scan: str, error: str) -> CellRecord:
        """Write down why a cell's scanner was not started; what is known of earlier attempts stays."""
        before = self.look(target, scan).record
        return self.write(target, scan, before, finished=now(), error=error, exit_code=None, log="", given_up=False)


def read_small(path: Path) -> bytes:
    """The bytes of a record or another small file of ours: no link is followed, no pipe waited for, no end passed."""
    descriptor = os.open(path, _OPEN)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DocumentError(f"{path}: not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(_LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(data) > _LARGEST:
        raise DocumentError(f"{path}: larger than {_LARGEST:,} bytes")
    return data


def now() -> str:
    """The present as records have it."""
    return spell_time(datetime.now(UTC))
