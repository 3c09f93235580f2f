"""The answer to `results list`, remembered beside the store for as long as all that it rests on is as it was.

What it rests on: who asked (configuration, variables, volume), this program, the files with rules about scanners, the
store, and the ledgers on the volume. Whether these are the same is seen without opening the store, whose libraries take
ten times as long to load as Python takes to start. What is not the same is asked again; nothing is ever worked out from
what is remembered. Only where the store is the file on the volume: others change without our seeing it.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from orchestrator.results.errors import NoResultsError
from orchestrator.results.finished import finished_runs
from orchestrator.results.overview import RunSummary  # noqa: TC001 - msgspec reads the annotations
from orchestrator.store.reading import stamp
from orchestrator.volume.layout import STORE, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.volume.layout import Volume

#: Beside the store.
FILE = "store.runs.json"
#: A file that was written less than this many seconds ago may be written again without another time.
SETTLES_IN = 0.02
#: Of this program: what changes with every version, and with the rules it brings.
_PROGRAM = tuple(
    Path(__file__).parents[1] / part
    for part in ("__init__.py", "queries/overview.py", "results/overview.py", "scanners/denied.yaml")
)


class RememberedRuns(msgspec.Struct, frozen=True):
    """An answer, and what it rests on.

    Attributes:
        question: a digest of who asked.
        rules: files with rules about scanners, and what their content was; none where there was no such file.
        basis: a digest of program, store and ledgers.
        most: how many runs were wanted; None for all.
        runs: the answer, the latest first.
    """

    question: str
    rules: dict[str, str]
    basis: str
    most: int | None
    runs: tuple[RunSummary, ...]


def recall(volume: Volume, question: str, most: int | None) -> tuple[RunSummary, ...] | None:
    """The runs in numbers, the latest first; None where they have to be asked for.

    Args:
        volume: where the store lies.
        question: a digest of who asks.
        most: of them; None for all.
    """
    try:
        known = msgspec.json.decode((volume.root / FILE).read_bytes(), type=RememberedRuns)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    whole = known.most is None or len(known.runs) < known.most
    if known.question != question or not (whole or (most is not None and most <= len(known.runs))):
        return None
    if known.rules != contents(known.rules) or known.basis != basis(volume):
        return None
    return known.runs[:most]


def remember(volume: Volume, known: RememberedRuns) -> None:
    """Keep an answer; a volume that takes no files keeps none."""
    with suppress(OSError):
        write_atomic(volume.root / FILE, msgspec.json.encode(known))


def contents(paths: Iterable[str]) -> dict[str, str]:
    """Digests of files by their paths, empty for one that cannot be read."""
    return {path: _digest_of(Path(path)) for path in paths}


def basis(volume: Volume) -> str:
    """What the answer rests on: as long as this is the same, so are this program, the store and all ledgers.

    Returns:
        A digest; empty where something was written just now, or while this looked.
    """
    files = [*_PROGRAM, volume.root / STORE, volume.root / f"{STORE}-wal"]
    try:
        found = [_stamp_of(path) for path in files]
        ledgers = [(run, stamp(volume, run)) for run in finished_runs(volume)]
    except (OSError, NoResultsError):
        return ""
    if max(written for _, _, written in found) > time.time_ns() - SETTLES_IN * 1e9:
        return ""
    return digest([str(_PROGRAM[0]), found, ledgers])


def digest(parts: Sequence[object]) -> str:
    """Of plain data."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _stamp_of(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns


def _digest_of(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
