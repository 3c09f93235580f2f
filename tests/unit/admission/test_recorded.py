"""What real cosigns wrote (`python -m tests.tools.cosigned`), in every place where it can lie."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.admission.judging import AdmissionJudge
from orchestrator.admission.request import AdmissionRequest
from orchestrator.admission.rulings import Admission
from tests.tools import sigstore
from tests.tools.sigstore import IDENTITY, ISSUER
from tests.tools.small_registry import SmallRegistry
from tests.unit.admission.samples import configured

RECORDED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("cosigned.json").read_text())
PROVENANCE = "https://slsa.dev/provenance/v1"


def judged(folder: Path, form: dict[str, Any], *, referrers: bool, **other: str) -> Admission:
    """What we say of an image of the recorded registry; some of it may be said otherwise than it was recorded."""
    kept = SmallRegistry(referrers=referrers)
    for name, data in form["manifests"].items():
        manifest = base64.b64decode(data)
        kept.manifests["app", name] = (manifest, json.loads(manifest)["mediaType"])
    kept.blobs |= {name: base64.b64decode(data) for name, data in form["blobs"].items()}
    identity, issuer = other.get("identity", IDENTITY), other.get("issuer", ISSUER)
    signer = f"issuer: '{issuer}', identity: '{identity}', trustRoot: root.json"
    signer = "key: cosign.pub" if form["key"] else signer
    wanted = f", attestations: [{{predicateType: '{other['attested']}'}}]" if "attested" in other else ""
    with kept.serve() as served:
        text = (
            "admission: {policies: [{name: a, images: ['" + served.host + "/*'], authorities: [{" + signer + "}]"
            + wanted + "}]}\n"
        )  # fmt: skip
        files = {"cosign.pub": other.get("key", form["key"]).encode(), "root.json": json.dumps(form["root"]).encode()}
        config = configured(folder, text, **files)
        with AdmissionJudge(config) as judge:
            return judge.judge(AdmissionRequest(what="x", image=f"{served.host}/app@{form['digest']}"))


@pytest.mark.parametrize("referrers", [True, False], ids=["referrers", "tags"])
@pytest.mark.parametrize("form", RECORDED)
def test_what_cosign_writes_counts_for_its_signer_alone(tmp_path: Path, form: str, referrers: bool) -> None:
    found = RECORDED[form]
    assert judged(tmp_path, found, referrers=referrers).allowed
    if found["key"]:
        stranger = sigstore.pem(sigstore.new_key()).decode()
        assert "not signed with it" in judged(tmp_path, found, referrers=referrers, key=stranger).refusal
    else:
        refused = judged(tmp_path, found, referrers=referrers, identity=IDENTITY.replace("v1", "v2"))
        assert f"signed by {IDENTITY}" in refused.refusal
        refused = judged(tmp_path, found, referrers=referrers, issuer=f"{ISSUER}.attacker")
        assert f"signed by an identity of {ISSUER}" in refused.refusal
        theirs = {**found, "root": json.loads(sigstore.Sigstore().trust_root())}
        assert not judged(tmp_path, theirs, referrers=referrers).allowed


@pytest.mark.parametrize("form", RECORDED)
def test_attestations_of_cosign_are_of_their_type(tmp_path: Path, form: str) -> None:
    found = RECORDED[form]
    for referrers in (True, False):
        attested = judged(tmp_path, found, referrers=referrers, attested=PROVENANCE).allowed
        assert attested == ("attestation" in form)
        assert not judged(tmp_path, found, referrers=referrers, attested="https://spdx.dev/Document").allowed


@pytest.mark.parametrize("form", RECORDED)
def test_one_image_s_signature_is_not_another_s(tmp_path: Path, form: str) -> None:
    """The documents of one image under the names of another."""
    found, other = RECORDED[form], next(each for name, each in RECORDED.items() if name != form)
    mine, theirs = (each["digest"] for each in (found, other))
    moved = {
        name.replace(mine.replace(":", "-"), theirs.replace(":", "-")): data
        for name, data in found["manifests"].items()
    }
    moved |= {theirs: other["manifests"][theirs]}
    blobs = other["blobs"] | found["blobs"]
    replayed = {**found, "digest": theirs, "manifests": moved, "blobs": blobs}
    refusal = judged(tmp_path, replayed, referrers=False).refusal
    assert f"it is about another image, {mine}" in refusal
