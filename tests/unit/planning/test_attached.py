"""SBOMs that came with an image: which are used in place of our own, and what is said of all others."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.catalog.question import question_of
from orchestrator.config.loading import load_config
from orchestrator.images.registry.client import RegistryClient
from orchestrator.model import Name, OnSbom, Scan, StoredSbom, Target, TargetKind
from orchestrator.planning.attached import AttachedLookup
from orchestrator.volume.layout import Volume
from orchestrator.volume.sboms import find_sbom, open_sbom
from tests.tools import sigstore
from tests.tools.images import Image, Index, sha256
from tests.tools.layers import layer
from tests.tools.sigstore import BUNDLE, DSSE, IDENTITY, ISSUER, SIMPLE, Sigstore, payload, statement
from tests.tools.small_registry import SmallRegistry
from tests.unit.planning.samples import NOW

IMAGE = Image.build([layer({"app": "1"})])
OTHER = Image.build([layer({"app": "2"})])
KEY, STRANGER = sigstore.new_key(), sigstore.new_key()
OURS = Sigstore()
SYFT, CYCLONEDX, SPDX = "https://syft.dev/bom", "https://cyclonedx.org/bom", "https://spdx.dev/Document/v2.3"
MEDIA = "application/vnd.syft+json"
MAKER = Scan("packages", "syft:1", ("/syft", "{tarball}", "{report}"), "syft", stored=True)
OF_TRIVY = Scan("packages-trivy", "trivy:1", ("trivy", "{tarball}", "{report}"), "cyclonedx", stored=True)
ASKED = question_of(MAKER, TargetKind.IMAGE)
WAY = OnSbom("packages", ("grype", "{sbom}", "{report}"), cataloguers=("1.42.3",))
OF_GENERAL = OnSbom("packages-trivy", ("trivy", "{sbom}", "{report}"), cataloguers=("0.68.2",))


def bom(version: str = "1.42.3", *, of: str = IMAGE.digest, **more: Any) -> dict[str, Any]:
    """What Syft says of an image."""
    return {
        "artifacts": [{"name": "openssl", "version": "3", "purl": "pkg:deb/debian/openssl@3"}],
        "descriptor": {"name": "syft", "version": version},
        "source": {"type": "image", "metadata": {"manifestDigest": of}},
    } | more


def cyclonedx(name: str = "trivy", version: str = "0.68.2") -> dict[str, Any]:
    tools = {"components": [{"type": "application", "name": name, "version": version}]}
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"tools": tools}, "components": []}


@pytest.fixture
def registry() -> SmallRegistry:
    kept = SmallRegistry()
    kept.put("app", IMAGE, "1")
    return kept


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "pv")


Look = Callable[..., StoredSbom | str]


@pytest.fixture
def look(registry: SmallRegistry, volume: Volume, tmp_path: Path) -> Iterator[Look]:
    """Look for those of the image."""
    (tmp_path / "key.pub").write_bytes(sigstore.pem(KEY))
    (tmp_path / "root.json").write_bytes(OURS.trust_root())
    (tmp_path / "scanmatrix.yaml").write_text(f"""\
sboms:
  store: true
  attached:
    signers:
      - key: key.pub
      - {{issuer: "{ISSUER}", identity: "{IDENTITY}", trustRoot: root.json}}
