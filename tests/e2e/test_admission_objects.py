"""The rules of `admission` in a real API server: it decides as we do, about every pod, no matter who makes it.

It is a server of the tests' own, without nodes: these tests need no cluster, only what one is built of.
"""

import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.admission.judging import AdmissionJudge
from orchestrator.admission.request import AdmissionRequest
from orchestrator.config.loading import Config, load_config
from orchestrator.workflows.install.admission import admission
from tests.tools.api_server import ApiServer, start_api_server

DIGEST = "sha256:" + "a" * 64
RULES = f"""\
allow:
  images: ["docker.io/*", "ghcr.io/x/*:1.*", "registry.example/*", "quay.io/*", "localhost:5000/*"]
  digests: ["{DIGEST}"]
admission:
  policies:
    - {{name: hub, images: [nginx, "team/*", "ghcr.io/*", "quay.io/[a-m]*", "registry.example/*", "localhost:5000/?"]}}
    - {{name: tags, images: ["ghcr.io/x/*"], tags: ["1.*", "v[!0]"]}}
    - {{name: pinned, images: ["quay.io/*"], digestsOnly: true}}
    - {{name: old, images: ["*/old"], refused: "it's old\\\\"}}
  serviceAccounts: [deployer]
  maximum: {{cpu: 500m, memory: 1Gi, ephemeralStorage: 1Gi}}
"""
GOOD: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True},
    "containers": [
        {
            "name": "main",
            "image": "nginx",
            "securityContext": {"allowPrivilegeEscalation": False},
            "resources": {"limits": {"cpu": "500m", "memory": "1Gi", "ephemeral-storage": "1Gi"}},
        }
    ],
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    path = tmp_path_factory.mktemp("config") / "scanmatrix.yaml"
    path.write_text(RULES)
    return load_config(path, environment={})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Iterator[ApiServer]:
    with start_api_server(tmp_path_factory.mktemp("api")) as found:
        for name in ("scanmatrix", "other"):
            found.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for one in admission(config):
            assert found.create(one) == (201, "")
        until = time.monotonic() + 30
        while found.create(pod(image="evil.example/a"), dry_run=True)[0] != 403:
            assert time.monotonic() < until, "the policy never came into force"
            time.sleep(0.2)
        yield found


def pod(spec: dict[str, Any] = GOOD, *, image: str = "", namespace: str = "scanmatrix") -> dict[str, Any]:
    made = copy.deepcopy(spec)
    if image:
        made["containers"][0]["image"] = image
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": namespace}, "spec": made}


def ours(config: Config, spec: dict[str, Any]) -> bool:
    """What we decide about a pod that the API server takes for one."""
    images = [one["image"] for kind in ("containers", "initContainers") for one in spec.get(kind) or ()]
    with AdmissionJudge(config) as judge:
        asked = [AdmissionRequest(what="x", image=image).of_pod(spec) for image in images]
        return all(judge.judge(one).allowed for one in asked)


IMAGES = [
    "nginx", "nginx:1", f"nginx:1@{DIGEST}", "library/nginx", "docker.io/library/nginx", "index.docker.io/nginx:2",
    "docker.io/nginx", "team/app:1", "docker.io/team/app", "httpd", "docker.io/ghcr.io/x", "ghcr.io/x/app:1.2",
    "ghcr.io/x/app:2", "ghcr.io/x/app", "ghcr.io/x/app:v1", "ghcr.io/x/app:v0", f"ghcr.io/x/app:1.2@{DIGEST}",
    f"ghcr.io/x/app@{DIGEST}", "ghcr.io/y/app:1", "quay.io/app:1", f"quay.io/app@{DIGEST}", "quay.io/zoo:1",
    f"quay.io/zoo@{DIGEST}", "quay.io/old", f"team/old@{DIGEST}", "team/old", "registry.example/a:1",
    "registry.example:5000/a:1", "localhost:5000/a", "localhost:5000/ab", "localhost/a", "evil.example/nginx",
    "nginx.evil.example/team/app", "team/app@sha256:" + "b" * 64, "TEAM/app", "ghcr.io/x/../y",
    "GHCR.IO/x/app:1.2", "ghcr.io:443/x/app:1.2", "registry-1.docker.io/library/nginx", "quay.io./app",
    "docker.io:443/nginx",
]  # fmt: skip


