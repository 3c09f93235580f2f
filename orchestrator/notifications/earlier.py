"""What earlier runs said of the cells and rules of a run: only what changed since is told."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.errors import ScanmatrixError
from orchestrator.model import Document, Outcome
from orchestrator.results.ledger import read_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.model import LedgerRow
    from orchestrator.results.run import RunResults

_log = logging.getLogger(__name__)

#: Reference, platform and scan: a cell that is the same when its image has a new digest.
CellName: TypeAlias = tuple[str, str, str]
#: Runs looked back at; the scheduler's are many and small, and each has other targets.
_RUNS = 50


class Earlier(Document, frozen=True):
    """What the last runs said.

    Attributes:
        failed: cells whose last run failed.
        broken: names of the rules that the last run of any of the same cells broke.
    """

    failed: frozenset[CellName] = frozenset()
    broken: frozenset[str] = frozenset()


def names(row: LedgerRow) -> Iterator[CellName]:
    """The names of a ledger row's cell."""
    for reference in row.references or (row.target,):
        yield reference, row.platform, row.scan


def look_back(results: RunResults) -> Earlier:
    """Read as many earlier ledgers as it takes to know how each failed cell ended before, newest first.

    A ledger that is gone or damaged is passed over with a warning.
    """
    wanted = {name for row in results.ledger.rows if row.outcome is Outcome.FAILED for name in names(row)}
    own = {name for row in results.ledger.rows for name in names(row)}
    failed: set[CellName] = set()
    broken: frozenset[str] | None = None
    for run in results.earlier()[:_RUNS]:
        if not wanted and broken is not None:
            break
        try:
            ledger = read_ledger(results.volume, run)
        except (ScanmatrixError, OSError) as error:
            _log.warning("notifications pass over run %s: %s", run, error)
            continue
        known = {name: row.outcome for row in ledger.rows if row.outcome is not Outcome.SKIPPED for name in names(row)}
        failed |= {name for name in wanted if known.get(name) is Outcome.FAILED}
        wanted -= known.keys()
        if broken is None and not own.isdisjoint(known):
            broken = frozenset(ledger.verdict.names)
    return Earlier(failed=frozenset(failed), broken=broken or frozenset())
