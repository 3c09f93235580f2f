"""Digests of the OCI image specification: the two registered algorithms, checked before they become part of a path."""

import hashlib
from typing import Protocol

from orchestrator.kit.digests import DIGEST
from orchestrator.net.errors import Unsupported

__all__ = ["DIGEST", "Hash", "check_digest", "digest_of", "new_hash"]


class Hash(Protocol):
    """What of a hashlib object is used here."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Add more bytes."""

    def hexdigest(self) -> str:
        """Of all bytes so far."""
        ...


def check_digest(digest: str, *, origin: str) -> str:
    """The digest itself, if it is one that can be verified.

    Raises:
        Unsupported: another algorithm than sha256 and sha512, or not hexadecimal of the right length.
    """
    if not DIGEST.fullmatch(digest):
        raise Unsupported(f"{origin}: {digest[:200]!r} is not a sha256 or sha512 digest")
    return digest


def new_hash(digest: str) -> Hash:
    """An empty hash of the digest's algorithm."""
    return hashlib.sha512() if digest.startswith("sha512:") else hashlib.sha256()


def digest_of(data: bytes, *, like: str = "sha256:") -> str:
    """Digest of some bytes, in the algorithm of another digest."""
    state = new_hash(like)
    state.update(data)
    return f"{like.partition(':')[0]}:{state.hexdigest()}"
