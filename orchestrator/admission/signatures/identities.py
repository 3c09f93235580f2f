"""Whom a certificate of Sigstore is for: its issuer, and its identity (Fulcio, `certificate-specification.md`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.admission.signatures.forms import NotSignedError
from orchestrator.kit.matching import glob

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.x509 import Certificate

    from orchestrator.model import Signer

#: Object identifiers of the issuer: as bare text, and as a DER string (since 2023).
_ISSUER, _ISSUER_DER = "1.3.6.1.4.1.57264.1.1", "1.3.6.1.4.1.57264.1.8"


class WantedIdentity:
    """Whom a certificate must be for, as Sigstore's library asks it (`VerificationPolicy`).

    Args:
        signer: names issuer and identity.
    """

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def verify(self, certificate: Certificate) -> None:
        """Raise unless it is for this identity of this issuer."""
        issuers, identities = _issuers(certificate), _identities(certificate)
        if issuers != {self._signer.issuer}:
            raise NotSignedError(f"signed by an identity of {_listed(issuers)}")
        wanted, pattern = self._signer.identity, self._signer.identity_glob
        meant: Callable[[str], bool] = glob(pattern) if pattern else lambda one: one == wanted
        if len(identities) != 1 or not all(map(meant, identities)):
            raise NotSignedError(f"signed by {_listed(identities)}")


def _issuers(certificate: Certificate) -> set[str]:
    """The issuer as the certificate has it, in one or two spellings that must be the same."""
    found = set()
    for extension in certificate.extensions:
        value: bytes = getattr(extension.value, "value", b"")
        if extension.oid.dotted_string == _ISSUER:
            found.add(value.decode())
        elif extension.oid.dotted_string == _ISSUER_DER:
            found.add(_der_text(value))
    return found


def _der_text(value: bytes) -> str:
    from cryptography.hazmat import asn1  # noqa: PLC0415

    return str(asn1.decode_der(str, value))


def _identities(certificate: Certificate) -> list[str]:
    """Whom the certificate is for: its subject alternative names (Fulcio, `certificate-specification.md`)."""
    from cryptography import x509  # noqa: PLC0415

    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    other = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.7")  # a user of no address of mail
    return [
        *names.get_values_for_type(x509.RFC822Name),
        *names.get_values_for_type(x509.UniformResourceIdentifier),
        *(_der_text(one.value) for one in names.get_values_for_type(x509.OtherName) if one.type_id == other),
    ]


def _listed(names: Any) -> str:
    return ", ".join(sorted(str(name)[:200] for name in names)) or "nobody"
