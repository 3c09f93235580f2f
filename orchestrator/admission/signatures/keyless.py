"""Signatures that were made with a certificate for an identity: Sigstore's, verified by its own library, offline.

What it verifies: that the certificate is of a trusted authority and was valid when the signature was made, which the
transparency log or a time-stamping authority attests; that the authority logged it; that the log has the signature, and
that what it has is this one. What cosign 2 attached has no proof that the log has it, only the log's promise: for that
the library has no entrance, so parts of it are put together here, and its version is fixed to a minor one.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from orchestrator.admission.signatures.forms import NotSignedError
from orchestrator.admission.signatures.identities import WantedIdentity
from orchestrator.errors import UsageError
from orchestrator.kit.extras import needing
from orchestrator.kit.foreign_json import ForeignJsonError, decode
from orchestrator.kit.guarding import InternalError, guarded

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.x509 import Certificate

    from orchestrator.admission.signatures.forms import Bundled, Enveloped, Simple
    from orchestrator.model import Signer

_MOST_LOGGED: Final = 1024 * 1024
_MOST_CERTIFICATE: Final = 64 * 1024
_LONGEST: Final = 300
#: What stands in the place of a proof that is never asked for.
_NO_PROOF: Final = {"logIndex": "0", "rootHash": "", "treeSize": "1", "hashes": [], "checkpoint": {"envelope": ""}}

T = TypeVar("T")


class TrustRootError(UsageError):
    """The roots of a Sigstore are none that signatures can be verified with."""


class _LoggedPayload(msgspec.Struct, frozen=True):
    body: bytes = b""
    integrated_time: int = msgspec.field(default=0, name="integratedTime")
    log_index: int = msgspec.field(default=0, name="logIndex")
    log_id: str = msgspec.field(default="", name="logID")


class _Logged(msgspec.Struct, frozen=True):
    """What the log promised, as cosign has it in an annotation."""

    promise: bytes = msgspec.field(default=b"", name="SignedEntryTimestamp")
    payload: _LoggedPayload | None = msgspec.field(default=None, name="Payload")


class _Body(msgspec.Struct, frozen=True):
    """An entry of the log, as far as its kind goes."""

    kind: str = ""
    api_version: str = msgspec.field(default="", name="apiVersion")
    spec: Any = None


class KeylessVerifier:
    """Verifies what is signed by identities, with the roots of one Sigstore.

    Args:
        roots: its `trusted_root.json`; None for those of the public Sigstore, as the library has them.
        origin: what the roots are, for messages.

    Raises:
        TrustRootError: they are no such file.
        MissingExtraError: the library is not installed.
    """

    def __init__(self, roots: bytes | None, origin: str) -> None:
        with needing("signatures", "verifying signatures"):
            from sigstore.models import TrustedRoot  # noqa: PLC0415 - of an extra, and slow to import
            from sigstore.verify import Verifier  # noqa: PLC0415

        try:
            with guarded(f"reading {origin}", passing=_failures()):
                inner = _inner_root(_public_roots() if roots is None else roots)
                self._verifier = Verifier(trusted_root=TrustedRoot(inner))
        except _failures() as error:
            raise TrustRootError(f"{origin}: is not a trusted_root.json of a Sigstore: {error}") from error

    def bundle(self, found: Bundled, signer: Signer) -> tuple[str, bytes]:
        """Type and bytes of what a bundle says.

        Raises:
            NotSignedError: this signer did not say it.
        """
        from sigstore.models import Bundle  # noqa: PLC0415

        return self._statement(lambda: Bundle.from_json(found.data), signer)

    def simple(self, found: Simple, signer: Signer) -> None:
        """See that this signer signed a payload.

        Raises:
            NotSignedError: it did not.
        """
        _asking(
            lambda: self._verifier.verify_artifact(
                found.payload, _older_bundle(found, message=found.signature), WantedIdentity(signer)
            )
        )

    def enveloped(self, found: Enveloped, signer: Signer) -> tuple[str, bytes]:
        """Type and bytes of what an envelope says.

        Raises:
            NotSignedError: this signer did not say it.
        """
        return self._statement(lambda: _older_bundle(found, envelope=found.data), signer)

    def _statement(self, bundle: Callable[[], Any], signer: Signer) -> tuple[str, bytes]:
        kind, payload = _asking(lambda: self._verifier.verify_dsse(bundle(), WantedIdentity(signer)))
        return str(kind), bytes(payload)


def _asking(verify: Callable[[], T]) -> T:
    """What the library answers; whatever else happens to it means that nothing is verified."""
    try:
        with guarded("verifying a signature", passing=(NotSignedError, *_failures())):
            return verify()
    except _failures() as error:
        words = " ".join(str(error).split())[:_LONGEST]
        raise NotSignedError(words or type(error).__name__) from error


@lru_cache(maxsize=1)
def _failures() -> tuple[type[Exception], ...]:
    """How the libraries say that something is not as it should be."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.x509 import ExtensionNotFound  # noqa: PLC0415
    from sigstore.errors import Error  # noqa: PLC0415

    logging.getLogger("sigstore").setLevel(logging.ERROR)
    return (
        InternalError,
        Error,
        ValueError,
        TypeError,
        KeyError,
        InvalidSignature,
        UnsupportedAlgorithm,
        ExtensionNotFound,
    )


