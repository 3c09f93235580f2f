"""The decision as a truth table: every policy about an image, one authority of each, nothing that none is about."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.admission.judging import AdmissionJudge, RegistryNotAskedError
from orchestrator.admission.request import AdmissionRequest, AskedRoom
from orchestrator.admission.rulings import Admission
from orchestrator.config.admission import AdmissionPolicy, AdmissionSection
from orchestrator.config.loading import Config, default_config
from orchestrator.errors import TemporaryError
from orchestrator.images.registry.client import RegistryClient
from orchestrator.model import Signer
from orchestrator.net.errors import NotFound
from tests.examples import examples
from tests.tools import sigstore
from tests.tools.images import Image, Index
from tests.tools.layers import layer
from tests.tools.sigstore import BUNDLE, SIMPLE, payload, statement
from tests.tools.small_registry import SmallRegistry
from tests.unit.admission.samples import configured

IMAGE = Image.build([layer({"app": "1"})])
ARM = Image.build([layer({"app": "arm"})], platform="linux/arm64")
MOVED = Image.build([layer({"app": "2"})])
DIGEST = "sha256:" + "a" * 64
KEYS = {name: sigstore.new_key() for name in ("one", "two", "three")}
PEMS = {name: sigstore.pem(key).decode() for name, key in KEYS.items()}


def judge(config: Config, image: str, *, retries: int = 0, **request: Any) -> Admission:
    with RegistryClient(retries=retries, timeout=(2, 2)) as client, AdmissionJudge(config, client=client) as judged:
        return judged.judge(AdmissionRequest(what="task 1", image=image, **request))


def signed_by(kept: SmallRegistry, image: Image | Index, *names: str, tag: str = "") -> None:
    """Put an image into the registry with signatures of these keys."""
    kept.put("app", image, *([tag] if tag else []))
    if names:
        made = [sigstore.simple_by_key(KEYS[name], payload(image.digest)) for name in names]
        kept.put("app", sigstore.layers(SIMPLE, *made), f"{image.digest.replace(':', '-')}.sig")


# The truth table. Policies are about the image or not; each has authorities, of which some have signed.
_NAMES = st.sets(st.sampled_from(sorted(KEYS)), max_size=3)
_POLICIES = st.lists(st.tuples(st.booleans(), _NAMES), min_size=1, max_size=4)


@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(policies=_POLICIES, signers=_NAMES)
def test_all_policies_about_an_image_and_one_authority_of_each(
    policies: list[tuple[bool, set[str]]], signers: set[str]
) -> None:
    kept = SmallRegistry()
    signed_by(kept, IMAGE, *sorted(signers), tag="1")
    with kept.serve() as served:
        section = AdmissionSection(
            policies=tuple(
                AdmissionPolicy(
                    name=str(number),
                    images=(f"{served.host}/*" if about else "elsewhere.example/*",),
                    authorities=tuple(Signer(key=PEMS[name]) for name in sorted(names)),
                )
                for number, (about, names) in enumerate(policies)
            )
        )
        config = default_config(environment={}).model_copy(update={"admission": section})
        found = judge(config, f"{served.host}/app:1")
    meant = [names for about, names in policies if about]
    assert found.allowed == (bool(meant) and all(not names or names & signers for names in meant))
    assert bool(found.refusal) == (not found.allowed)
    assert found.runs.endswith(f"@{IMAGE.digest}") == (found.allowed and any(meant))
    if not any(meant):
        assert kept.asked == []  # a registry is asked only about what must be signed


@pytest.fixture
def kept() -> SmallRegistry:
    return SmallRegistry()


def config_of(folder: Path, host: str, more: str = "", policy: str = "", **files: bytes) -> Config:
    text = f"""\