""")
    config = load_config(tmp_path / "scanmatrix.yaml", environment={})
    with registry.serve() as served, RegistryClient(retries=0) as client:
        host = served.url.partition("//")[2]

        def ask(cataloguer: Scan = MAKER, way: OnSbom = WAY, indexes: tuple[str, ...] = ()) -> StoredSbom | str:
            lookup = AttachedLookup(config, volume, "r1", NOW, client)
            names = (Name(f"{host}/app:1"),)
            target = Target("app", names, digest=IMAGE.digest, pull=f"{served.url}/app", indexes=indexes)
            return lookup(target, cataloguer, way, question_of(cataloguer, TargetKind.IMAGE))

        yield ask


Attach = Callable[[SmallRegistry, bytes], None]


def attestation_at_tag(kept: SmallRegistry, told: bytes, *, key: Any = KEY) -> None:
    body = json.dumps(sigstore.envelope(told, sigstore.sign(key, sigstore.pae(told)))).encode()
    kept.put("app", sigstore.layers(DSSE, (body, {})), f"{IMAGE.digest.replace(':', '-')}.att")


def attestation_of_identity(kept: SmallRegistry, told: bytes) -> None:
    kept.put("app", sigstore.layers(DSSE, OURS.attested(told)), f"{IMAGE.digest.replace(':', '-')}.att")


def bundle_of_key(kept: SmallRegistry, told: bytes) -> None:
    kept.put("app", sigstore.referrer(BUNDLE, sigstore.bundle_by_key(KEY, told), IMAGE))


def bundle_of_identity(kept: SmallRegistry, told: bytes) -> None:
    kept.put("app", sigstore.referrer(BUNDLE, OURS.bundle(told), IMAGE))


def sign(kept: SmallRegistry, digest: str, *, key: Any = KEY) -> None:
    signed = sigstore.layers(SIMPLE, sigstore.simple_by_key(key, payload(digest)))
    kept.put("app", signed, f"{digest.replace(':', '-')}.sig")


def artifact(kept: SmallRegistry, data: bytes, *, media: str = MEDIA, subject: Image = IMAGE) -> str:
    return kept.put("app", sigstore.referrer(media, data, subject))


def buildkit(kept: SmallRegistry, told: bytes, kind: str) -> str:
    """The index that BuildKit makes: the image, and beside it what is attested of it."""
    made = sigstore.layers("application/vnd.in-toto+json", (told, {"in-toto.io/predicate-type": kind}))
    about = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": IMAGE.digest}
    nobody = {"os": "unknown", "architecture": "unknown"}
    index = Index.build([IMAGE], extra=[{**made.descriptor, "platform": nobody, "annotations": about}])
    kept.put("app", made)
    return kept.put("app", index, "1")


@pytest.mark.parametrize(
    ("attach", "signer"),
    [
        (attestation_at_tag, "key key.pub"),
        (attestation_of_identity, IDENTITY),
        (bundle_of_key, "key key.pub"),
        (bundle_of_identity, IDENTITY),
    ],
)
def test_an_attestation_by_who_is_trusted_is_stored_as_one_of_ours(
    registry: SmallRegistry, look: Look, volume: Volume, attach: Attach, signer: str
) -> None:
    assert look() == ""
    attach(registry, statement(IMAGE.digest, SYFT, bom()))
    found = look()
    assert isinstance(found, StoredSbom), found
    assert (found.digest, found.scan, found.asked, found.types) == (IMAGE.digest, "packages", ASKED, ("deb",))
    assert found.source.cataloguer == "syft 1.42.3"
    assert signer in found.source.signer
    assert signer in str(found.source)
    assert find_sbom(volume, IMAGE.digest, ASKED) == found
    open_sbom(volume, IMAGE.digest, found.source, volume.root / "read")
    read = json.loads((volume.root / "read").read_bytes())
    assert {name: read[name] for name in bom()} == bom()


def test_trivys_own_is_taken_for_trivy_and_nobody_elses(registry: SmallRegistry, look: Look) -> None:
    attestation_at_tag(registry, statement(IMAGE.digest, f"{CYCLONEDX}/v1.6", cyclonedx("syft")))
    assert "was made by syft 0.68.2" in str(look(OF_TRIVY, OF_GENERAL))
    assert "is in the format cyclonedx, not syft" in str(look())
    attestation_at_tag(registry, statement(IMAGE.digest, CYCLONEDX, cyclonedx()))
    assert isinstance(look(OF_TRIVY, OF_GENERAL), StoredSbom)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (statement(OTHER.digest, SYFT, bom()), f"it is about another image, {OTHER.digest}"),
        (statement(IMAGE.digest, SYFT, bom(of=OTHER.digest)), "of another image"),
        (statement(IMAGE.digest, SYFT, bom("1.42.2")), "was made by syft 1.42.2"),
        (statement(IMAGE.digest, SYFT, bom(artifacts=[{"name": "x"}])), "is incomplete: package x has no version"),
        (statement(IMAGE.digest, SYFT, bom(descriptor={"name": "x\u202e", "version": "1.42.3"})), "wrote it"),
        (statement(IMAGE.digest, SYFT, {"artifacts": 1}), "not Syft's own JSON"),
        (statement(IMAGE.digest, SPDX, {"spdxVersion": "SPDX-2.3"}), "is in the format spdx, not syft"),
        (statement(IMAGE.digest, "https://slsa.dev/provenance/v1"), ""),
    ],
)
def test_what_could_not_have_been_made_here_is_refused_and_said(
    registry: SmallRegistry, look: Look, volume: Volume, told: bytes, said: str
) -> None:
    attestation_at_tag(registry, told)
    found = look()
    assert isinstance(found, str)
    assert said in found
    assert bool(found) is bool(said)
    assert find_sbom(volume, IMAGE.digest, ASKED) is None


def test_who_is_not_trusted_says_nothing(registry: SmallRegistry, look: Look) -> None:
    told = statement(IMAGE.digest, SYFT, bom())
    attestation_at_tag(registry, told, key=STRANGER)
    assert "not signed with it" in str(look())
    unsigned = json.dumps({"payload": base64.b64encode(told).decode(), "payloadType": "x", "signatures": []}).encode()
    registry.put("app", sigstore.layers(DSSE, (unsigned, {})), f"{IMAGE.digest.replace(':', '-')}.att")
    assert "0 signatures" in str(look())


def test_one_that_is_too_large_is_not_fetched(registry: SmallRegistry, look: Look) -> None:
    attestation_at_tag(registry, statement(IMAGE.digest, SYFT, bom()))
    tag = f"{IMAGE.digest.replace(':', '-')}.att"
    data, kind = registry.manifests["app", tag]
    manifest = json.loads(data)
    manifest["layers"][0]["size"] = 500 * 10**6
    registry.manifests["app", tag] = (json.dumps(manifest).encode(), kind)
    registry.asked.clear()
    assert "a document of 500000000 bytes" in str(look())
    assert not [path for path in registry.asked if "blobs" in path]


def test_of_several_the_first_that_fits_is_taken(registry: SmallRegistry, look: Look) -> None:
    for version in ("1.18.1", "1.42.3"):
        bundle_of_key(registry, statement(IMAGE.digest, SYFT, bom(version)))
    attestation_at_tag(registry, b"{")
    assert isinstance(look(), StoredSbom)


def test_a_referrer_counts_where_its_manifest_is_signed(registry: SmallRegistry, look: Look) -> None:
    digest = artifact(registry, json.dumps(bom()).encode())
    assert "there is no signature at all" in str(look())
    sign(registry, digest, key=STRANGER)
    assert "none counts" in str(look())
    sign(registry, digest)
    assert isinstance(look(), StoredSbom)


def test_a_signed_artifact_that_somebody_moves_to_another_image_is_not_about_it(
    registry: SmallRegistry, look: Look
) -> None:
    """The list at a tag is anybody's who may push: what is signed must name the image itself."""
    made = sigstore.referrer("application/vnd.cyclonedx+json", json.dumps(cyclonedx()).encode(), OTHER)
    sign(registry, registry.put("app", made))
    tag = IMAGE.digest.replace(":", "-")
    registry.manifests["app", tag] = (sigstore.index_of(made), "application/vnd.oci.image.index.v1+json")
    assert "does not say that it is of" in str(look(OF_TRIVY, OF_GENERAL))