def _public_roots() -> bytes:
    """The roots of the public Sigstore: nothing is asked of the network, and nothing is written to this machine."""
    from sigstore._internal.tuf import DEFAULT_TUF_URL  # noqa: PLC0415
    from sigstore._utils import read_embedded  # noqa: PLC0415

    return bytes(read_embedded("trusted_root.json", DEFAULT_TUF_URL))


def _inner_root(data: bytes) -> Any:
    from sigstore_models.trustroot.v1 import TrustedRoot  # noqa: PLC0415

    return TrustedRoot.from_json(data)


def _older_bundle(found: Simple | Enveloped, *, message: bytes | None = None, envelope: bytes | None = None) -> Any:
    """What cosign 2 attached as a bundle of which the log only promised to take it in.

    The library reads no such bundle, but verifies one: chain, time, the authority's log, identity, the log's promise,
    and that the log's entry is about this very signature (CVE-2022-36056).
    """
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415
    from sigstore.models import Bundle, TransparencyLogEntry  # noqa: PLC0415

    class Promised(TransparencyLogEntry):  # type: ignore[misc] # the library has no types here
        """An entry of the log without a proof, which must have its promise."""

        def _verify(self, keyring: Any) -> None:
            self._verify_set(keyring)

    if not found.certificate or not found.logged:
        raise NotSignedError("no certificate, or nothing of a transparency log, is beside it")
    certificate = load_pem_x509_certificate(found.certificate[:_MOST_CERTIFICATE].encode())
    bundle = Bundle.__new__(Bundle)
    bundle._inner = _inner_bundle(certificate, _entry(found.logged), message, envelope)  # noqa: SLF001 - see above
    bundle._signing_certificate = certificate  # noqa: SLF001
    bundle._log_entry = Promised(bundle._inner.verification_material.tlog_entries[0])  # noqa: SLF001
    return bundle


def _inner_bundle(
    certificate: Certificate, entry: dict[str, Any], message: bytes | None, envelope: bytes | None
) -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415
    from sigstore_models.bundle.v1 import Bundle  # noqa: PLC0415

    chain = {"certificates": [{"rawBytes": _text(certificate.public_bytes(Encoding.DER))}]}
    whole: dict[str, Any] = {
        "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "verificationMaterial": {"x509CertificateChain": chain, "tlogEntries": [entry]},
    }
    if message is not None:
        whole["messageSignature"] = {"signature": _text(message)}
    if envelope is not None:
        whole["dsseEnvelope"] = msgspec.Raw(envelope)
    return Bundle.from_json(msgspec.json.encode(whole))


def _entry(logged: str) -> dict[str, Any]:
    """The log's entry in the words of a bundle."""
    try:
        found = decode(logged.encode(), _Logged, origin="what the log said", most_bytes=_MOST_LOGGED)
        if found.payload is None or not found.promise:
            raise NotSignedError("the transparency log promised nothing")
        body = decode(found.payload.body, _Body, origin="the log's entry", most_bytes=_MOST_LOGGED)
    except ForeignJsonError as error:
        raise NotSignedError(str(error)) from error
    return {
        "logIndex": str(found.payload.log_index),
        "logId": {"keyId": _text(bytes.fromhex(found.payload.log_id))},
        "kindVersion": {"kind": body.kind, "version": body.api_version},
        "integratedTime": str(found.payload.integrated_time),
        "inclusionPromise": {"signedEntryTimestamp": _text(found.promise)},
        "canonicalizedBody": _text(found.payload.body),
        "inclusionProof": _NO_PROOF,
    }


def _text(data: bytes) -> str:
    return b64encode(data).decode()
