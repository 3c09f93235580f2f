"""What findings say: each fact is kept once, under a number of its own, however many targets have it.

Facts are written before the cells that have them, in transactions of their own: one that nobody refers to does no harm.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from sqlalchemy import func, select

from orchestrator.model import MergedFinding, Severity
from orchestrator.store.answers import SEVERITIES
from orchestrator.store.catalogue import spell_id
from orchestrator.store.columns import LONGEST, clip
from orchestrator.store.dialects import BATCH, among, batches, insert, insert_new, rows_by
from orchestrator.store.documents import SchemaError
from orchestrator.store.events.recording import writing
from orchestrator.store.lookers import FIELDS
from orchestrator.store.merged import alone
from orchestrator.store.schema import LONGEST_ID, LONGEST_NAME, fact_ids, facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Row

    from orchestrator.store.pieces import Piece, RowsOfPiece

_RANKS = {severity: severity.rank for severity in Severity}
# Ids remembered of facts, and facts read back; beyond it they are looked up again.
_REMEMBERED, _READ = 500_000, 100_000
# Bytes of one fact, and values of a list in one that is longer.
_LONGEST_DOCUMENT, _MOST = 400_000, 500
_DOCUMENTS = select(facts.c.id, facts.c.name, facts.c.document)
_DECODER = msgspec.json.Decoder(MergedFinding)
# Facts that are made at once: that many documents are in memory together.
_MADE = 4 * BATCH
# Columns that hold texts of any length; and NUL as JSON spells it.
_TEXTS, _NUL = ("title", "package", "version", "purl", "location", "fixed_version", "cvss_vector"), b"\\u0000"
# What differs from target to target, or from day to day, and what stands for it in a document.
_APART: dict[str, Any] = {"target": "", "first_seen": "", "epss": None, "qualifiers": (), **dict.fromkeys(FIELDS, ())}
#: Fields of a merged finding that are no part of a fact.
APART = frozenset(_APART)


class Fact(NamedTuple):
    """What a finding says, wherever it is.

    Attributes:
        finding: one that says it.
        document: the same of every target that has it, as JSON; equal facts are equal bytes.
    """

    finding: MergedFinding
    document: bytes

    @classmethod
    def of(cls, finding: MergedFinding) -> Fact:
        """What this finding says."""
        return cls(finding, _document(finding))


class Facts:
    """Ids of facts; those that are not there yet are written."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[bytes, int] = {}
        self._next: int | None = None

    def ids(self, found: Sequence[Sequence[RowsOfPiece]]) -> list[dict[int, int]]:
        """For each cell, the ids of what it found, and since when each is known (seconds since 1970, 0 for nobody).

        Raises:
            ValueError: a value of a row is none of its type.
        """
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        lacking: dict[bytes, tuple[Piece, int]] = {}
        for of_cell in found:
            for piece, rows in of_cell:
                lacking |= {piece.keys[row]: (piece, row) for row in rows if piece.keys[row] not in self._known}
        for some in batches(lacking.items(), _MADE):
            self._make(some)
        return [
            {self._known[piece.keys[row]]: piece.seen[row] for piece, rows in of_cell for row in rows}
            for of_cell in found
        ]

    def _make(self, lacking: Sequence[tuple[bytes, tuple[Piece, int]]]) -> None:
        """Look up rows whose key is not known, as the facts they are; write those that the store lacks."""
        of_pieces: dict[Piece, list[tuple[bytes, int]]] = {}
        for key, (piece, row) in lacking:
            of_pieces.setdefault(piece, []).append((key, row))
        said: dict[bytes, Fact] = {}
        digests: dict[bytes, bytes] = {}
        for piece, rows in of_pieces.items():
            for (key, _), fact in zip(rows, piece.facts([row for _, row in rows]), strict=True):
                digests[key] = digest = hashlib.blake2b(fact.document, digest_size=16).digest()
                said[digest] = fact
        with writing(self._connection):
            known = self._find(said)
        if new := {digest: fact for digest, fact in said.items() if digest not in known}:
            known |= self._write(new)
        self._known |= {key: known[digest] for key, digest in digests.items()}

    def _find(self, digests: Iterable[bytes]) -> dict[bytes, int]:
        query = select(facts.c.digest, facts.c.id)
        wanted = [digest.hex() for digest in digests]
        rows = rows_by(self._connection, facts.c.digest, wanted, query)
        return {bytes.fromhex(row.digest): row.id for row in rows}

    def _write(self, new: dict[bytes, Fact]) -> dict[bytes, int]:
        """Facts and all their ids in one transaction: a fact without them would never be found.

        Their numbers are given here, by the only writer there is, so that no database is asked for them afterwards.
        """
        with writing(self._connection):
            if self._next is None:
                self._next = 1 + (self._connection.scalar(select(func.max(facts.c.id))) or 0)
            made = dict(zip(new, range(self._next, self._next + len(new)), strict=True))
            rows = [{"id": made[digest], **_row(digest, *fact)} for digest, fact in new.items()]
            insert(self._connection, facts, rows)
            ids = {
                (spell_id(name), made[digest]): name == fact.id
                for digest, (fact, _) in new.items()
                for name in (*fact.aliases, fact.id)
            }
            rows = [{"name": name, "fact_id": fact, "own": own} for (name, fact), own in ids.items()]
            insert_new(self._connection, fact_ids, rows)  # two ids may be one to a database that pads keys with spaces
        self._next += len(new)
        return made


