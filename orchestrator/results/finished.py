"""Which runs of a volume have finished; nothing is read, so that there is little to load."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.results.provisional import LEDGER, attempts

if TYPE_CHECKING:
    from orchestrator.volume.layout import Volume


def finished_runs(volume: Volume) -> tuple[str, ...]:
    """Ids of the runs that have a ledger, the most recently finished first."""
    found = sorted(((entry.stat().st_mtime, run) for run, entry in ledgers(volume)), reverse=True)
    return tuple(run for _, run in found)


def ledgers(volume: Volume) -> list[tuple[str, os.DirEntry[str]]]:
    """Every run's id and ledger file, by id; provisional ones left out."""
    folder = volume.root / "results"
    if not folder.is_dir():
        return []
    found = []
    with os.scandir(folder) as runs:
        for run in runs:
            if run.is_dir(follow_symlinks=False) and not run.name.startswith("."):
                with os.scandir(run.path) as files:
                    ledgers = [file for file in files if file.name == LEDGER and file.is_file()]
                # Asked last: the mark of a provisional ledger is there before it is.
                if ledgers and not attempts(Path(run.path)).provisional:
                    found += [(run.name, file) for file in ledgers]
    return sorted(found, key=lambda pair: pair[0])
