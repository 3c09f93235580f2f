"""Signatures in real registries: pushed, found by tag or in the list of referrers, and read through a cache."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.admission.judging import AdmissionJudge
from orchestrator.admission.request import AdmissionRequest
from orchestrator.admission.rulings import Admission
from orchestrator.config.loading import Config, load_config
from tests.tools import sigstore
from tests.tools.images import Image, Index
from tests.tools.layers import layer
from tests.tools.servers import Registry
from tests.tools.sigstore import BUNDLE, DSSE, IDENTITY, ISSUER, SIMPLE, Sigstore, payload, statement

KEY = sigstore.new_key()
OURS = Sigstore()
SLSA = "https://slsa.dev/provenance/v1"


def config_of(folder: Path, host: str, more: str = "") -> Config:
    (folder / "key.pub").write_bytes(sigstore.pem(KEY))
    (folder / "root.json").write_bytes(OURS.trust_root())
    (folder / "scanmatrix.yaml").write_text(f"""\
admission:
  policies:
    - name: signed
      images: ["{host}/*"]
      authorities:
        - key: key.pub
        - {{issuer: "{ISSUER}", identity: "{IDENTITY}", trustRoot: root.json}}
{more}""")
    return load_config(folder / "scanmatrix.yaml", environment={})


def judge(config: Config, image: str) -> Admission:
    with AdmissionJudge(config) as judged:
        return judged.judge(AdmissionRequest(what="task 1", image=image))


Document = tuple[str, bytes, dict[str, str]]


def at_tag(registry: Registry, repository: str, image: Image, document: Document) -> None:
    kind, data, beside = document
    suffix = "att" if kind == DSSE else "sig"
    registry.push(f"{repository}:{image.digest.replace(':', '-')}.{suffix}", sigstore.layers(kind, (data, beside)))


def in_list(registry: Registry, repository: str, image: Image, document: Document) -> None:
    kind, data, beside = document
    made = sigstore.referrer(kind, data, image, beside)
    index = Index(sigstore.index_of(made), (made,), "application/vnd.oci.image.index.v1+json")
    registry.push(f"{repository}:{image.digest.replace(':', '-')}", index)


def by_key(digest: str) -> Document:
    return SIMPLE, *sigstore.simple_by_key(KEY, payload(digest))


def by_identity(digest: str) -> Document:
    return SIMPLE, *OURS.simple(payload(digest))


def bundle_by_key(digest: str) -> Document:
    return BUNDLE, sigstore.bundle_by_key(KEY, statement(digest)), {}


def bundle_by_identity(digest: str) -> Document:
    return BUNDLE, OURS.bundle(statement(digest)), {}


FORMS = [(at_tag, by_key), (at_tag, by_identity), (in_list, by_key), (in_list, by_identity)]
FORMS += [(in_list, bundle_by_key), (in_list, bundle_by_identity)]


@pytest.mark.parametrize(("place", "kind"), FORMS)
def test_what_is_pushed_is_found_and_a_moved_tag_is_not_it(
    registry: Registry,
    repository: str,
    tmp_path: Path,
    place: Callable[..., None],
    kind: Callable[[str], Document],
) -> None:
    config = config_of(tmp_path, registry.host)
    image, moved = (Image.build([layer({"app": f"{repository} {number}"})]) for number in (1, 2))
    name = registry.push(f"{repository}:1", image)
    assert "there is no signature at all" in judge(config, name).refusal
    place(registry, repository, image, kind(image.digest))
    found = judge(config, name)
    assert found.runs == f"{name}@{image.digest}", found.refusal
    registry.push(f"{repository}:1", moved)
    assert not judge(config, name).allowed
    assert judge(config, found.runs).allowed
    place(registry, repository, moved, kind(image.digest))  # the signature of the other one, put where its own would be
    assert f"it is about another image, {image.digest}" in judge(config, name).refusal


def test_an_attestation_that_is_pushed_is_found(registry: Registry, repository: str, tmp_path: Path) -> None:
    config = config_of(tmp_path, registry.host, more=f"      attestations: [{{predicateType: '{SLSA}'}}]\n")
    image = Image.build([layer({"app": repository})])
    name = registry.push(f"{repository}:1", image)
    at_tag(registry, repository, image, by_key(image.digest))
    assert f"{SLSA}: no authority has signed" in judge(config, name).refusal
    at_tag(registry, repository, image, (DSSE, *OURS.attested(statement(image.digest, SLSA))))
    assert judge(config, name).allowed
