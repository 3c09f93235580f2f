"""What is known of a version of a scanner's database; stands in a file beside it."""

import msgspec

from orchestrator.model.base import Document

DEEPEST = 32
"""Folders that a file of a database lies in, at most; scanners have two or three."""


class DatabasePart(Document, frozen=True):
    """One file, or one archive, of which a database is made.

    Attributes:
        name: of the part within its kind: `db`, `java-db`; `daily`.
        origin: where it was read, without credentials.
        digest: what proves its content, `algorithm:hex`.
        built: when its maker built it, RFC 3339 in UTC; empty as long as nobody knows.
        version: what its maker calls it; empty for nothing.
        number: of versions that are counted; a later one is higher. 0 for others.
        files: what it became, relative to the database's folder.
    """

    name: str
    origin: str
    digest: str
    built: str = ""
    version: str = ""
    number: int = 0
    files: tuple[str, ...] = ()


class DatabaseFacts(Document, frozen=True):
    """What is known of one version of a database.

    Attributes:
        kind: of the database; `command` where a command of the scanner's made it.
        recipe: digest of all that made it what it is: its template's settings, the image that loaded it.
        parts: what it is made of.
        sums: SHA-256 of every file of the version, by its name there: what somebody changed is never taken over.
            Nothing where a command made it.
        sizes: bytes of every file, likewise: what was cut short is never read. Nothing for versions from before.
    """

    kind: str
    recipe: str = ""
    parts: tuple[DatabasePart, ...] = ()
    sums: dict[str, str] = msgspec.field(default_factory=dict)
    sizes: dict[str, int] = msgspec.field(default_factory=dict)