@pytest.mark.parametrize("image", IMAGES)
def test_it_decides_about_names_as_we_do(server: ApiServer, config: Config, image: str) -> None:
    made = pod(image=image)
    status, said = server.create(made, dry_run=True)
    if image in {"TEAM/app", "ghcr.io/x/../y", "quay.io./app"}:  # no names at all, which no runtime would start
        return
    assert (status == 201) == ours(config, made["spec"]), said
    if status != 201:
        assert status == 403
        assert image in said


_PART = st.sampled_from(["nginx", "team", "x", "old", "ghcr.io", "localhost", "a.b", "library"])
_NAMES = st.builds(
    lambda parts, tag, digest: "/".join(parts) + (f":{tag}" if tag else "") + (f"@{digest}" if digest else ""),
    st.lists(_PART, min_size=1, max_size=4),
    st.sampled_from(["", "1.2", "2", "v1", "latest"]),
    st.sampled_from(["", "", DIGEST, "sha256:" + "b" * 64]),
)
_SETTINGS = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@_SETTINGS
@given(image=_NAMES)
def test_it_decides_about_any_name_as_we_do(server: ApiServer, config: Config, image: str) -> None:
    made = pod(image=image)
    status, said = server.create(made, dry_run=True)
    assert (status == 201) == ours(config, made["spec"]), said


_MAYBE = st.sampled_from([None, True, False])
_CONTAINER_SECURITY = st.fixed_dictionaries(
    {},
    optional={
        "privileged": _MAYBE,
        "allowPrivilegeEscalation": st.sampled_from([False, False, True]),
        "runAsNonRoot": _MAYBE,
        "runAsUser": st.sampled_from([0, 1000]),
        "capabilities": st.sampled_from([{"add": ["NET_ADMIN"]}, {"drop": ["ALL"]}, {"add": []}]),
        "procMount": st.sampled_from(["Default", "Unmasked"]),
        "seccompProfile": st.sampled_from([{"type": "RuntimeDefault"}, {"type": "Unconfined"}]),
        "appArmorProfile": st.sampled_from([{"type": "RuntimeDefault"}, {"type": "Unconfined"}]),
        "seLinuxOptions": st.sampled_from([{"level": "s0"}, {"type": "spc_t"}, {"user": "u"}]),
    },
)
_POD_SECURITY = st.fixed_dictionaries(
    {},
    optional={
        "runAsNonRoot": st.sampled_from([True, True, False]),
        "runAsUser": st.sampled_from([0, 1000]),
        "seccompProfile": st.sampled_from([{"type": "RuntimeDefault"}, {"type": "Unconfined"}]),
        "seLinuxOptions": st.sampled_from([{"level": "s0"}, {"role": "r"}]),
        "sysctls": st.sampled_from([[], [{"name": "kernel.shm_rmid_forced", "value": "0"}]]),
    },
)
_ROOM = st.fixed_dictionaries(
    {},
    optional={
        "limits": st.fixed_dictionaries(
            {},
            optional={
                "cpu": st.sampled_from(["0.5", "500m", "501m", "1"]),
                "memory": st.sampled_from(["1Gi", "1024Mi", "1025Mi", "1G"]),
                "ephemeral-storage": st.sampled_from(["1Gi", "2Gi"]),
            },
        ),
    },
)
_CONTAINER = st.fixed_dictionaries(
    {"image": st.sampled_from(["nginx", "team/app:1"])},
    optional={
        "securityContext": _CONTAINER_SECURITY,
        "resources": _ROOM,
        "ports": st.sampled_from([[{"containerPort": 80}], [{"containerPort": 80, "hostPort": 80}]]),
    },
)
_PODS = st.fixed_dictionaries(
    {"containers": st.lists(_CONTAINER, min_size=1, max_size=2)},
    optional={
        "initContainers": st.lists(_CONTAINER, max_size=1),
        "securityContext": _POD_SECURITY,
        "hostNetwork": st.sampled_from([True, False, False]),
        "hostPID": st.sampled_from([True, False, False]),
        "hostIPC": st.sampled_from([True, False, False]),
        "serviceAccountName": st.sampled_from(["deployer", "scanmatrix", "scanmatrix-reader", "admin"]),
        "volumes": st.sampled_from(
            [
                [{"name": "v", "emptyDir": {}}],
                [{"name": "v", "hostPath": {"path": "/"}}],
            ]
        ),
    },
)