def _document(finding: MergedFinding) -> bytes:
    """What is the same of it in every target that has it, as JSON; equal ones are equal bytes."""
    said = msgspec.structs.replace(finding, **_APART)
    document = msgspec.json.encode(said, order="sorted")
    if len(document) <= _LONGEST_DOCUMENT:
        return document
    cut = {name: getattr(said, name)[:_MOST] for name in ("aliases", "locations", "places")}
    cut |= {name: clip(getattr(said, name)) for name in ("title", "package", "version", "purl", "fixed_version", "key")}
    return msgspec.json.encode(msgspec.structs.replace(said, id=clip(said.id, LONGEST_ID), **cut), order="sorted")


def _row(digest: bytes, finding: MergedFinding, document: bytes) -> dict[str, Any]:
    cvss = finding.cvss
    row: dict[str, Any] = {
        "digest": digest.hex(),
        "identity": hashlib.blake2b(finding.key.encode(), digest_size=16).hexdigest(),
        "kind": clip(finding.kind, 32),
        "name": clip(finding.id, LONGEST_ID),
        "severity": _RANKS[finding.severity],
        "title": finding.title,
        "package": finding.package,
        "version": finding.version,
        "purl": finding.purl,
        "location": finding.locations[0] if finding.locations else "",
        "fixed_version": finding.fixed_version,
        "cvss_score": cvss.score if cvss else None,
        "cvss_version": clip(cvss.version, 16) if cvss else "",
        "cvss_vector": cvss.vector if cvss else "",
        "place": clip(finding.places[0], LONGEST_NAME) if finding.places else "",
        "document": document.decode(),
    }
    # What the whole document is too short for, or has none of, no text in it needs to be searched for.
    if len(document) > LONGEST or _NUL in document:
        row |= {name: clip(row[name]) for name in _TEXTS}
    return row


class Said:
    """Facts read back as merged findings, without what differs from target to target; each is read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[int, MergedFinding] = {}

    def __getitem__(self, fact: int) -> MergedFinding:
        return self._known[fact]

    def read(self, wanted: Iterable[int]) -> None:
        """Read these, as far as they are not known; what was known before may be forgotten for them."""
        lacking = set(wanted) - self._known.keys()
        if len(self._known) + len(lacking) > _READ:
            self._known.clear()
            lacking = set(wanted)
        for some in batches(sorted(lacking)):
            bare = []
            for fact, name, document in rows_by(self._connection, facts.c.id, some, _DOCUMENTS):
                if document is None:
                    bare.append(fact)
                else:
                    self._known[fact] = _decoded(fact, name, document)
            if bare:
                aliases = self._aliases(bare)
                for row in rows_by(self._connection, facts.c.id, bare, select(facts)):
                    self._known[row.id] = _finding(row, aliases.get(row.id, ()))

    def _aliases(self, ids: Sequence[int]) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        names = select(fact_ids).where(among(self._connection, fact_ids.c.fact_id, ids), fact_ids.c.own.is_(False))
        for row in self._connection.execute(names):
            found.setdefault(row.fact_id, []).append(row.name)
        return found


def _decoded(fact: int, name: str, document: str) -> MergedFinding:
    try:
        return _DECODER.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SchemaError(
            f"finding {fact} ({name}) in the store cannot be read: {error}; a newer scanmatrix wrote it, or"
            " it is damaged: upgrade this scanmatrix, or empty the database (without store.url: remove"
            " store.sqlite3 from the volume); the next question builds it again from the volume"
        ) from error


def _finding(row: Row[Any], aliases: Sequence[str]) -> MergedFinding:
    """What an earlier version wrote of a fact, in columns."""
    severity = SEVERITIES[row.severity].value
    said = {**row._mapping, "id": row.name, "severity": severity, "aliases": aliases}  # noqa: SLF001 - its public name
    return msgspec.structs.replace(alone("", "", said), found_by=(), severities={})
