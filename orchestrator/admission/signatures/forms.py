"""What is signed about an image: the documents of cosign, in-toto and Sigstore, read strictly or not at all.

Specifications: cosign `SIGNATURE_SPEC.md`, "Simple Signing"; DSSE 1.0 (envelope.md, protocol.md); in-toto Statement
0.1 and 1; Sigstore bundle 0.3 (protobuf-specs). All of it was written by strangers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from orchestrator.kit.foreign_json import ForeignJsonError, decode

if TYPE_CHECKING:
    from collections.abc import Mapping

SIMPLE_SIGNING: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE: Final = "application/vnd.dsse.envelope.v1+json"
BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
#: The type of what cosign signs in a bundle; every other statement attests something else.
SIGNED: Final = "https://sigstore.dev/cosign/sign/v1"
#: Largest document that is read: attestations hold whole SBOMs.
MOST_BYTES: Final = 16 * 1024 * 1024
#: Largest payload of a simple signature: it names one digest.
MOST_SIMPLE: Final = 64 * 1024

_SIGNED_TYPES = frozenset({"cosign container image signature", "atomic container signature"})
IN_TOTO: Final = "application/vnd.in-toto+json"
_STATEMENTS = frozenset({"https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"})
_SIGNATURE = "dev.cosignproject.cosign/signature"
_CERTIFICATE = "dev.sigstore.cosign/certificate"
_LOGGED = "dev.sigstore.cosign/bundle"
_MOST_SIGNATURES = 16
_MOST_SUBJECTS = 4096


class NotSignedError(Exception):
    """A document is no signature, or none that counts; the message says why. It never leaves this room."""


class SignedStatement(NamedTuple):
    """What a signer says, once it is verified.

    Attributes:
        digests: of the images that it is about.
        predicate_type: of an attestation; empty for a signature.
        predicate: what it attests, as it stands there in JSON; empty for a signature.
    """

    digests: frozenset[str]
    predicate_type: str = ""
    predicate: bytes = b""


class Simple(NamedTuple):
    """A simple signature: bytes of a payload, signed as they are.

    Attributes:
        payload: names the image.
        signature: over the payload.
        certificate: of a keyless one, as PEM; empty for one made with a key.
        logged: what the transparency log promised of it, as cosign's JSON; empty for nothing.
    """

    payload: bytes
    signature: bytes
    certificate: str = ""
    logged: str = ""


class DsseSignature(msgspec.Struct, frozen=True):
    """One signature of an envelope."""

    sig: bytes = b""
    keyid: str = ""
    cert: Any = None


class Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """A DSSE envelope: a statement, and who signed it."""

    payload: bytes = b""
    payload_type: str = ""
    signatures: tuple[DsseSignature, ...] | None = None

    @property
    def signed_bytes(self) -> bytes:
        """What is signed: the "pre-authentication encoding" of type and payload."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(self.payload), self.payload)


class Enveloped(NamedTuple):
    """An envelope beside its certificate, as cosign 2 attaches attestations."""

    envelope: Envelope
    data: bytes
    certificate: str = ""
    logged: str = ""


class _Material(msgspec.Struct, frozen=True, rename="camel"):
    public_key: Any = None
    certificate: Any = None
    x509_certificate_chain: Any = msgspec.field(default=None, name="x509CertificateChain")
    tlog_entries: Any = None
    timestamp_verification_data: Any = None