@_SETTINGS
@given(spec=_PODS)
def test_it_decides_about_what_pods_ask_for_as_we_do(server: ApiServer, config: Config, spec: dict[str, Any]) -> None:
    made = copy.deepcopy(spec)
    for number, one in enumerate([*made["containers"], *made.get("initContainers", [])]):
        one["name"] = f"c{number}"
    status, said = server.create(pod(made), dry_run=True)
    if status == 422:  # nothing that anybody could run
        return
    assert (status == 201) == ours(config, made), (said, json.dumps(made))


@_SETTINGS
@given(change=_PODS)
def test_one_change_of_a_good_pod_is_seen(server: ApiServer, config: Config, change: dict[str, Any]) -> None:
    for key, value in change.items():
        made = copy.deepcopy(GOOD)
        if key == "containers":
            for inner, found in value[0].items():
                made["containers"][0] |= {inner: found}
        else:
            made[key] = copy.deepcopy(value)
            for number, one in enumerate(made.get("initContainers", [])):
                one["name"] = f"init{number}"
        status, said = server.create(pod(made), dry_run=True)
        assert status in {201, 403, 422}
        assert status == 422 or (status == 201) == ours(config, made), (said, json.dumps(made))


def test_other_namespaces_are_let_alone(server: ApiServer) -> None:
    made = pod({**GOOD, "hostNetwork": True}, image="evil.example/a", namespace="other")
    assert server.create(made, dry_run=True)[0] == 201


def test_our_own_images_may_run_in_our_own_accounts(server: ApiServer, config: Config) -> None:
    for image in (config.image, "quay.io/argoproj/argoexec:v3.7.6", "quay.io/argoproj/argoexec@" + DIGEST):
        made = pod(image=image)
        made["spec"]["serviceAccountName"] = "scanmatrix-planner"
        made["spec"]["containers"][0].pop("resources")
        assert server.create(made, dry_run=True) == (201, "")
        made["spec"]["containers"].append({**GOOD["containers"][0], "name": "other"})
        assert "admission.serviceAccounts: not in the list: scanmatrix-planner" in server.create(made, dry_run=True)[1]


def test_other_images_of_our_manifests_are_no_way_round(server: ApiServer) -> None:
    for image in ("docker.io/library/python:3.11-slim", "docker.io/library/registry:3"):
        assert "no policy is about" in server.create(pod(image=image), dry_run=True)[1]


def test_a_container_that_is_added_later_is_held_to_them(server: ApiServer) -> None:
    made = pod()
    made["metadata"]["name"] = "later"
    assert server.create(made)[0] == 201
    path = "/api/v1/namespaces/scanmatrix/pods/later"
    status, _ = server.ask("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, kind="application/merge-patch+json")
    assert status == 200
    for image, wanted in (("evil.example/a", 403), ("nginx", 403)):
        debug = {"name": "debug", "image": image, "securityContext": {"allowPrivilegeEscalation": False}}
        body = {"spec": {"ephemeralContainers": [debug]}}
        status, answer = server.ask(
            "PATCH", f"{path}/ephemeralcontainers", body, kind="application/strategic-merge-patch+json"
        )
        assert status == wanted, answer
    body = {"spec": {"containers": [{"name": "main", "image": "evil.example/a"}]}}
    status, answer = server.ask("PATCH", path, body, kind="application/strategic-merge-patch+json")
    assert status == 403, answer
    server.ask("DELETE", path)


def test_the_api_server_finds_nothing_odd_in_them(server: ApiServer, config: Config) -> None:
    name = admission(config)[0]["metadata"]["name"]
    path = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{name}"
    _, found = server.ask("GET", path)
    assert not found.get("status", {}).get("typeChecking", {}).get("expressionWarnings")


def test_the_definition_of_resources_with_these_keys_is_accepted(server: ApiServer) -> None:
    definition = Path(__file__).parents[2] / "argo-install" / "controller" / "definition.yaml"
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All"
    status, answer = server.ask("POST", path, yaml.safe_load(definition.read_text()))
    assert status == 201, answer
