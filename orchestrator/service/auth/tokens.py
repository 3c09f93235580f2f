"""A bearer token: how it is made, what is kept of it, and whether a given one is that.

A token is random, 256 bits of it, so that nobody can try them all: a fast keyed hash, with a key of its own for each,
keeps it as safe as a slow one would, and costs a request microseconds.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

from orchestrator.model import Document

PREFIX = "smx"
_TOKEN = re.compile(rf"{PREFIX}_([a-z2-7]{{12}})_([A-Za-z0-9_-]{{43}})")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ID_LENGTH = 12
_PERSON = b"scanmatrix-token"


class KeptToken(Document, frozen=True):
    """What the file has of a token; the token itself is nowhere.

    Attributes:
        id: the part of the token that may be seen, to find it by.
        name: whose it is, or what for; in logs.
        role: `read`, `submit` or `admin`.
        key: of its hash, in hexadecimal.
        hash: of the secret part, in hexadecimal.
        owners: only targets of these owners may be seen; without, all.
        created: when it was made, RFC 3339.
        expires: from when it does not hold any more, RFC 3339; empty for none.
    """

    id: str
    name: str
    role: str
    key: str
    hash: str
    owners: tuple[str, ...] | None = None
    created: str = ""
    expires: str = ""


class MadeToken(NamedTuple):
    """A new token: the text, which is shown once, and what is kept."""

    text: str
    kept: KeptToken


def make_token(
    name: str, role: str, *, owners: tuple[str, ...] | None = None, created: str = "", expires: str = ""
) -> MadeToken:
    """A new token."""
    own = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
    secret, key = secrets.token_urlsafe(32), secrets.token_hex(16)
    kept = KeptToken(own, name, role, key, _hash(secret, key), owners, created, expires)
    return MadeToken(f"{PREFIX}_{own}_{secret}", kept)


def split_token(text: str) -> tuple[str, str] | None:
    """The id of a token and its secret; None for what is none of ours."""
    found = _TOKEN.fullmatch(text)
    return (found[1], found[2]) if found else None


def holds(secret: str, kept: KeptToken) -> bool:
    """Whether a secret is that of a token, in a time that tells nothing of it."""
    return hmac.compare_digest(_hash(secret, kept.key), kept.hash)


def _hash(secret: str, key: str) -> str:
    return hashlib.blake2b(secret.encode(), digest_size=32, key=bytes.fromhex(key), person=_PERSON).hexdigest()
