"""Signatures that were made with a key: ECDSA, Ed25519 and RSA, as cosign makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.admission.signatures.forms import NotSignedError
from orchestrator.errors import UsageError
from orchestrator.kit.extras import needing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    PublicKey = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey

_LEAST_RSA: Final = 2048


class KeyFileError(UsageError):
    """A key of the configuration or of a template is none that signatures can be verified with."""


def read_key(pem: bytes, origin: str) -> PublicKey:
    """A public key.

    Args:
        pem: as cosign writes it into `cosign.pub`.
        origin: what it is, for messages.

    Raises:
        KeyFileError: it is none, or a weak one.
        MissingExtraError: the library is not installed.
    """
    with needing("signatures", "verifying signatures"):
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - of an extra
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415
        from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    if b"PRIVATE KEY" in pem:
        raise KeyFileError(f"{origin}: is a private key; name the public one (`cosign public-key`), and keep this away")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError(f"{origin}: is not a public key in PEM: {error}") from error
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_RSA:
        raise KeyFileError(f"{origin}: an RSA key of {key.key_size} bits, {_LEAST_RSA} are the least")
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        raise KeyFileError(f"{origin}: neither an ECDSA, nor an Ed25519, nor an RSA key")
    return key


def verify(key: PublicKey, signature: bytes, data: bytes) -> None:
    """See that a signature is one of this key over this data.

    cosign hashes with SHA-256 whatever the curve; bundles have the hash that belongs to the curve.

    Raises:
        NotSignedError: it is not.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - of an extra, as the key is
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding  # noqa: PLC0415

    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, data)
            return
        if not isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
            return
        own: dict[int, hashes.HashAlgorithm] = {384: hashes.SHA384(), 521: hashes.SHA512()}
        try:
            key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            if key.curve.key_size not in own:
                raise
            key.verify(signature, data, ec.ECDSA(own[key.curve.key_size]))
    except InvalidSignature:
        raise NotSignedError("not signed with it") from None
