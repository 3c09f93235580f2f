"""Scanners' databases, fetched by our own code so that no scanner's image needs a network: one module for each kind.

A module has `name`, `offers(order)` and `fetch(order, part)` (see `interface.Kind`), its section in
`orchestrator.config.databases`, and its line in `KINDS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.databases import clamav, folder, grype, trivy
from orchestrator.databases.interface import DatabaseKind, DatabaseRefused, Order
from orchestrator.model import DatabaseFacts, DatabasePart

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS: dict[str, DatabaseKind] = {kind.name: kind for kind in (trivy, grype, clamav, folder)}


def fetch(kind: str, order: Order, *, whole: bool = False) -> DatabaseFacts | None:
    """Fill a folder with a database: what is unchanged out of the version from before, all else from its mirror.

    Args:
        kind: of the database.
        order: what is wanted.
        whole: whether to leave it when nothing has changed at all.

    Returns:
        What is known of it now; None where `whole` is asked for and nothing has changed.

    Raises:
        DatabaseRefused: what is served is damaged, forged, too large or too old.
        ImageError: a mirror or registry cannot be read.
    """
    found = KINDS.get(kind)
    if found is None:
        raise DatabaseRefused(f"{kind!r} is no kind of database (there are {', '.join(KINDS)}); plan a new run")
    offered = found.offers(order)
    for part in offered:
        order.judge(part)
    if whole and offered and all(_is_known(part, order) for part in offered):
        _judge_all((order.before[part.name] for part in offered), order)
        return None
    parts = tuple(order.reuse(part) or found.fetch(order, part) for part in offered)
    _judge_all(parts, order)
    return DatabaseFacts(kind=kind, parts=parts)


def _is_known(part: DatabasePart, order: Order) -> bool:
    known = order.before.get(part.name)
    return known is not None and (known.origin, known.digest) == (part.origin, part.digest)


def _judge_all(parts: Iterable[DatabasePart], order: Order) -> None:
    """Once more, now that is known what the offers did not tell."""
    for part in parts:
        order.judge(part)
