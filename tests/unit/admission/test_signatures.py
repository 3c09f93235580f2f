"""Signatures in every place and of every kind, as cosign makes them, and everything that is none."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from orchestrator.admission.signatures.finding import MOST_DOCUMENTS, Places
from orchestrator.admission.signatures.forms import NotSignedError
from orchestrator.admission.signatures.keyless import TrustRootError
from orchestrator.admission.signatures.keys import KeyFileError, read_key, verify
from orchestrator.admission.signatures.verifying import Signed, Signers, Unsigned
from orchestrator.errors import TemporaryError
from orchestrator.images.registry.client import RegistryClient
from orchestrator.model import ReadBudget, Signer
from orchestrator.net.allowance import Allowance
from orchestrator.net.errors import OverBudget
from tests.tools import sigstore
from tests.tools.images import Image, Index
from tests.tools.layers import layer
from tests.tools.sigstore import BUNDLE, DSSE, IDENTITY, ISSUER, SIMPLE, Sigstore, payload, statement
from tests.tools.small_registry import SmallRegistry

IMAGE = Image.build([layer({"app": "1"})])
OTHER = Image.build([layer({"app": "2"})])
SLSA = "https://slsa.dev/provenance/v1"
KEY = sigstore.new_key()
OURS = Sigstore()
BY_KEY = Signer(key=sigstore.pem(KEY).decode())
BY_IDENTITY = Signer(issuer=ISSUER, identity=IDENTITY, trust_root="root.json")


@pytest.fixture
def registry() -> SmallRegistry:
    kept = SmallRegistry()
    kept.put("app", IMAGE, "1")
    return kept


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root.json").write_bytes(OURS.trust_root())
    return tmp_path


def find(
    registry: SmallRegistry,
    folder: Path,
    *signers: Signer,
    digest: str = IMAGE.digest,
    predicate_type: str = "",
    budget: ReadBudget | None = None,
) -> Signed | Unsigned:
    with registry.serve() as served, RegistryClient(retries=0) as client:
        places = Places(client, f"{served.url}/app", Allowance(budget or ReadBudget(), "limits.lookup"))
        return Signers(folder).find(places.find(digest), signers, digest, predicate_type=predicate_type)


# The three places: each takes a registry, and the layers of a kind or a bundle.


def at_tag(kept: SmallRegistry, kind: str, data: bytes, annotations: dict[str, str], of: Image = IMAGE) -> None:
    suffix = "att" if kind == DSSE else "sig"
    kept.put("app", sigstore.layers(kind, (data, annotations)), f"{of.digest.replace(':', '-')}.{suffix}")


def among_referrers(kept: SmallRegistry, kind: str, data: bytes, annotations: dict[str, str]) -> None:
    kept.put("app", sigstore.referrer(kind, data, IMAGE, annotations))


def in_fallback_list(kept: SmallRegistry, kind: str, data: bytes, annotations: dict[str, str]) -> None:
    kept.referrers = False
    made = sigstore.referrer(kind, data, IMAGE, annotations)
    kept.put("app", made)
    tag = IMAGE.digest.replace(":", "-")
    kept.manifests["app", tag] = (sigstore.index_of(made), "application/vnd.oci.image.index.v1+json")


PLACES = [at_tag, among_referrers, in_fallback_list]
Document = tuple[str, bytes, dict[str, str]]


def simple_by_key(digest: str) -> Document:
    return SIMPLE, *sigstore.simple_by_key(KEY, payload(digest))


def simple_by_identity(digest: str) -> Document:
    return SIMPLE, *OURS.simple(payload(digest))


def bundle_by_key(digest: str) -> Document:
    return BUNDLE, sigstore.bundle_by_key(KEY, statement(digest)), {}


def bundle_by_identity(digest: str) -> Document:
    return BUNDLE, OURS.bundle(statement(digest)), {}


KINDS = [(simple_by_key, BY_KEY), (bundle_by_key, BY_KEY), (simple_by_identity, BY_IDENTITY)]
KINDS += [(bundle_by_identity, BY_IDENTITY)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("kind", "signer"), KINDS)
def test_every_kind_is_found_in_every_place(
    registry: SmallRegistry,
    folder: Path,
    place: Callable[..., None],
    kind: Callable[[str], Document],
    signer: Signer,
) -> None:
    place(registry, *kind(IMAGE.digest))
    found = find(registry, folder, signer)
    assert isinstance(found, Signed), found
    assert found.by == signer


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("kind", "signer"), KINDS)
def test_the_signature_of_another_image_that_is_put_there_does_not_count(
    registry: SmallRegistry,
    folder: Path,
    place: Callable[..., None],
    kind: Callable[[str], Document],
    signer: Signer,
) -> None:
    place(registry, *kind(OTHER.digest))
    found = find(registry, folder, signer)
    assert isinstance(found, Unsigned)
    assert f"it is about another image, {OTHER.digest}" in str(found)


def test_what_is_signed_by_somebody_else_does_not_count(registry: SmallRegistry, folder: Path) -> None:
    at_tag(registry, *simple_by_key(IMAGE.digest))
    among_referrers(registry, *bundle_by_key(IMAGE.digest))
    stranger = Signer(key=sigstore.pem(sigstore.new_key()).decode())
    found = find(registry, folder, stranger, BY_IDENTITY)
    assert isinstance(found, Unsigned)
    assert found.looked_at == 2
    assert "not signed with it" in str(found)
    assert "signed with a key" in str(found)
    assert "no certificate" in str(found)
    assert find(registry, folder, stranger, BY_KEY).by == BY_KEY  # type: ignore[union-attr] # one of them suffices


def test_nothing_there_is_said_as_such(registry: SmallRegistry, folder: Path) -> None:
    assert str(find(registry, folder, BY_KEY)) == "there is no signature at all"


WRONG_IDENTITIES: list[tuple[dict[str, Any], str]] = [
    ({"identity": IDENTITY.replace("team", "other")}, "signed by https://git.example/other/"),
    ({"identity": "release@git.example"}, "signed by release@git.example"),
    ({"issuer": "https://issuer.example.attacker"}, "signed by an identity of https://issuer.example.attacker"),
    ({"logged": False}, "timestamp"),
    ({"at": OURS.now + timedelta(hours=1)}, "certificate"),  # logged when the certificate had expired
    ({"since": OURS.now - timedelta(hours=2)}, "certificate"),
]


@pytest.mark.parametrize(("other", "reason"), WRONG_IDENTITIES)
@pytest.mark.parametrize("bundled", [True, False])
def test_an_identity_counts_exactly_and_in_its_time(
    registry: SmallRegistry, folder: Path, other: dict[str, Any], reason: str, bundled: bool
) -> None:
    if bundled:
        among_referrers(registry, BUNDLE, OURS.bundle(statement(IMAGE.digest), **other), {})
    else:
        at_tag(registry, SIMPLE, *OURS.simple(payload(IMAGE.digest), **other))
    found = find(registry, folder, BY_IDENTITY)
    assert isinstance(found, Unsigned)
    assert reason in str(found)


def test_another_sigstore_does_not_count(registry: SmallRegistry, folder: Path) -> None:
    theirs = Sigstore()
    among_referrers(registry, BUNDLE, theirs.bundle(statement(IMAGE.digest)), {})
    at_tag(registry, SIMPLE, *theirs.simple(payload(IMAGE.digest)))
    found = find(registry, folder, BY_IDENTITY, Signer(issuer=ISSUER, identity=IDENTITY))
    assert isinstance(found, Unsigned)
    assert found.looked_at == 2


def test_a_glob_means_the_workflow_at_any_of_its_tags(registry: SmallRegistry, folder: Path) -> None:
    among_referrers(registry, *bundle_by_identity(IMAGE.digest))
    pattern = "https://git.example/team/app/.github/workflows/release.yaml@refs/tags/*"
    signer = Signer(issuer=ISSUER, identity_glob=pattern, trust_root="root.json")
    assert isinstance(find(registry, folder, signer), Signed)
    heads = Signer(issuer=ISSUER, identity_glob=pattern.replace("tags", "heads"), trust_root="root.json")
    assert isinstance(find(registry, folder, heads), Unsigned)


def _changed(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    whole = json.loads(data)
    change(whole)
    return json.dumps(whole).encode()


def _swap_body(bundle: dict[str, Any]) -> None:
    """The log's entry of another statement by the same identity: CVE-2022-36056, GHSA-whqx-f9j3-ch6m."""
    other = json.loads(OURS.bundle(statement(OTHER.digest)))
    bundle["verificationMaterial"]["tlogEntries"] = other["verificationMaterial"]["tlogEntries"]


