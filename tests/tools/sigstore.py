"""A Sigstore of our own, in this process: an authority that gives certificates for identities, its log, the log of
signatures, and what cosign makes of them. Everything is signed for real; nothing is asked of any network."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.tools.images import Image
from tests.tools.oci_artifacts import artifact, bare, config_of

ISSUER = "https://issuer.example"
IDENTITY = "https://git.example/team/app/.github/workflows/release.yaml@refs/tags/v1"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGN = "https://sigstore.dev/cosign/sign/v1"
IN_TOTO = "application/vnd.in-toto+json"
#: How cosign 2 calls among the referrers what it would put at a tag.
_ARTIFACTS = {
    SIMPLE: "application/vnd.dev.cosign.artifact.sig.v1+json",
    DSSE: "application/vnd.dev.cosign.artifact.att.v1+json",
}


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def compact(value: Any) -> bytes:
    """Canonical JSON (RFC 8785) of what has no numbers but integers."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> bytes:
    """Its public half, as cosign writes `cosign.pub`."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def der(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def sign(key: Any, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def payload(digest: str, *, reference: str = "registry.example/app", **critical: Any) -> bytes:
    """What cosign signs of an image."""
    said = {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }
    return json.dumps({"critical": said | critical, "optional": None}).encode()


def statement(digest: str, predicate_type: str = SIGN, predicate: Any = None) -> bytes:
    """What cosign signs of an image in a bundle."""
    name, _, value = digest.partition(":")
    return json.dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {name: value}}],
            "predicateType": predicate_type,
            "predicate": predicate or {},
        }
    ).encode()


def pae(body: bytes, kind: str = IN_TOTO) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(body), body)


def envelope(body: bytes, signature: bytes, kind: str = IN_TOTO) -> dict[str, Any]:
    return {"payload": text(body), "payloadType": kind, "signatures": [{"sig": text(signature)}]}


# Documents made with a key.


def simple_by_key(key: Any, body: bytes) -> tuple[bytes, dict[str, str]]:
    """A payload, and the annotations of its layer."""
    return body, {"dev.cosignproject.cosign/signature": text(sign(key, body))}


def bundle_by_key(key: Any, body: bytes) -> bytes:
    material = {"publicKey": {"hint": text(hashlib.sha256(der(key)).digest())}, "tlogEntries": []}
    return json.dumps(
        {
            "mediaType": BUNDLE,
            "verificationMaterial": material,
            "dsseEnvelope": envelope(body, sign(key, pae(body))),
        }
    ).encode()


# Where they lie.


def layers(kind: str, *documents: tuple[bytes, dict[str, str]]) -> Image:
    """The manifest at cosign's tag."""
    made = artifact(*((kind, data) for data, _ in documents), config=config_of(*(data for data, _ in documents)))
    manifest = json.loads(made.manifest)
    for layer, (_, beside) in zip(manifest["layers"], documents, strict=True):
        layer["annotations"] = beside
    return Image(json.dumps(manifest).encode(), made.config, made.layers, {}, made.media_type)


def referrer(kind: str, data: bytes, subject: Image | Any, annotations: dict[str, str] | None = None) -> Image:
    """A manifest that refers to an image."""
    made = artifact(
        (kind, data),
        config_type="application/vnd.oci.empty.v1+json",
        artifactType=_ARTIFACTS.get(kind, kind),
        subject=bare(subject),
    )
    if not annotations:
        return made
    manifest = json.loads(made.manifest)
    manifest["layers"][0]["annotations"] = annotations
    return Image(json.dumps(manifest).encode(), made.config, made.layers, {}, made.media_type)


def index_of(*referrers: Image) -> bytes:
    """The list of them, as a registry or the fallback tag has it."""
    entries = [bare(each, artifactType=json.loads(each.manifest).get("artifactType", "")) for each in referrers]
    kind = "application/vnd.oci.image.index.v1+json"
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()


