"""Signatures by real cosigns, 3 and 2, in all of their forms; and cosign's own word about what our tests sign."""

from pathlib import Path

import pytest

from tests.integration.test_signed_images import KEY as OUR_KEY
from tests.integration.test_signed_images import (
    OURS,
    bundle_by_identity,
    bundle_by_key,
    by_identity,
    by_key,
    config_of,
    in_list,
    judge,
)
from tests.integration.test_signed_images import at_tag as put_at_tag
from tests.tools import sigstore
from tests.tools.cosigned import FORMS, PROVENANCE, cosigner
from tests.tools.images import Image
from tests.tools.layers import layer
from tests.tools.servers import Registry
from tests.tools.sigstore import IDENTITY, ISSUER

pytestmark = pytest.mark.campaign


@pytest.mark.parametrize("name", FORMS)
def test_what_cosign_signs_may_run(registry: Registry, repository: str, tmp_path: Path, name: str) -> None:
    form = FORMS[name]
    image, moved = (Image.build([layer({"app": f"{name} {number}"})]) for number in (1, 2))
    tagged = registry.push(f"{repository}:1", image)
    with cosigner(tmp_path) as signer:
        signer.sign(form, f"{registry.host}/{repository}@{image.digest}")
    more = f"      attestations: [{{predicateType: '{PROVENANCE}'}}]\n" if form.attests else ""
    root, key = (tmp_path / "root.json").read_bytes(), tmp_path / "cosign.pub"
    config = config_of(tmp_path, registry.host, more=more)
    (tmp_path / "root.json").write_bytes(root)
    if key.exists():
        (tmp_path / "key.pub").write_bytes(key.read_bytes())
    found = judge(config, tagged)
    assert found.runs == f"{tagged}@{image.digest}", found.refusal
    registry.push(f"{repository}:1", moved)
    assert "there is no signature at all" in judge(config, tagged).refusal


@pytest.mark.parametrize(
    ("place", "kind"),
    [(put_at_tag, by_key), (put_at_tag, by_identity), (in_list, bundle_by_key), (in_list, bundle_by_identity)],
)
def test_cosign_takes_what_our_tests_sign(registry: Registry, repository: str, tmp_path: Path, place, kind) -> None:
    """So that what we accept of our own making is what cosign accepts, too."""
    image = Image.build([layer({"app": repository})])
    registry.push(f"{repository}:1", image)
    place(registry, repository, image, kind(image.digest))
    reference = f"{registry.host}/{repository}@{image.digest}"
    with cosigner(tmp_path) as signer:
        (tmp_path / "root.json").write_bytes(OURS.trust_root())
        (tmp_path / "ours.pub").write_bytes(sigstore.pem(OUR_KEY))
        words = [] if place is in_list else ["--new-bundle-format=false"]
        who = ["--key", "ours.pub", "--insecure-ignore-tlog"]
        if kind in {by_identity, bundle_by_identity}:
            words += ["--trusted-root", "root.json"]
            who = ["--certificate-identity", IDENTITY, "--certificate-oidc-issuer", ISSUER]
        done = signer.run("cosign", "verify", "--allow-insecure-registry", *words, *who, reference)
        assert done.returncode == 0, done.stderr
        stranger = ["--certificate-identity", "a@b.example", "--certificate-oidc-issuer", ISSUER]
        if kind in {by_identity, bundle_by_identity}:
            assert signer.run("cosign", "verify", "--allow-insecure-registry", *words, *stranger, reference).returncode
