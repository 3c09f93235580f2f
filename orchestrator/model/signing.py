"""Who signs images, as templates and the policy of admission name them."""

import hashlib
from typing import Annotated

from orchestrator.model.base import Document
from orchestrator.model.written import Written

#: Of the digest by which a key without a file is named.
_DIGITS = 12


class Signer(Document, frozen=True):
    """Somebody whose signature counts: the holder of a key, or one identity of one issuer (Sigstore, keyless).

    Attributes:
        key: public key as PEM, or the file with it beside the configuration; ECDSA, Ed25519 or RSA
        issuer: of the identity, exactly as in its certificate: `https://token.actions.githubusercontent.com`
        identity: exactly as in its certificate: an address of mail, or the URL of a workflow at its ref
        identity_glob: instead of `identity`, for a workflow at any of its tags; the host of a URL, or what follows the
            `@` of an address, must stand there as it is
        trust_root: file beside the configuration with the roots of a Sigstore of your own (`trusted_root.json`);
            default: those of the public one, as they are in the installed library
    """

    key: Annotated[str | None, Written("text")] = None
    issuer: Annotated[str | None, Written("issuer URL")] = None
    identity: Annotated[str | None, Written("text")] = None
    identity_glob: Annotated[str | None, Written("glob")] = None
    trust_root: Annotated[str | None, Written("path")] = None

    def __str__(self) -> str:
        """In words, as messages and the lock file name it."""
        if self.key is not None:
            known = hashlib.sha256(self.key.strip().encode()).hexdigest()[:_DIGITS] if is_pem(self.key) else self.key
            return f"key {known}"
        return f"{self.identity or self.identity_glob} ({self.issuer})"


def is_pem(key: str) -> bool:
    """Whether a key stands there itself, and not the name of its file."""
    return key.lstrip().startswith("-----BEGIN ")
