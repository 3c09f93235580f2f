"""The authority and the log of a Sigstore of our own as services, for a real cosign to sign with."""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_csr

from tests.tools.strangers import Asked, Send, Stranger, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.tools.sigstore import Sigstore


class _Holder:
    """A key of which only the public half is known."""

    def __init__(self, public: Any) -> None:
        self._public = public

    def public_key(self) -> Any:
        return self._public


def token(identity: str, issuer: str) -> str:
    """What an issuer gives to who logs in; nobody here looks at its signature."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"iss": issuer, "sub": identity, "email": identity, "email_verified": True, "aud": "sigstore"}
    return f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{part(claims | {'exp': 2**33, 'iat': 1})}.{part({})}"


@contextmanager
def serve(sigstore: Sigstore, *, identity: str, issuer: str) -> Iterator[Stranger]:
    """Both on one address: Fulcio 1 by both of its APIs, and Rekor 1; they certify and log what they are asked to."""

    def behave(asked: Asked, send: Send) -> None:
        path = asked.path.partition("?")[0]
        if path == "/api/v2/signingCert":
            body = json.loads(asked.body)
            leaf = sigstore.certificate(_Holder(_public(body)), identity=identity, issuer=issuer)
            chain = [one.public_bytes(Encoding.PEM).decode() for one in (leaf, sigstore.root)]
            said = {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}
            send(answer(json.dumps(said).encode(), "Content-Type: application/json"))
        elif path == "/api/v1/signingCert":
            body = json.loads(asked.body)
            leaf = sigstore.certificate(_Holder(_requested(body)), identity=identity, issuer=issuer)
            chain = b"".join(one.public_bytes(Encoding.PEM) for one in (leaf, sigstore.root))
            send(answer(chain, "Content-Type: application/pem-certificate-chain", status="201 Created"))
        elif path == "/api/v1/log/entries" and asked.method == "POST":
            said = _logged(sigstore, json.loads(asked.body))
            kind, named = "Content-Type: application/json", f"ETag: {next(iter(said))}"
            send(answer(json.dumps(said).encode(), kind, named, status="201 Created"))
        else:
            send(answer(b'{"message": "not here"}', "Content-Type: application/json", status="404 Not Found"))

    with Stranger(behave) as found:
        yield found


def _public(body: dict[str, Any]) -> Any:
    content = body["publicKeyRequest"]["publicKey"]["content"]
    return load_pem_public_key(content.encode() if content.startswith("-----") else base64.b64decode(content))


def _requested(body: dict[str, Any]) -> Any:
    """The key of API v1, which has it in a request for a certificate, or by itself."""
    if request := body.get("certificateSigningRequest"):
        return load_pem_x509_csr(base64.b64decode(request)).public_key()
    content = base64.b64decode(body["publicKey"]["content"])
    return load_pem_public_key(content) if content.startswith(b"-----") else load_der_public_key(content)


def _logged(sigstore: Sigstore, proposed: dict[str, Any]) -> dict[str, Any]:
    """An entry as Rekor answers it; of an envelope it keeps digests alone."""
    spec = proposed["spec"]
    if proposed["kind"] == "dsse":
        envelope = json.loads(spec["proposedContent"]["envelope"])
        payload = base64.b64decode(envelope["payload"])
        verifier = spec["proposedContent"]["verifiers"][0]
        spec = {
            "envelopeHash": _hash(spec["proposedContent"]["envelope"].encode()),
            "payloadHash": _hash(payload),
            "signatures": [{"signature": one["sig"], "verifier": verifier} for one in envelope["signatures"]],
        }
    entry = sigstore.entry(proposed["kind"], spec)
    proof = entry["inclusionProof"]
    made = {
        "body": entry["canonicalizedBody"],
        "integratedTime": int(entry["integratedTime"]),
        "logID": base64.b64decode(entry["logId"]["keyId"]).hex(),
        "logIndex": 1,
        "verification": {
            "signedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            "inclusionProof": {
                "checkpoint": proof["checkpoint"]["envelope"],
                "hashes": [base64.b64decode(each).hex() for each in proof["hashes"]],
                "logIndex": 1,
                "rootHash": base64.b64decode(proof["rootHash"]).hex(),
                "treeSize": 2,
            },
        },
    }
    body = base64.b64decode(entry["canonicalizedBody"])
    return {hashlib.sha256(b"\0" + body).hexdigest(): made}


def _hash(data: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}