def test_one_at_cosigns_older_tag_must_name_its_image_itself(registry: SmallRegistry, look: Look) -> None:
    tag = f"{IMAGE.digest.replace(':', '-')}.sbom"
    sign(registry, registry.put("app", sigstore.layers(MEDIA, (json.dumps(bom()).encode(), {})), tag))
    assert isinstance(look(), StoredSbom)
    of_trivy = sigstore.layers("application/vnd.cyclonedx+json", (json.dumps(cyclonedx()).encode(), {}))
    sign(registry, registry.put("app", of_trivy, tag))
    assert "does not say that it is of" in str(look(OF_TRIVY, OF_GENERAL))


def test_buildkits_counts_where_the_index_is_signed(registry: SmallRegistry, look: Look) -> None:
    index = buildkit(registry, statement(IMAGE.digest, SYFT, bom()), SYFT)
    assert "there is no signature at all" in str(look(indexes=(index,)))
    sign(registry, index)
    assert isinstance(look(indexes=(index,)), StoredSbom)


def test_buildkits_of_another_image_of_the_index_is_not_about_it(registry: SmallRegistry, look: Look) -> None:
    index = buildkit(registry, statement(OTHER.digest, CYCLONEDX, cyclonedx()), CYCLONEDX)
    sign(registry, index)
    assert "does not say that it is of" in str(look(OF_TRIVY, OF_GENERAL, indexes=(index,)))
    provenance = buildkit(registry, statement(IMAGE.digest, "https://slsa.dev/provenance/v1"), "https://slsa.dev/x")
    assert look(indexes=(provenance,)) == ""


def test_a_registry_that_fails_costs_that_and_no_plan(registry: SmallRegistry, look: Look) -> None:
    registry.refuse["referrers/" + IMAGE.digest] = "500 Internal Server Error"
    assert "fails (500)" in str(look())


def test_a_volume_that_takes_nothing_costs_that_and_no_plan(
    registry: SmallRegistry, look: Look, volume: Volume
) -> None:
    volume.root.write_text("no folder")
    attestation_at_tag(registry, statement(IMAGE.digest, SYFT, bom()))
    assert "the volume failed" in str(look())


def test_what_is_stored_is_what_was_signed(registry: SmallRegistry, look: Look) -> None:
    """Its digest is of the bytes as they stand in the statement."""
    attestation_at_tag(registry, statement(IMAGE.digest, CYCLONEDX, cyclonedx()))
    found = look(OF_TRIVY, OF_GENERAL)
    assert isinstance(found, StoredSbom)
    assert found.source.bom == sha256(json.dumps(cyclonedx()).encode())
