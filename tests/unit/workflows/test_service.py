"""The REST service as an optional part: what it needs, what leads to it, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.api import install as install_api
from orchestrator.config.loading import Config, ConfigError, default_config, load_config
from orchestrator.errors import UsageError
from orchestrator.workflows.install import InstallPart, parts, shared
from orchestrator.workflows.install.service import service

CONTENTS = {"scanmatrix.yaml": "x"}
OIDC = "auth: {oidc: {issuer: 'https://id.example:8443/realm', audience: a, roles: {read: [x]}}}\n"


def config(tmp_path: Path, text: str = "") -> Config:
    (tmp_path / "scanmatrix.yaml").write_text(text or "engine: argo\n")
    return load_config(tmp_path / "scanmatrix.yaml", environment={})


def made(found: Config, **options: Any) -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in service(found, CONTENTS, **options)}


def container(found: Config) -> dict[str, Any]:
    (one,) = made(found)["Deployment"]["spec"]["template"]["spec"]["containers"]
    return dict(one)


def variables(found: Config) -> dict[str, Any]:
    return {each["name"]: each.get("value") for each in container(found)["env"]}


def test_by_default_it_is_reached_from_its_own_namespace_with_tokens_of_a_secret(tmp_path: Path) -> None:
    found = config(tmp_path)
    objects = made(found)
    assert set(objects) == {"ServiceAccount", "Role", "RoleBinding", "NetworkPolicy", "Service", "Deployment"}
    policy = objects["NetworkPolicy"]["spec"]
    assert policy["ingress"] == [{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 8000}]}]
    volumes = {each["name"]: each for each in objects["Deployment"]["spec"]["template"]["spec"]["volumes"]}
    assert volumes["tokens"]["secret"]["secretName"] == "scanmatrix-tokens"
    assert variables(found)["SCANMATRIX_AUTH__TOKENS"] == "/tokens/tokens.json"
    assert variables(found)["SCANMATRIX_ENGINE"] == "argo"
    assert variables(config(tmp_path, "engine: queue\n"))["SCANMATRIX_ENGINE"] == "queue"
    assert variables(config(tmp_path, "engine: local\n"))["SCANMATRIX_ENGINE"] == "argo"
    probes = {name: container(found)[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")}
    assert probes == {"livenessProbe": "/healthz", "readinessProbe": "/readyz"}


def test_with_a_provider_alone_there_is_no_secret_and_the_provider_is_reached(tmp_path: Path) -> None:
    found = config(tmp_path, OIDC)
    assert "SCANMATRIX_AUTH__TOKENS" not in variables(found)
    ports = {port["port"] for rule in made(found)["NetworkPolicy"]["spec"]["egress"] for port in rule["ports"]}
    assert 8443 in ports
    both = config(tmp_path, OIDC + "argo: {service: {tokensSecret: mine}}\n")
    assert "SCANMATRIX_AUTH__TOKENS" in variables(both)


def test_several_pods_have_a_budget(tmp_path: Path) -> None:
    text = "argo: {scheduler: {storeSecret: store}, service: {replicas: 2}}\n"
    assert made(config(tmp_path, text))["PodDisruptionBudget"]["spec"]["minAvailable"] == 1
    with pytest.raises(ConfigError, match=r"scheduler\.storeSecret"):
        config(tmp_path, "argo: {service: {replicas: 2}}\n")


WAYS = """
argo:
  service:
    namespaces: [ingress, monitoring]
    ingress: {host: scans.example, className: nginx, tlsSecret: cert}
    gateway: {name: web, namespace: gateways, host: scans.example}
    monitor: {tokenSecret: prometheus, labels: {release: main}}