class _BundleFields(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str = ""
    verification_material: _Material | None = None
    message_signature: Any = None
    dsse_envelope: Envelope | None = None


class Bundled(NamedTuple):
    """A bundle of Sigstore.

    Attributes:
        data: the whole of it.
        envelope: the statement in it.
        keyless: whether it has a certificate.
    """

    data: bytes
    envelope: Envelope
    keyless: bool


class _SimpleImage(msgspec.Struct, frozen=True):
    digest: str = msgspec.field(default="", name="docker-manifest-digest")


class _SimpleCritical(msgspec.Struct, frozen=True):
    identity: Any = None  # `docker-reference` is whatever its author called the image
    image: _SimpleImage | None = None
    type: str = ""


class _SimplePayload(msgspec.Struct, frozen=True):
    critical: _SimpleCritical | None = None
    optional: Any = None


class _Subject(msgspec.Struct, frozen=True):
    name: str = ""
    digest: dict[str, str] | None = None
    uri: Any = None
    content: Any = None
    annotations: Any = None


class _Statement(msgspec.Struct, frozen=True, rename="camel"):
    type: str = msgspec.field(default="", name="_type")
    subject: tuple[_Subject, ...] | None = None
    predicate_type: str = ""
    predicate: Any = None


class _Attesting(msgspec.Struct, frozen=True):
    predicate: msgspec.Raw = msgspec.Raw()


def simple(payload: bytes, annotations: Mapping[str, str]) -> Simple:
    """A layer of a manifest of signatures.

    Raises:
        NotSignedError: it has no signature.
    """
    if len(payload) > MOST_SIMPLE:
        raise NotSignedError(f"a payload of more than {MOST_SIMPLE} bytes")
    signature = _base64(annotations.get(_SIGNATURE, ""))
    return Simple(payload, signature, annotations.get(_CERTIFICATE, ""), annotations.get(_LOGGED, ""))


def enveloped(data: bytes, annotations: Mapping[str, str]) -> Enveloped:
    """A layer of a manifest of attestations.

    Raises:
        NotSignedError: it is no envelope.
    """
    envelope = _checked(_decode(data, Envelope, "the envelope"))
    return Enveloped(envelope, data, annotations.get(_CERTIFICATE, ""), annotations.get(_LOGGED, ""))


def bundled(data: bytes) -> Bundled:
    """A bundle that a manifest refers to.

    Raises:
        NotSignedError: it is none, or has no envelope.
    """
    found = _decode(data, _BundleFields, "the bundle")
    if found.media_type != BUNDLE:
        raise NotSignedError(f"a bundle of type {found.media_type[:80]!r}, where {BUNDLE} is known")
    if found.dsse_envelope is None or found.verification_material is None:
        raise NotSignedError("a bundle without a statement about an image")
    keyless = found.verification_material.certificate is not None
    return Bundled(data, _checked(found.dsse_envelope), keyless)


def said_simply(payload: bytes) -> SignedStatement:
    """What a verified payload says.

    Raises:
        NotSignedError: it is none about an image.
    """
    found = _decode(payload, _SimplePayload, "the payload").critical
    if found is None or found.type not in _SIGNED_TYPES or found.image is None or not found.image.digest:
        raise NotSignedError("what is signed is not about an image")
    return SignedStatement(frozenset({found.image.digest}))


def said(payload_type: str, payload: bytes) -> SignedStatement:
    """What a verified statement says.

    Raises:
        NotSignedError: it is none about something with a digest.
    """
    if payload_type != IN_TOTO:
        raise NotSignedError(f"what is signed is of type {payload_type[:80]!r}, not an in-toto statement")
    found = _decode(payload, _Statement, "the statement")
    if found.type not in _STATEMENTS:
        raise NotSignedError(f"a statement of type {found.type[:80]!r}")
    subjects = found.subject or ()
    if len(subjects) > _MOST_SUBJECTS:
        raise NotSignedError(f"a statement about more than {_MOST_SUBJECTS} things")
    digests = frozenset(f"{name}:{value}" for each in subjects for name, value in (each.digest or {}).items())
    if found.predicate_type == SIGNED:
        return SignedStatement(digests)
    predicate = msgspec.json.decode(payload, type=_Attesting).predicate
    return SignedStatement(digests, found.predicate_type, bytes(predicate))


def claimed_type(form: Simple | Enveloped | Bundled) -> str:
    """The type of the attestation that a document says it is, no matter who wrote it; empty for any other document."""
    if isinstance(form, Simple):
        return ""
    try:
        return said(form.envelope.payload_type, form.envelope.payload).predicate_type
    except NotSignedError:
        return ""


def _checked(envelope: Envelope) -> Envelope:
    count = len(envelope.signatures or ())
    if not 0 < count <= _MOST_SIGNATURES:
        raise NotSignedError(f"an envelope with {count} signatures, where 1 to {_MOST_SIGNATURES} are accepted")
    return envelope


def _base64(text: str) -> bytes:
    try:
        return msgspec.convert(text, bytes)
    except msgspec.ValidationError:
        raise NotSignedError("its signature is not base64") from None


def _decode(data: bytes, kind: type[Any], what: str) -> Any:
    try:
        return decode(data, kind, origin=what, most_bytes=MOST_BYTES)
    except ForeignJsonError as error:
        raise NotSignedError(str(error)) from error