@dataclass
class Sigstore:
    """An authority with its logs.

    Attributes:
        now: when certificates are given, and signatures logged.
    """

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    authority: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    certificates_log: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    log: ec.EllipticCurvePrivateKey = field(default_factory=new_key)

    def __post_init__(self) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "our sigstore")])
        usage = x509.KeyUsage(
            *(False,) * 5, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False
        )
        self.root = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.authority.public_key())
            .serial_number(1)
            .not_valid_before(self.now - timedelta(days=100))
            .not_valid_after(self.now + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.authority.public_key()), critical=False)
            .sign(self.authority, hashes.SHA256())
        )

    def trust_root(self) -> bytes:
        """`trusted_root.json`."""

        def log(key: Any) -> dict[str, Any]:
            return {
                "baseUrl": "https://log.example",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": text(der(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": {"start": _time(self.now - timedelta(days=100))},
                },
                "logId": {"keyId": text(hashlib.sha256(der(key)).digest())},
            }

        authority = {
            "subject": {"organization": "example", "commonName": "our sigstore"},
            "uri": "https://authority.example",
            "certChain": {"certificates": [{"rawBytes": text(self.root.public_bytes(Encoding.DER))}]},
            "validFor": {"start": _time(self.now - timedelta(days=100))},
        }
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [log(self.log)],
                "certificateAuthorities": [authority],
                "ctlogs": [log(self.certificates_log)],
                "timestampAuthorities": [],
            }
        ).encode()

    def certificate(
        self,
        key: Any,
        *,
        identity: str = IDENTITY,
        issuer: str = ISSUER,
        valid: timedelta = timedelta(minutes=10),
        since: datetime | None = None,
        logged: bool = True,
    ) -> x509.Certificate:
        """A certificate for an identity, as Fulcio gives it, with the promise of the log of certificates in it."""
        begin = since or self.now - timedelta(minutes=1)
        name: x509.GeneralName = (
            x509.RFC822Name(identity) if "://" not in identity else x509.UniformResourceIdentifier(identity)
        )
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        issued = issuer.encode()
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.root.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + valid)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key()), critical=False
            )
            .add_extension(_other("1.3.6.1.4.1.57264.1.1", issued), critical=False)
            .add_extension(_other("1.3.6.1.4.1.57264.1.8", bytes([0x0C, len(issued)]) + issued), critical=False)
        )
        if not logged:
            return builder.sign(self.authority, hashes.SHA256())
        before = builder.sign(self.authority, hashes.SHA256())
        promised = _other("1.3.6.1.4.1.11129.2.4.2", self._promise_of_certificate(before))
        return builder.add_extension(promised, critical=False).sign(self.authority, hashes.SHA256())

    def _promise_of_certificate(self, certificate: x509.Certificate) -> bytes:
        """A signed certificate timestamp (RFC 6962, 3.2 and 3.3), as an OCTET STRING."""
        body = certificate.tbs_certificate_bytes
        moment = int(self.now.timestamp() * 1000)
        issuer = hashlib.sha256(der(self.authority)).digest()
        signed = struct.pack("!BBQH", 0, 0, moment, 1) + issuer + len(body).to_bytes(3, "big") + body + b"\0\0"
        signature = sign(self.certificates_log, signed)
        log = hashlib.sha256(der(self.certificates_log)).digest()
        made = bytes([0]) + log + struct.pack("!QH", moment, 0) + bytes([4, 3]) + _sized(signature)
        whole = _sized(_sized(made))
        return bytes([0x04]) + _der_length(len(whole)) + whole

    def entry(self, kind: str, spec: dict[str, Any], *, at: datetime | None = None) -> dict[str, Any]:
        """An entry of the log of signatures with its promise and its proof, in the words of a bundle."""
        body = compact({"apiVersion": "0.0.1", "kind": kind, "spec": spec})
        moment = int((at or self.now).timestamp())
        id_ = hashlib.sha256(der(self.log)).digest()
        promise = sign(
            self.log,
            compact({"body": text(body), "integratedTime": moment, "logID": id_.hex(), "logIndex": 1}),
        )
        # The second leaf of two (RFC 6962, 2.1): cosign leaves out a number that is 0, and others want it.
        first = hashlib.sha256(b"\0first").digest()
        root = hashlib.sha256(b"\1" + first + hashlib.sha256(b"\0" + body).digest()).digest()
        note = f"log.example - 1\n2\n{text(root)}\n"
        checkpoint = f"{note}\n\u2014 log.example {text(id_[:4] + sign(self.log, note.encode()))}\n"
        return {
            "logIndex": "1",
            "logId": {"keyId": text(id_)},
            "kindVersion": {"kind": kind, "version": "0.0.1"},
            "integratedTime": str(moment),
            "inclusionPromise": {"signedEntryTimestamp": text(promise)},
            "inclusionProof": {
                "logIndex": "1",
                "rootHash": text(root),
                "treeSize": "2",
                "hashes": [text(first)],
                "checkpoint": {"envelope": checkpoint},
            },
            "canonicalizedBody": text(body),
        }

    def bundle(self, body: bytes, *, at: datetime | None = None, **certificate: Any) -> bytes:
        """A statement signed by an identity, as cosign 3 writes it."""
        key = new_key()
        leaf = self.certificate(key, **certificate)
        signature = sign(key, pae(body))
        return json.dumps(
            {
                "mediaType": BUNDLE,
                "verificationMaterial": {
                    "certificate": {"rawBytes": text(leaf.public_bytes(Encoding.DER))},
                    "tlogEntries": [self.entry("dsse", _dsse_spec(body, signature, leaf), at=at)],
                    "timestampVerificationData": {"rfc3161Timestamps": []},
                },
                "dsseEnvelope": envelope(body, signature),
            }
        ).encode()

    def simple(self, body: bytes, *, at: datetime | None = None, **certificate: Any) -> tuple[bytes, dict[str, str]]:
        """A payload signed by an identity, as cosign 2 writes it: the log promises, and proves nothing."""
        key = new_key()
        leaf = self.certificate(key, **certificate)
        signature = sign(key, body)
        spec = {
            "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(body).hexdigest()}},
            "signature": {"content": text(signature), "publicKey": {"content": text(leaf.public_bytes(Encoding.PEM))}},
        }
        return body, self._annotations(signature, leaf, self.entry("hashedrekord", spec, at=at))

    def attested(self, body: bytes, **certificate: Any) -> tuple[bytes, dict[str, str]]:
        """An attestation of an identity, as cosign 2 attaches it."""
        key = new_key()
        leaf = self.certificate(key, **certificate)
        signature = sign(key, pae(body))
        entry = self.entry("dsse", _dsse_spec(body, signature, leaf))
        annotations = self._annotations(b"", leaf, entry)
        del annotations["dev.cosignproject.cosign/signature"]
        return json.dumps(envelope(body, signature)).encode(), annotations

    def _annotations(self, signature: bytes, leaf: x509.Certificate, entry: dict[str, Any]) -> dict[str, str]:
        logged = {
            "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            "Payload": {
                "body": entry["canonicalizedBody"],
                "integratedTime": int(entry["integratedTime"]),
                "logIndex": 1,
                "logID": base64.b64decode(entry["logId"]["keyId"]).hex(),
            },
        }
        return {
            "dev.cosignproject.cosign/signature": text(signature),
            "dev.sigstore.cosign/certificate": leaf.public_bytes(Encoding.PEM).decode(),
            "dev.sigstore.cosign/chain": self.root.public_bytes(Encoding.PEM).decode(),
            "dev.sigstore.cosign/bundle": json.dumps(logged),
        }


def _dsse_spec(body: bytes, signature: bytes, leaf: x509.Certificate) -> dict[str, Any]:
    made = json.dumps(envelope(body, signature)).encode()
    verifier = text(leaf.public_bytes(Encoding.PEM))
    return {
        "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(made).hexdigest()},
        "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(body).hexdigest()},
        "signatures": [{"signature": text(signature), "verifier": verifier}],
    }


def _other(oid: str, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _der_length(length: int) -> bytes:
    return bytes([length]) if length < 0x80 else bytes([0x81, length])


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
