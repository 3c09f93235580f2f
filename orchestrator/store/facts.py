"""What findings say: each fact is kept once, under a number of its own, however many targets have it.

Facts are written before the cells that have them, in transactions of their own: one that nobody refers to does no harm.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select

from orchestrator.model import Severity
from orchestrator.store.catalogue import batches, clip, spell_id
from orchestrator.store.dialects import among, insert_new
from orchestrator.store.schema import LONGEST_ID, LONGEST_NAME, fact_ids, facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection

    from orchestrator.store.reading import Fact

_RANKS = {severity.value: severity.rank for severity in Severity}
# Ids remembered of facts; beyond it they are looked up again.
_REMEMBERED = 500_000
_IDENTITY = ("kind", "id", "package", "version", "purl", "location")


class Facts:
    """Ids of facts; those that are not there yet are written."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[bytes, int] = {}

    def ids(self, found: Sequence[Sequence[Fact]]) -> list[set[int]]:
        """For each cell, the ids of what it found."""
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        digests = [list(map(_digest, of_cell)) for of_cell in found]
        unknown = {
            digest: fact
            for keys, of_cell in zip(digests, found, strict=True)
            for digest, fact in zip(keys, of_cell, strict=True)
            if digest not in self._known
        }
        for some in batches(unknown):
            self._look_up(some)
            new = {digest: unknown[digest] for digest in some if digest not in self._known}
            if new:
                self._write(new)
        return [{self._known[digest] for digest in keys} for keys in digests]

    def _look_up(self, digests: Iterable[bytes]) -> None:
        wanted = [digest.hex() for digest in digests]
        with self._connection.begin():
            self._known |= self._find(wanted)

    def _find(self, digests: Sequence[str]) -> dict[bytes, int]:
        rows = self._connection.execute(
            select(facts.c.digest, facts.c.id).where(among(self._connection, facts.c.digest, digests))
        )
        return {bytes.fromhex(row.digest): row.id for row in rows}

    def _write(self, new: dict[bytes, Fact]) -> None:
        """Facts and all their ids in one transaction: a fact without them would never be found."""
        with self._connection.begin():
            insert_new(self._connection, facts, [_row(digest, fact) for digest, fact in new.items()])
            made = self._find([digest.hex() for digest in new])
            ids = {
                (spell_id(name), made[digest]): name == fact.id
                for digest, fact in new.items()
                for name in (*fact.aliases, fact.id)
            }
            rows = [{"name": name, "fact_id": fact, "own": own} for (name, fact), own in ids.items()]
            insert_new(self._connection, fact_ids, rows)
        self._known |= made


def _digest(fact: Fact) -> bytes:
    # Without a place it is that of earlier versions, so that what they wrote is the same fact.
    whole = tuple(fact) if fact.place else tuple(fact)[:-1]
    return hashlib.blake2b(msgspec.json.encode(whole), digest_size=16).digest()


def _row(digest: bytes, fact: Fact) -> dict[str, Any]:
    identity = msgspec.json.encode([getattr(fact, name) for name in _IDENTITY])
    return {
        "digest": digest.hex(),
        "identity": hashlib.blake2b(identity, digest_size=16).hexdigest(),
        "kind": clip(fact.kind, 32),
        "name": clip(fact.id, LONGEST_ID),
        "severity": _RANKS.get(fact.severity, 0),
        "title": clip(fact.title),
        "package": clip(fact.package),
        "version": clip(fact.version),
        "purl": clip(fact.purl),
        "location": clip(fact.location),
        "fixed_version": clip(fact.fixed_version),
        "cvss_score": fact.cvss_score,
        "cvss_version": clip(fact.cvss_version, 16),
        "cvss_vector": clip(fact.cvss_vector),
        "place": clip(fact.place, LONGEST_NAME),
    }