def _no_proof(bundle: dict[str, Any]) -> None:
    del bundle["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]


def _no_entry(bundle: dict[str, Any]) -> None:
    bundle["verificationMaterial"]["tlogEntries"] = []


def _no_time(bundle: dict[str, Any]) -> None:
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    del entry["inclusionPromise"], entry["integratedTime"]


def _two_signatures(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["signatures"] *= 2


def _other_type(bundle: dict[str, Any]) -> None:
    bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.2"


def _other_payload(bundle: dict[str, Any]) -> None:
    bundle["dsseEnvelope"]["payload"] = sigstore.text(statement(IMAGE.digest))


def _no_envelope(bundle: dict[str, Any]) -> None:
    del bundle["dsseEnvelope"]


@pytest.mark.parametrize(
    "change", [_swap_body, _no_proof, _no_entry, _no_time, _two_signatures, _other_type, _no_envelope]
)
def test_a_bundle_that_lacks_something_does_not_count(
    registry: SmallRegistry, folder: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    among_referrers(registry, BUNDLE, _changed(OURS.bundle(statement(IMAGE.digest)), change), {})
    assert isinstance(find(registry, folder, BY_IDENTITY), Unsigned)


def test_a_payload_that_was_exchanged_does_not_count(registry: SmallRegistry, folder: Path) -> None:
    among_referrers(registry, BUNDLE, _changed(OURS.bundle(statement(OTHER.digest)), _other_payload), {})
    among_referrers(
        registry, BUNDLE, _changed(sigstore.bundle_by_key(KEY, statement(OTHER.digest)), _other_payload), {}
    )
    data, annotations = sigstore.simple_by_key(KEY, payload(OTHER.digest))
    at_tag(registry, SIMPLE, data.replace(OTHER.digest.encode(), IMAGE.digest.encode()), annotations)
    found = find(registry, folder, BY_IDENTITY, BY_KEY)
    assert isinstance(found, Unsigned)
    assert found.looked_at == 3


def test_the_promise_of_the_log_is_about_this_signature(registry: SmallRegistry, folder: Path) -> None:
    data, annotations = OURS.simple(payload(IMAGE.digest))
    _, others = OURS.simple(payload(IMAGE.digest, reference="else"))
    at_tag(registry, SIMPLE, data, annotations | {"dev.sigstore.cosign/bundle": others["dev.sigstore.cosign/bundle"]})
    found = find(registry, folder, BY_IDENTITY)
    assert isinstance(found, Unsigned)
    assert "inconsistent" in str(found)


@pytest.mark.parametrize("missing", ["certificate", "bundle"])
def test_a_keyless_signature_without_its_certificate_or_log_does_not_count(
    registry: SmallRegistry, folder: Path, missing: str
) -> None:
    data, annotations = OURS.simple(payload(IMAGE.digest))
    del annotations[f"dev.sigstore.cosign/{missing}"]
    at_tag(registry, SIMPLE, data, annotations)
    assert isinstance(find(registry, folder, BY_IDENTITY), Unsigned)


PAYLOADS = [
    b"",
    b"{}",
    b"[]",
    b"not json",
    payload(IMAGE.digest, type="something else"),
    payload(IMAGE.digest, image={}),
    payload(IMAGE.digest, image=None),
    payload(IMAGE.digest).replace(b'"critical"', b'"Critical"'),
    payload(OTHER.digest)[:-1] + b', "Critical": ' + payload(IMAGE.digest)[13:],
    b"[" * 100_000,
]


@pytest.mark.parametrize("body", PAYLOADS)
def test_a_payload_that_is_not_about_this_image_does_not_count_though_it_is_signed(
    registry: SmallRegistry, folder: Path, body: bytes
) -> None:
    at_tag(registry, SIMPLE, *sigstore.simple_by_key(KEY, body))
    assert isinstance(find(registry, folder, BY_KEY), Unsigned)


def test_an_attestation_is_no_signature_and_has_its_type(registry: SmallRegistry, folder: Path) -> None:
    among_referrers(registry, BUNDLE, sigstore.bundle_by_key(KEY, statement(IMAGE.digest, SLSA)), {})
    at_tag(registry, DSSE, *OURS.attested(statement(IMAGE.digest, SLSA)))
    assert isinstance(find(registry, folder, BY_KEY, BY_IDENTITY), Unsigned)
    for signer in (BY_KEY, BY_IDENTITY):
        assert isinstance(find(registry, folder, signer, predicate_type=SLSA), Signed)
        assert isinstance(find(registry, folder, signer, predicate_type="https://spdx.dev/Document"), Unsigned)


@pytest.mark.parametrize("end", ["referrers/" + IMAGE.digest, IMAGE.digest.replace(":", "-") + ".sig"])
@pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Service Unavailable", "429 Too Many Requests"])
def test_a_registry_that_does_not_answer_is_neither_unsigned_nor_signed(
    registry: SmallRegistry, folder: Path, end: str, status: str
) -> None:
    registry.refuse[end] = status
    with pytest.raises(TemporaryError):
        find(registry, folder, BY_KEY)


def test_a_registry_that_is_away_is_not_unsigned(folder: Path) -> None:
    with RegistryClient(retries=0, timeout=(1, 1)) as client:
        places = Places(client, "http://127.0.0.1:9/app", Allowance(ReadBudget(), "limits.lookup"))
        with pytest.raises(TemporaryError):
            Signers(folder).find(places.find(IMAGE.digest), [BY_KEY], IMAGE.digest)


def test_very_many_signatures_cost_no_more_than_is_granted(registry: SmallRegistry, folder: Path) -> None:
    stranger = sigstore.new_key()
    many = [sigstore.simple_by_key(stranger, payload(IMAGE.digest, reference=str(one))) for one in range(100)]
    registry.put("app", sigstore.layers(SIMPLE, *many), f"{IMAGE.digest.replace(':', '-')}.sig")
    found = find(registry, folder, BY_KEY)
    assert isinstance(found, Unsigned)
    assert found.looked_at == MOST_DOCUMENTS + 1
    assert sum("/blobs/" in path for path in registry.asked) == MOST_DOCUMENTS
    with pytest.raises(OverBudget):
        find(registry, folder, BY_KEY, budget=ReadBudget(requests=20))


def test_nothing_is_read_beyond_the_signature_that_counts(registry: SmallRegistry, folder: Path) -> None:
    among_referrers(registry, *bundle_by_key(IMAGE.digest))
    at_tag(registry, *simple_by_key(IMAGE.digest))
    find(registry, folder, BY_KEY)
    assert not [path for path in registry.asked if path.endswith(".sig")]


def _claiming(size: int) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        manifest["layers"][0]["size"] = size

    return change


def _of_another_algorithm(manifest: dict[str, Any]) -> None:
    manifest["layers"][0]["digest"] = "md5:" + "0" * 32


def _gone(manifest: dict[str, Any]) -> None:
    manifest["layers"][0]["digest"] = "sha256:" + "0" * 64


def _without_signature(manifest: dict[str, Any]) -> None:
    manifest["layers"][0]["annotations"] = {"dev.cosignproject.cosign/signature": "%%%"}


def _not_a_manifest(manifest: dict[str, Any]) -> None:
    del manifest["config"], manifest["layers"]


@pytest.mark.parametrize(
    "change", [_claiming(2**40), _claiming(-1), _of_another_algorithm, _gone, _without_signature, _not_a_manifest]
)
def test_a_damaged_signature_hides_no_good_one(
    registry: SmallRegistry, folder: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    made = sigstore.referrer(SIMPLE, *(simple_by_key(IMAGE.digest)[1:2]), IMAGE, simple_by_key(IMAGE.digest)[2])
    damaged = Image(_changed(made.manifest, change), made.config, made.layers, {}, made.media_type)
    registry.put("app", damaged)
    assert isinstance(find(registry, folder, BY_KEY), Unsigned)
    at_tag(registry, *simple_by_key(IMAGE.digest))
    assert isinstance(find(registry, folder, BY_KEY), Signed)


@pytest.fixture(params=["P-256", "P-384", "P-521", "Ed25519", "RSA", "P-384 with its own hash"])
def signed(request: pytest.FixtureRequest) -> Iterator[tuple[Any, bytes]]:
    data = b"data"
    curves: dict[str, Any] = {
        "P-256": (ec.SECP256R1(), hashes.SHA256()),
        "P-384": (ec.SECP384R1(), hashes.SHA256()),
        "P-521": (ec.SECP521R1(), hashes.SHA256()),
        "P-384 with its own hash": (ec.SECP384R1(), hashes.SHA384()),
    }
    if request.param in curves:
        curve, digest = curves[request.param]
        key: Any = ec.generate_private_key(curve)
        yield key, key.sign(data, ec.ECDSA(digest))
    elif request.param == "RSA":
        key = rsa.generate_private_key(65537, 2048)
        yield key, key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    else:
        key = ed25519.Ed25519PrivateKey.generate()
        yield key, key.sign(data)


def test_keys_of_all_kinds_that_cosign_knows(signed: tuple[Any, bytes]) -> None:
    key, signature = signed
    public = read_key(sigstore.pem(key), "cosign.pub")
    verify(public, signature, b"data")
    for other, data in ((signature, b"datb"), (signature[:-1], b"data"), (b"", b"data")):
        with pytest.raises(NotSignedError):
            verify(public, other, data)


def test_what_is_no_public_key_is_refused() -> None:
    private = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(KeyFileError, match="keep this away"):
        read_key(private, "cosign.key")
    with pytest.raises(KeyFileError, match=r"cosign.pub: is not a public key"):
        read_key(b"-----BEGIN PUBLIC KEY-----\nxx\n", "cosign.pub")
    with pytest.raises(KeyFileError, match="1024 bits"):
        read_key(sigstore.pem(rsa.generate_private_key(65537, 1024)), "cosign.pub")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"mediaType": "x"}', b"x" * (5 * 1024 * 1024)])
def test_roots_that_are_none_are_refused(registry: SmallRegistry, folder: Path, data: bytes) -> None:
    (folder / "root.json").write_bytes(data)
    with pytest.raises(TrustRootError, match=r"root\.json"):
        Signers(folder).check([BY_IDENTITY])
    (folder / "root.json").unlink()
    with pytest.raises(TrustRootError, match="cannot be read"):
        Signers(folder).check([BY_IDENTITY])


def test_the_roots_of_the_public_sigstore_are_in_the_library() -> None:
    Signers(Path()).check([Signer(issuer=ISSUER, identity=IDENTITY)])


def test_an_index_has_signatures_of_its_own(registry: SmallRegistry, folder: Path) -> None:
    index = Index.build([IMAGE, OTHER])
    registry.put("app", index)
    at_tag(registry, *simple_by_key(index.digest), of=index)  # type: ignore[arg-type]
    assert isinstance(find(registry, folder, BY_KEY, digest=index.digest), Signed)
    assert isinstance(find(registry, folder, BY_KEY), Unsigned)