admission:
  policies:
    - name: ours
      images: ["{host}/*"]
      authorities:
        - key: one.pub
{policy}{more}"""
    (folder / "one.pub").write_bytes(sigstore.pem(KEYS["one"]))
    return configured(folder, text, **files)


def test_a_refusal_names_rule_file_and_line_of_both_sides(tmp_path: Path, kept: SmallRegistry) -> None:
    signed_by(kept, IMAGE, "two", tag="1")
    with kept.serve() as served:
        config = config_of(tmp_path, served.host)
        found = judge(config, f"{served.host}/app:1", where="job/config.yaml:7")
    assert not found.allowed
    assert found.runs == ""
    [ruling] = found.rulings
    assert ruling.where == f"{tmp_path}/scanmatrix.yaml:5"
    assert ruling.rule == "admission.policies[0].authorities (ours)"
    assert found.refusal.startswith(
        f"job/config.yaml:7: task 1 may not run: {ruling.where}: {ruling.rule}: no authority"
    )
    assert "not signed with it (key one.pub)" in found.refusal


def test_who_signed_is_said(tmp_path: Path, kept: SmallRegistry) -> None:
    signed_by(kept, IMAGE, "two", "one", tag="1")
    with kept.serve() as served:
        found = judge(config_of(tmp_path, served.host), f"{served.host}/app:1")
    assert [ruling.signer for ruling in found.rulings] == ["key one.pub"]


def test_what_was_verified_is_what_runs_though_the_tag_moves(tmp_path: Path, kept: SmallRegistry) -> None:
    signed_by(kept, IMAGE, "one", tag="1")
    with kept.serve() as served:
        config = config_of(tmp_path, served.host)
        before = judge(config, f"{served.host}/app:1")
        kept.put("app", MOVED, "1")
        after = judge(config, f"{served.host}/app:1")
        still = judge(config, before.runs)
    assert before.runs == f"{served.host}/app:1@{IMAGE.digest}"
    assert not after.allowed
    assert still.allowed
    assert still.runs == before.runs


def test_a_tag_that_moves_while_it_is_judged_is_asked_for_once(tmp_path: Path, kept: SmallRegistry) -> None:
    signed_by(kept, IMAGE, "one", tag="1")
    with kept.serve() as served:
        judge(config_of(tmp_path, served.host), f"{served.host}/app:1")
    assert kept.asked.count("/v2/app/manifests/1") == 1


def test_an_image_of_a_signed_index_is_covered_by_it(tmp_path: Path, kept: SmallRegistry) -> None:
    index = Index.build([IMAGE, ARM])
    signed_by(kept, index, "one", tag="1")
    with kept.serve() as served:
        config = config_of(tmp_path, served.host)
        found = judge(config, f"{served.host}/app:1@{IMAGE.digest}")
        assert found.allowed
        assert found.runs == f"{served.host}/app:1@{IMAGE.digest}"
        assert f"of the index {index.digest}" in found.rulings[0].reason
        assert not judge(config, f"{served.host}/app@{IMAGE.digest}").allowed  # nothing leads to the index
        kept.put("app", MOVED, "1")
        assert not judge(config, f"{served.host}/app:1@{IMAGE.digest}").allowed


def test_an_index_is_covered_by_signatures_of_each_of_its_images(tmp_path: Path, kept: SmallRegistry) -> None:
    index = Index.build([IMAGE, ARM])
    kept.put("app", index, "1")
    signed_by(kept, IMAGE, "one")
    with kept.serve() as served:
        config = config_of(tmp_path, served.host)
        assert not judge(config, f"{served.host}/app:1").allowed
        signed_by(kept, ARM, "one")
        found = judge(config, f"{served.host}/app:1")
    assert found.allowed
    assert found.runs.endswith(index.digest)


def test_attestations_must_be_there_signed_by_an_authority(tmp_path: Path, kept: SmallRegistry) -> None:
    slsa = "https://slsa.dev/provenance/v1"
    signed_by(kept, IMAGE, "one", tag="1")
    policy = f"      attestations:\n        - predicateType: {slsa}\n"
    with kept.serve() as served:
        config = config_of(tmp_path, served.host, policy=policy)
        assert f"{slsa}: no authority has signed" in judge(config, f"{served.host}/app:1").refusal
        for key, allowed in (("two", False), ("one", True)):
            body = statement(IMAGE.digest, slsa)
            kept.put("app", sigstore.referrer(BUNDLE, sigstore.bundle_by_key(KEYS[key], body), IMAGE))
            assert judge(config, f"{served.host}/app:1").allowed == allowed


@pytest.mark.parametrize("end", ["manifests/1", ".sig"])
def test_a_registry_that_does_not_answer_is_neither_yes_nor_no(tmp_path: Path, kept: SmallRegistry, end: str) -> None:
    signed_by(kept, IMAGE, "one", tag="1")
    kept.refuse[end] = "503 Service Unavailable"
    with kept.serve() as served, pytest.raises(TemporaryError):
        judge(config_of(tmp_path, served.host), f"{served.host}/app:1")


def test_an_image_that_is_not_there_is_an_error_not_an_answer(tmp_path: Path, kept: SmallRegistry) -> None:
    with kept.serve() as served, pytest.raises(NotFound):
        judge(config_of(tmp_path, served.host), f"{served.host}/app:1")


def test_offline_nothing_that_must_be_signed_is_decided(tmp_path: Path) -> None:
    config = config_of(tmp_path, "registry.example")
    with AdmissionJudge(config, offline=True) as judged:
        with pytest.raises(RegistryNotAskedError):
            judged.judge(AdmissionRequest(what="x", image=f"registry.example/app@{DIGEST}"))
        assert not judged.judge(AdmissionRequest(what="x", image="other.example/app")).allowed


def test_a_cache_that_passes_on_no_referrers_hides_no_signature(tmp_path: Path) -> None:
    upstream, cache = SmallRegistry(), SmallRegistry(referrers=False)
    for kept in (upstream, cache):
        kept.put("app", IMAGE, "1")
    bundle = sigstore.bundle_by_key(KEYS["one"], statement(IMAGE.digest))
    upstream.put("app", sigstore.referrer(BUNDLE, bundle, IMAGE))
    with upstream.serve() as origin, cache.serve() as near:
        text = f"cache:\n  - upstream: {origin.host}\n    url: {near.url}\n"
        config = config_of(tmp_path, origin.host, more=text)
        assert judge(config, f"{origin.host}/app:1").allowed
        upstream.refuse[IMAGE.digest] = "500 Internal Server Error"
        with pytest.raises(TemporaryError):
            judge(config, f"{origin.host}/app:1")
        upstream.refuse[IMAGE.digest] = "403 Forbidden"
        found = judge(config, f"{origin.host}/app:1")
    assert "its own registry cannot be asked" in found.refusal


RULES: list[tuple[str, str, dict[str, Any], bool]] = [
    ("policies: [{name: a, images: ['docker.io/*']}]", "nginx", {}, True),
    ("policies: [{name: a, images: [nginx]}]", "docker.io/library/nginx:1", {}, True),
    ("policies: [{name: a, images: ['ghcr.io/*']}]", "nginx", {}, False),
    ("policies: [{name: a, images: ['ghcr.io/*']}]", "docker.io/ghcr.io/x", {}, False),
    ("policies: [{name: a, images: ['*']}, {name: b, images: [nginx], refused: old}]", "nginx", {}, False),
    ("policies: [{name: a, images: ['*']}, {name: b, images: [nginx], refused: old}]", "httpd", {}, True),
    ("policies: [{name: a, images: ['*'], tags: ['1.*']}]", "nginx:1.2", {}, True),
    ("policies: [{name: a, images: ['*'], tags: ['1.*']}]", "nginx:2.1", {}, False),
    ("policies: [{name: a, images: ['*'], tags: ['1.*']}]", "nginx", {}, False),
    ("policies: [{name: a, images: ['*'], tags: ['1.*']}]", f"nginx:1.2@{DIGEST}", {}, False),
    ("policies: [{name: a, images: ['*'], tags: ['1.*']}]", f"nginx:1.2@{DIGEST}", {"named": "nginx:1.2"}, True),
    ("policies: [{name: a, images: ['*'], digestsOnly: true}]", "nginx:1.2", {}, False),
    ("policies: [{name: a, images: ['*'], digestsOnly: true}]", f"nginx:1.2@{DIGEST}", {}, True),
    ("digestsOnly: true", "nginx:1.2", {}, False),
    ("digestsOnly: true", f"nginx@{DIGEST}", {}, True),
    ("digestsOnly: true", "localhost/ours:1", {"own": True}, True),
    ("pluginsOnly: true", "nginx", {}, False),
    ("pluginsOnly: true", "nginx", {"kind": "plugin"}, True),
    ("pluginsOnly: true", "nginx", {"kind": "scan"}, True),
    ("{}", "nginx", {"risky": ("privileged",)}, False),
    ("forbidden: [hostPath]", "nginx", {"risky": ("privileged",)}, True),
    ("forbidden: [hostPath]", "nginx", {"risky": ("privileged", "hostPath")}, False),
    ("serviceAccounts: [build]", "nginx", {"service_account": "build"}, True),
    ("serviceAccounts: [build]", "nginx", {"service_account": "admin"}, False),
    ("serviceAccounts: [build]", "nginx", {}, True),
    ("serviceAccounts: []", "nginx", {"service_account": "scanmatrix"}, True),
    ("serviceAccounts: []", "nginx", {"service_account": "build"}, False),
    ("{}", "nginx", {"service_account": "admin", "namespace": "kube-system"}, True),
    ("namespaces: [jobs]", "nginx", {"namespace": "jobs"}, True),
    ("namespaces: [jobs]", "nginx", {"namespace": "scanmatrix"}, True),
    ("namespaces: [jobs]", "nginx", {"namespace": "kube-system"}, False),
    ("maximum: {memory: 1Gi}", "nginx", {"rooms": (AskedRoom(memory="1024Mi"),)}, True),
    ("maximum: {memory: 1Gi}", "nginx", {"rooms": (AskedRoom(memory="1025Mi"),)}, False),
    ("maximum: {memory: 1Gi}", "nginx", {"rooms": (AskedRoom(memory="1Mi"), AskedRoom(memory="2Gi"))}, False),
    ("maximum: {memory: 1Gi}", "nginx", {"rooms": (AskedRoom(),)}, False),
    ("maximum: {memory: 1Gi}", "nginx", {"rooms": (AskedRoom(memory="lots"),)}, False),
    ("maximum: {cpu: 500m}", "nginx", {"rooms": (AskedRoom(cpu="0.5"),)}, True),
    ("maximum: {cpu: 500m}", "nginx", {"rooms": (AskedRoom(cpu="1"),)}, False),
    ("maximum: {cpu: 500m}", "nginx", {"rooms": (AskedRoom(),)}, True),
    ("maximum: {emptyDir: 20Mi}", "nginx", {"empty_dirs": ("20Mi",)}, True),
    ("maximum: {emptyDir: 20Mi}", "nginx", {"empty_dirs": ("20Mi", "21Mi")}, False),
    ("maximum: {emptyDir: 20Mi}", "nginx", {"empty_dirs": ("",)}, False),
    ("{}", "Not An Image", {}, False),
    *(
        ("policies: [{name: a, images: ['*']}, {name: b, images: ['ghcr.io/x/*', nginx], refused: r}]", name, {}, False)
        for name in (
            "ghcr.io/x/y",
            "GHCR.IO/x/y",
            "ghcr.io:443/x/y",
            "registry-1.docker.io/nginx",
            "docker.io:443/nginx",
        )
    ),
    ("policies: [{name: a, images: ['*']}]", "localhost:5000/x", {}, True),
]


@pytest.mark.parametrize(("rules", "image", "request_", "allowed"), RULES)
def test_each_rule(tmp_path: Path, rules: str, image: str, request_: dict[str, Any], allowed: bool) -> None:
    config = configured(tmp_path, f"admission: {rules if rules == '{}' else '{' + rules + '}'}\n")
    found = judge(config, image, **request_)
    assert found.allowed == allowed, found
    if not allowed and image != "Not An Image":
        assert f"{tmp_path}/scanmatrix.yaml:1: admission" in found.refusal


def test_without_any_rule_everything_runs() -> None:
    found = judge(default_config(environment={}), "Anything At All", risky=("privileged",))
    assert found.allowed
    assert found.runs == "Anything At All"


def test_allow_and_policies_must_both_be_fulfilled(tmp_path: Path) -> None:
    text = "allow: {images: ['ghcr.io/*']}\nadmission: {policies: [{name: a, images: ['*/app']}]}\n"
    config = configured(tmp_path, text)
    assert judge(config, "ghcr.io/x/app").allowed
    assert "allow: " in judge(config, "quay.io/x/app").refusal
    assert "no policy is about" in judge(config, "ghcr.io/x/other").refusal


POD: dict[str, Any] = {
    "serviceAccountName": "build",
    "securityContext": {"runAsNonRoot": True, "runAsUser": 1000},
    "containers": [
        {
            "image": "nginx",
            "securityContext": {"allowPrivilegeEscalation": False},
            "resources": {"limits": {"memory": "1Gi", "ephemeral-storage": "1Gi"}, "requests": {"cpu": "1"}},
        }
    ],
    "volumes": [{"name": "a", "emptyDir": {"sizeLimit": "20Mi"}}, {"name": "b", "emptyDir": {}}],
}


def test_what_a_pod_asks_for_is_read_from_what_will_be_submitted() -> None:
    request = AdmissionRequest(what="x", image="nginx").of_pod(POD)
    assert request.risky == ()
    assert request.rooms == (AskedRoom(cpu="1", memory="1Gi", ephemeral_storage="1Gi"),)
    assert request.empty_dirs == ("20Mi", "")
    assert request.service_account == "build"


def test_a_refusal_is_json(tmp_path: Path) -> None:
    config = configured(tmp_path, "admission: {digestsOnly: true}\n")
    found = json.loads(msgspec.json.encode(judge(config, "nginx")))
    assert found["rulings"][0]["rule"] == "admission.digestsOnly"
