"""Signers of images, as people write them: in templates, and in the policies of `admission`."""

from __future__ import annotations

import re

from orchestrator.config.section import CelRule, Keys, WrongKey
from orchestrator.kit.matching import is_glob
from orchestrator.model import Signer

# What has to stand before the first character of a glob that matches anything: the whole host, up to its path.
_HOST_FIRST = re.compile(r"https?://[^/*?\[\]]+/")


def _one_signer(signer: Signer) -> Signer:
    """Exactly one identity of an issuer, or a key; nothing that would let in strangers."""
    identity = [key for key, given in _identities(signer) if given is not None]
    if signer.key is not None:
        others = ["issuer", *identity, "trustRoot"]
        given = [signer.issuer, *(signer.identity or signer.identity_glob for _ in identity), signer.trust_root]
        if wrong := next((name for name, value in zip(others, given, strict=True) if value is not None), None):
            raise WrongKey((wrong,), "a key is no identity: name another signer for it")
        return signer
    if signer.issuer is None:
        raise ValueError("it names nobody: write 'key', or 'issuer' with 'identity'")
    if len(identity) != 1:
        raise ValueError(
            "anybody may have an identity of this issuer: write exactly one of 'identity' and 'identityGlob'"
        )
    if signer.identity_glob is not None and not _is_narrow(signer.identity_glob):
        raise WrongKey(
            ("identityGlob",),
            f"{signer.identity_glob!r} could mean strangers: write the host with the slash behind it, or all that"
            " follows the @, as it is",
        )
    return signer


def _identities(signer: Signer) -> tuple[tuple[str, str | None], ...]:
    return ("identity", signer.identity), ("identityGlob", signer.identity_glob)


def _is_narrow(pattern: str) -> bool:
    """Whether all identities it matches are of one host, or of one domain of mail."""
    if "://" in pattern:
        return _HOST_FIRST.match(pattern) is not None
    _, at, domain = pattern.rpartition("@")
    return bool(at and domain) and not is_glob(domain)


SIGNER = Keys(
    Signer,
    check=_one_signer,
    across=(
        CelRule(
            "has(self.key) != has(self.issuer)",
            "name a key, or an issuer with an identity of it, and not both",
        ),
        CelRule(
            "has(self.key) ? !has(self.identity) && !has(self.identityGlob) && !has(self.trustRoot)"
            " : has(self.identity) != has(self.identityGlob)",
            "an issuer needs exactly one of identity and identityGlob; a key has none",
        ),
    ),
)