"""


def test_what_leads_to_it(tmp_path: Path) -> None:
    objects = made(config(tmp_path, WAYS))
    rule = objects["Ingress"]["spec"]
    assert rule["tls"] == [{"hosts": ["scans.example"], "secretName": "cert"}]
    assert rule["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] == objects["Service"]["metadata"]["name"]
    assert objects["HTTPRoute"]["spec"]["parentRefs"] == [{"name": "web", "namespace": "gateways"}]
    assert objects["ServiceMonitor"]["metadata"]["labels"]["release"] == "main"
    assert objects["ServiceMonitor"]["spec"]["endpoints"][0]["authorization"]["credentials"]["name"] == "prometheus"
    sources = objects["NetworkPolicy"]["spec"]["ingress"][0]["from"]
    spaces = [each["namespaceSelector"]["matchLabels"] for each in sources if "namespaceSelector" in each]
    assert [each["kubernetes.io/metadata.name"] for each in spaces] == ["ingress", "monitoring", "gateways"]


@pytest.mark.parametrize(
    "given", ["ingress: {host: a.example}", "monitor: {tokenSecret: a}", "gateway: {name: web}"], ids=str
)
def test_a_way_that_no_pod_could_go_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(ConfigError, match="namespace"):
        config(tmp_path, f"argo: {{service: {{{given}}}}}\n")


def test_what_it_plans_of_a_cluster_it_may_see(tmp_path: Path) -> None:
    found = config(tmp_path, "targets: [{cluster: {}}]\n")
    binding = made(found)["ClusterRoleBinding"]
    assert binding["roleRef"]["name"] == "scanmatrix-inventory"
    assert "ClusterRoleBinding" not in made(found, shared=True)
    rules = made(found, shared=True)["Role"]["rules"]
    assert any("replicasets" in each["resources"] for each in rules)
    assert not any("nodes" in each["resources"] for each in rules)


def test_it_is_made_where_it_is_asked_for(tmp_path: Path) -> None:
    found = config(tmp_path)
    names = {one["metadata"]["name"] for one in shared(found, contents=CONTENTS)}
    with_it = {one["metadata"]["name"] for one in shared(found, contents=CONTENTS, served=True)}
    assert with_it - names == {"scanmatrix-service"}
    assert set(parts(found, [InstallPart.SERVICE], contents=CONTENTS)) == {"service/service"}


def test_without_a_configuration_it_is_refused() -> None:
    found = default_config(environment={})
    with pytest.raises(UsageError, match="reads the configuration of an installation"):
        install_api.install_parts(found, [InstallPart.SERVICE])
    assert "CustomResourceDefinition" in install_api.install_parts(found, [InstallPart.CONTROLLER])


JOBS = "events: {jobs: {git: {url: 'https://git.example:8443/jobs.git'}, namespaces: [loads, scanmatrix]}}\n"


def rights(found: Config, namespace: str, **options: Any) -> dict[tuple[str, str], set[str]]:
    """What the service may do in a namespace, by API group and kind."""
    roles = [one for one in service(found, CONTENTS, **options)
             if one["kind"] == "Role" and one["metadata"]["namespace"] == namespace
             and one["metadata"]["name"] == "scanmatrix-service"]  # fmt: skip
    return {(rule["apiGroups"][0], kind): set(rule["verbs"])
            for role in roles for rule in role["rules"] for kind in rule["resources"]}  # fmt: skip


def test_with_jobs_it_may_make_network_policies_and_reaches_their_repository(tmp_path: Path) -> None:
    policies = ("networking.k8s.io", "networkpolicies")
    assert policies not in rights(config(tmp_path), "scanmatrix")
    found = config(tmp_path, JOBS)
    assert rights(found, "scanmatrix")[policies] == {"create", "delete", "patch"}
    policy = next(one for one in service(found, CONTENTS) if one["kind"] == "NetworkPolicy")
    assert 8443 in {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}


def test_in_further_namespaces_it_and_argo_get_what_jobs_need_and_no_more(tmp_path: Path) -> None:
    found = config(tmp_path, JOBS)
    there = [one for one in service(found, CONTENTS) if one["metadata"].get("namespace") == "loads"]
    names = {(one["kind"], one["metadata"]["name"]) for one in there}
    assert names == {
        ("ServiceAccount", "scanmatrix"), ("Role", "scanmatrix"), ("RoleBinding", "scanmatrix"),
        ("Secret", "scanmatrix.service-account-token"),
        ("Role", "scanmatrix-controller"), ("RoleBinding", "scanmatrix-controller"),
        ("Role", "scanmatrix-service"), ("RoleBinding", "scanmatrix-service"),
    }  # fmt: skip
    binding = next(
        one for one in there if (one["kind"], one["metadata"]["name"]) == ("RoleBinding", "scanmatrix-service")
    )
    [subject] = binding["subjects"]
    assert (subject["name"], subject["namespace"]) == ("scanmatrix-service", "scanmatrix")
    assert rights(found, "loads") == {
        ("argoproj.io", "workflows"): {"create", "delete", "get", "list", "patch"},
        ("", "pods"): {"get", "list"},
        ("", "pods/log"): {"get"},
        ("networking.k8s.io", "networkpolicies"): {"create", "delete", "patch"},
    }
    # A resource of one namespace reaches no other.
    assert not [one for one in service(found, CONTENTS, shared=True) if one["metadata"].get("namespace") == "loads"]


def test_plugins_are_files_beside_its_configuration(tmp_path: Path) -> None:
    text = "events: {{jobs: {{git: {{url: 'https://git.example/jobs.git'}}, plugins: {}}}}}\n"
    (tmp_path / "plugins").mkdir()
    for place in (tmp_path, tmp_path / "plugins"):
        (place / "greet.yaml").write_text("name: greet\n")
    rendered = install_api.install(config(tmp_path, text.format("greet.yaml")))
    held = next(one for one in yaml.safe_load_all(rendered) if one["metadata"]["name"] == "scanmatrix-config")
    assert held["data"]["greet.yaml"] == "name: greet\n"
    with pytest.raises(UsageError, match="instead of a folder of plugins, name the file of each"):
        install_api.install(config(tmp_path, text.format("[plugins]")))
