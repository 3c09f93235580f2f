"""The store of a configuration, ready to be asked: anybody who asks first imports what the volume has and it lacks."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import msgspec

from orchestrator.model import Outcome
from orchestrator.queries.store import Store
from orchestrator.results.ledger import seconds
from orchestrator.results.provisional import LEDGER
from orchestrator.store.database import FILE
from orchestrator.store.documents import SchemaError, StoreError, StoreGoneError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.config.loading import Config
    from orchestrator.volume.layout import Volume


class _Row(msgspec.Struct):
    target: str
    scan: str
    outcome: str
    finished: str = ""


class _Ledger(msgspec.Struct):
    """As much of a damaged run as is needed to know what is missing."""

    rows: list[_Row]


_log = logging.getLogger(__name__)
#: The store that the code around this context keeps open and filled: see `orchestrator.queries.kept`.
KEPT: ContextVar[Store | None] = ContextVar("KEPT", default=None)
#: Of whose targets the questions of this context may tell; None for all. The service sets it for each request.
OWNERS: ContextVar[frozenset[str] | None] = ContextVar("OWNERS", default=None)


@contextmanager
def asking(volume: Volume, config: Config | None = None) -> Iterator[Store]:
    """A store with every finished run of a volume in it.

    Args:
        volume: where the runs lie; they are the truth.
        config: names the store; without one, or where it names none, it is a file on the volume, whose tables are
            brought up to date. Where that file cannot be written, because the volume is read-only or has no locks, it
            is made again for this question in a temporary folder.

    Yields:
        The store; the one that is kept open in this context, where there is one.
        A run that is damaged is not in it, which is logged; where it has the latest result of something,
        that is never taken for clean: the store then refuses to answer.

    Raises:
        StoreGoneError: a configured database does not answer.
        SchemaError: its tables are of another version.
    """
    if (kept := KEPT.get()) is not None:
        yield seen_here(kept)
        return
    if config is not None and config.store.url is not None:
        with Store.of(config) as store:
            fill(store, volume)
            yield store
        return
    if _is_writable(volume.root):
        with Store(f"sqlite:///{volume.root / FILE}") as store:
            try:
                store.migrate()
                fill(store, volume)
            except SchemaError:
                raise
            except (StoreError, StoreGoneError, OSError) as error:
                _log.warning("%s; the store is made again for this question alone: remove that file to fix it", error)
            else:
                yield store
                return
    with tempfile.TemporaryDirectory(prefix="scanmatrix-") as folder, Store(f"sqlite:///{folder}/{FILE}") as store:
        fill(store, volume)
        yield store


@contextmanager
def as_everybody() -> Iterator[None]:
    """Within the block, questions tell of all targets: for work that was allowed to who asked for it."""
    token = OWNERS.set(None)
    try:
        yield
    finally:
        OWNERS.reset(token)


def seen_here(store: Store) -> Store:
    """A store as those may see it whom the questions of this context come from."""
    owners = OWNERS.get()
    return store if owners is None else store.only(owners)


def _is_writable(folder: Path) -> bool:
    """Whether we may keep a store in a folder, and use what is there of one."""
    present = [path for end in ("", ".lock", "-wal", "-shm") if (path := folder / f"{FILE}{end}").exists()]
    return os.access(folder, os.W_OK) and all(os.access(path, os.R_OK | os.W_OK) for path in present)


def fill(store: Store, volume: Volume) -> int:
    """Import what a volume has and a store lacks.

    Returns:
        How many runs were imported.
    """
    found = store.take_in_all(volume)
    known = store.miss_none_but(found.damaged)
    for run, why in found.damaged.items():
        if known.get(run) != why:
            _log.warning("%s", why)
        results = _results_of(volume, run)
        store.miss(run, why, results)
    return len(found.runs)


def _results_of(volume: Volume, run: str) -> list[tuple[str, str, int]]:
    """The results that a run should have, as far as its ledger can be read: target, scan, and when it ended."""
    try:
        rows = msgspec.json.decode((volume.results(run) / LEDGER).read_bytes(), type=_Ledger).rows
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return [(row.target, row.scan, seconds(row.finished)) for row in rows if row.outcome == Outcome.OK]
