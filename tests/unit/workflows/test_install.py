"""What the install renders: rights, network policies, caches, storage, and that the committed files are just that."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.api import install as install_api
from orchestrator.argo.names import RUN
from orchestrator.config.argo import ApiServer
from orchestrator.config.cache import service_name
from orchestrator.config.loading import Config, ConfigError, load_config
from orchestrator.errors import UsageError
from orchestrator.workflows.install import Overlay, files
from orchestrator.workflows.settings import RenderError
from tests.golden import check_golden

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "argo-install" / "scanmatrix.yaml"


def configured(tmp_path: Path, text: str) -> Config:
    (tmp_path / "scanmatrix.yaml").write_text(text)
    return load_config(tmp_path / "scanmatrix.yaml", environment={})


_RENDERED: list[tuple[Config, str, list[dict[str, Any]]]] = []


def objects(config: Config, overlay: str = "single-node") -> list[dict[str, Any]]:
    """What `--render` prints and what `--out` writes, Argo's own folder left out; rendered once."""
    for known, of, found in _RENDERED:
        if known is config and of == overlay:
            return found
    written = files(config, Overlay(overlay), contents={"scanmatrix.yaml": "x"})
    kinds = [text for path, text in written.items() if path.startswith(("argo-install/base/", "pv/"))]
    documents = [one for text in kinds for one in _read(text)]
    found = [*_read(install_api.install(config, overlay)), *documents]
    _RENDERED.append((config, overlay, found))
    return found


def _read(text: str) -> list[dict[str, Any]]:
    return list(yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def of_kind(config: Config, kind: str, overlay: str = "single-node") -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects(config, overlay) if one["kind"] == kind}


@pytest.fixture(scope="module")
def shipped() -> Config:
    return load_config(SHIPPED, environment={})


def test_the_committed_files_are_what_the_shipped_configuration_gives(shipped: Config) -> None:
    written = files(shipped, contents=install_api._contents(shipped))
    for path, text in written.items():
        check_golden(ROOT / path, text)
    folders = ("argo-install/base", "argo-install/controller", "argo-install/service", "argo-install/chart", "pv")
    there = [path for folder in folders for path in (ROOT / folder).rglob("*.*") if path.suffix != ".md"]
    rendered = {path.relative_to(ROOT).as_posix() for path in there if path.is_file()}
    assert rendered == set(written)


def test_a_folder_for_an_overlay_is_whole(shipped: Config) -> None:
    for overlay in Overlay:
        written = files(shipped, overlay, contents={})
        for path, text in written.items():
            if path.endswith("/kustomization.yaml"):
                folder = Path(path).parent
                read = yaml.safe_load(text)
                for name in [*read["resources"], *(one["path"] for one in read.get("patches", []))]:
                    if "://" not in name:
                        found = (Path("/") / folder / name).resolve().relative_to("/").as_posix()
                        assert found in written or f"{found}/kustomization.yaml" in written, name


# The design's table of trust: who may do what, and nobody else anything.
RIGHTS = {
    "scanmatrix": {"create workflowtaskresults", "patch workflowtaskresults"},
    "scanmatrix-parent": {
        "create workflowtaskresults", "patch workflowtaskresults",
        "create workflows", "get workflows", "patch workflows",
    },
    "scanmatrix-reader": {
        "get workflows", "list workflows", "get pods", "list pods", "get pods/log", "list events", "get namespaces",
    },
    "scanmatrix-planner": {
        "get workflows", "list workflows", "get pods", "list pods", "get pods/log", "list events", "get namespaces",
        "create workflowtemplates", "get workflowtemplates",
    },
    "scanmatrix-scheduler": {
        *(f"{verb} workflows" for verb in ("create", "get", "list", "patch", "watch")), "get workflowtemplates",
        "get pods", "list pods", "get pods/log", "list events", "get namespaces",
    },
    "scanmatrix-controller": {"create configmaps", "delete configmaps"},
    "scanmatrix-operator": {
        *(f"{verb} workflows" for verb in ("create", "delete", "get", "list", "patch", "update", "watch")),
        *(f"{verb} workflowtemplates" for verb in ("get", "list", "watch")),
        *(f"{verb} cronworkflows" for verb in ("get", "list", "patch", "watch")),
        *(f"{verb} pods" for verb in ("get", "list", "watch")), "get pods/log",
        *(f"{verb} events" for verb in ("get", "list", "watch")), "get namespaces",
    },
}  # fmt: skip


def test_each_role_has_the_rights_of_the_table(shipped: Config) -> None:
    roles = of_kind(shipped, "Role")
    found = {
        name: {f"{verb} {kind}" for rule in role["rules"] for verb in rule["verbs"] for kind in rule["resources"]}
        for name, role in roles.items()
    }
    assert found == RIGHTS
    assert not of_kind(shipped, "ClusterRole")
    assert not of_kind(shipped, "ClusterRoleBinding")


def test_no_rule_says_all(shipped: Config) -> None:
    for role in of_kind(shipped, "Role").values():
        for rule in role["rules"]:
            assert "*" not in {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert "secrets" not in rule["resources"]


def test_each_account_is_bound_to_its_own_role_only(shipped: Config) -> None:
    bound = {
        name: (
            binding["roleRef"]["name"],
            [(one["kind"], one["name"], one["namespace"]) for one in binding["subjects"]],
        )
        for name, binding in of_kind(shipped, "RoleBinding").items()
    }
    own = {name: (name, [("ServiceAccount", name, "scanmatrix")]) for name in of_kind(shipped, "ServiceAccount")}
    assert bound == own | {"scanmatrix-controller": ("scanmatrix-controller", [("ServiceAccount", "argo", "argo")])}


def test_operators(tmp_path: Path) -> None:
    config = configured(
        tmp_path, "argo: {operators: [{group: security}, {user: ana@example.com}, {serviceAccount: ci/deployer}]}"
    )
    subjects = of_kind(config, "RoleBinding")["scanmatrix-operator"]["subjects"]
    assert [(one["kind"], one["name"], one.get("namespace")) for one in subjects] == [
        ("Group", "security", None), ("User", "ana@example.com", None), ("ServiceAccount", "deployer", "ci"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("argo: {operators: [{group: a, user: b}]}", "exactly one"),
        ("argo: {operators: [{serviceAccount: deployer}]}", "namespace/name"),
        ("argo: {scheduler: {replicas: 2}}", "storeSecret"),
        ("schedule: {retry: {first: 2d}}", "longer"),
        ("argo: {apiServer: {cidrs: [10.0.0.1/8]}}", "10.0.0.0/8"),
        ("argo: {apiServer: {cidrs: []}}", "at least 1"),
        ("argo: {quota: {memory: lots}}", "memory"),
        ("argo: {history: {failed: -1}}", "failed"),
        ("volume: {hostPath: relative}", "hostPath"),
        ("volume: {hostPath: /}", "hostPath"),
        ("volume: {hostPath: /etc}", "hostPathPrefixes"),
        ("volume: {hostPath: /var/lib/kubelet}", "hostPathPrefixes"),
        ("volume: {hostPath: /var/lib/scanmatrix-other}", "hostPathPrefixes"),
        ("volume: {hostPath: /var/lib/scanmatrix/../kubelet}", "hostPath"),
        ("volume: {hostPath: /var/lib/scanmatrix/./x}", "hostPath"),
        ("volume: {hostPath: //etc}", "hostPath"),
        ("volume: {hostPath: /srv}", "hostPath"),
        ("volume: {hostPath: /srv/scans, hostPathPrefixes: [/data]}", "hostPathPrefixes"),
        ("volume: {hostPath: /data/x, hostPathPrefixes: [/data/..]}", "hostPathPrefixes"),
        ("volume: {nfs: {server: nas}}", "'path' is missing"),
    ],
)
def test_mistakes_are_reported(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        configured(tmp_path, text)


def test_a_wrong_upstream_is_one_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        configured(tmp_path, "cache: [{upstream: 'https://docker.io'}]")
    assert len(error.value.problems) == 1


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """As Kubernetes decides it, for the kinds of selector that are used."""
    exact = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return exact and all(
        one["operator"] == "In" and labels.get(one["key"]) in one["values"]
        for one in selector.get("matchExpressions", [])
    )


def pod_labels(config: Config) -> list[dict[str, str]]:
    """Labels of every kind of pod there will be in the namespace."""
    [template] = of_kind(config, "WorkflowTemplate").values()
    argo = [
        one["metadata"]["labels"] for one in template["spec"]["templates"] if "dag" not in one and "steps" not in one
    ]
    ours = [one for kind in ("Deployment", "Job") for one in of_kind(config, kind).values()]
    here = [one for one in ours if one["metadata"]["namespace"] == config.argo.namespace]
    return [*argo, *(one["spec"]["template"]["metadata"]["labels"] for one in here)]


@pytest.mark.parametrize("layout", ["cell", "image"])
def test_each_pod_is_matched_by_just_one_policy_beside_the_denial(tmp_path: Path, layout: str) -> None:
    text = "layout: LAYOUT\ncache: [{upstream: docker.io}]\ntargets: [{image: a:1, scans: [dependency, virus]}]"
    config = configured(tmp_path, text.replace("LAYOUT", layout))
    policies = {
        name: policy["spec"] for name, policy in of_kind(config, "NetworkPolicy").items() if name != "default-deny"
    }
    seen = set()
    for labels in pod_labels(config):
        matching = [name for name, spec in policies.items() if selects(spec["podSelector"], labels)]
        assert len(matching) == 1, labels
        seen.add(labels["app.kubernetes.io/component"])
    assert {
        "plan",
        "pull",
        "scan",
        "database",
        "load",
        "shard",
        "evict",
        "aggregate",
        "results",
        "cache",
    } <= seen
    assert (layout == "image") == ("image" in seen)


def test_everything_else_is_denied(shipped: Config) -> None:
    deny = of_kind(shipped, "NetworkPolicy")["default-deny"]["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_scanners_reach_the_api_server_only(tmp_path: Path) -> None:
    server = "argo: {apiServer: {cidrs: [10.96.0.1/32], ports: [6443]}}\ncache: [{upstream: docker.io}]"
    spec = of_kind(configured(tmp_path, server), "NetworkPolicy")["alone"]["spec"]
    assert spec["egress"] == [
        {"to": [{"ipBlock": {"cidr": "10.96.0.1/32"}}], "ports": [{"protocol": "TCP", "port": 6443}]}
    ]
    assert "ingress" not in spec


SCANNERS = """
targets: [{image: a:1}, {repository: {url: "https://github.com/ossf/scorecard"}}]
cache: [{upstream: docker.io}]
argo: {apiServer: {cidrs: [10.96.0.1/32]}, tokenSecrets: {github.com: token}}
scans: {templates: [own.yaml]}
"""
OWN = """
name: own
description: A scan whose database only its own command can fetch
image: own:1
command: [own, "{tarball}", "{report}"]
format: sarif
database: {refresh: [own, update, "--from=https://mirror.example:8444", "{database}"]}
"""


def test_no_pod_that_runs_a_scanner_s_image_has_a_network(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    config = configured(tmp_path, SCANNERS)
    policies = {name: one["spec"] for name, one in of_kind(config, "NetworkPolicy").items()}
    del policies["default-deny"]
    [template] = of_kind(config, "WorkflowTemplate").values()
    free = set()
    for one in template["spec"]["templates"]:
        pods = [one[kind] for kind in ("container", "script") if kind in one] + one.get("initContainers", [])
        if not {pod["image"] for pod in pods} - {config.image}:
            continue
        labels = one["metadata"]["labels"]
        [egress] = [spec["egress"] for spec in policies.values() if selects(spec["podSelector"], labels)]
        # Argo's executor beside the scanner reports to the API server, and that is all.
        if [rule.get("to") for rule in egress] != [[{"ipBlock": {"cidr": "10.96.0.1/32"}}]]:
            free.add(one["name"])
    assert free == {"database-own", "online-scorecard"}
    assert reached(config, "database-command") == {80, 443, 8444}
    assert "cache" not in str(policies["database-command"]["egress"])


def reached(config: Config, policy: str) -> set[int]:
    """Ports that a kind of pod reaches in the public internet."""
    rules = of_kind(config, "NetworkPolicy")[policy]["spec"]["egress"]
    assert all("to" in rule for rule in rules)
    public = [rule for rule in rules if any(to.get("ipBlock", {}).get("cidr") == "0.0.0.0/0" for to in rule["to"])]
    return {port["port"] for rule in public for port in rule["ports"]}


def test_ports_that_the_configuration_names_are_open(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        """
limits: {retries: 0}  # nobody answers there
targets:
  - csv: {path: a.csv, git: {url: "ssh://git@git.example:2222/images.git"}}
cache:
  - {upstream: docker.io, remote: "http://mirror.example:8081"}
  - {upstream: ghcr.io, url: "https://harbor.example:8443"}
scans:
  parameters:
    dependency: {databaseUrl: "http://10.1.2.3:8080/databases"}
    general: {databaseRepository: "mirror.example:5443/trivy-db:2"}
""",
    )
    assert reached(config, "plan") == {443, 22, 2222, 8443}
    assert reached(config, "database") == {443, 80, 8080, 5443, 8443}
    assert reached(config, "pull") == {8443}
    assert reached(config, "cache") == {443, 80, 8081}


def test_a_cache_for_each_upstream_that_has_no_url_of_its_own(tmp_path: Path) -> None:
    config = configured(
        tmp_path,
        "cache: [{upstream: docker.io, secret: hub}, {upstream: 'Registry.Example:5000', size: 1Gi, keep: 1d},"
        " {upstream: ghcr.io, url: 'https://harbor.example'}]",
    )
    deployments, services = of_kind(config, "Deployment"), of_kind(config, "Service")
    deployments.pop("scheduler")
    assert set(deployments) == set(services) == {"cache-docker-io", "cache-registry-example-5000"}
    settings = {name: yaml.safe_load(one["data"]["config.yml"]) for name, one in of_kind(config, "ConfigMap").items()
                if "config.yml" in one["data"]}  # fmt: skip
    assert settings["cache-docker-io"]["proxy"]["remoteurl"] == "https://registry-1.docker.io"
    other = settings["cache-registry-example-5000"]
    assert (other["proxy"]["remoteurl"], other["proxy"]["ttl"]) == ("https://Registry.Example:5000", "86400s")
    assert other["storage"]["delete"] == {"enabled": True}
    for name, deployment in deployments.items():
        assert (
            services[name]["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
        )
    assert [cache.url for cache in config.cache if cache.installed] == [
        f"http://{name}:5000" for name in ("cache-docker-io", "cache-registry-example-5000")
    ]
    data = {
        one["name"]: one for one in deployments["cache-registry-example-5000"]["spec"]["template"]["spec"]["volumes"]
    }
    assert data["data"]["emptyDir"] == {"sizeLimit": "1Gi"}


def test_credentials_of_an_upstream_go_to_its_cache_only(tmp_path: Path) -> None:
    config = configured(tmp_path, "cache: [{upstream: docker.io, secret: hub}, {upstream: ghcr.io, secret: git}]")
    told = {
        one["metadata"]["name"]: re.findall(r"'name': '(hub|git)'", str(one))
        for one in objects(config)
        if re.search(r"'name': '(hub|git)'", str(one))
    }
    assert told == {"cache-docker-io": ["hub", "hub"], "cache-ghcr-io": ["git", "git"]}


def test_two_upstreams_with_one_name_are_refused(tmp_path: Path) -> None:
    config = configured(tmp_path, "cache: [{upstream: a.b}, {upstream: a-b}]")
    with pytest.raises(RenderError, match="cache-a-b"):
        install_api.install(config)
    assert service_name("x" * 80 + ".example").startswith("cache-xxx")
    assert len(service_name("x" * 80 + ".example")) <= 63


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["containers"], *pod.get("initContainers", [])]


def test_pods_of_the_namespace_keep_to_the_restricted_standard(shipped: Config) -> None:
    space = of_kind(shipped, "Namespace")["scanmatrix"]["metadata"]["labels"]
    assert space["pod-security.kubernetes.io/enforce"] == "restricted"
    pods = [one["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for one in of_kind(shipped, kind).values()
            if one["metadata"]["namespace"] == "scanmatrix"]  # fmt: skip
    assert len(pods) == 5
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"]
        for container in containers(pod):
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"]
            assert not security["allowPrivilegeEscalation"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}
            assert container["resources"]["limits"]["memory"]
        assert not any("hostPath" in volume for volume in pod["volumes"])


def test_no_namespace_is_privileged_and_no_pod_names_a_folder_of_the_node(shipped: Config) -> None:
    """A namespace without a label has what the cluster says, which is `privileged` unless somebody changed it."""
    written = files(shipped, Overlay.PRODUCTION, contents={}) | files(shipped, Overlay.SINGLE_NODE, contents={})
    plain = [
        text for path, text in written.items() if not path.endswith("kustomization.yaml") and "/chart/" not in path
    ]
    found = [one for text in plain for one in _read(text)]
    spaces = {one["metadata"]["name"]: one["metadata"]["labels"] for one in found if one["kind"] == "Namespace"}
    enforced = {name: labels["pod-security.kubernetes.io/enforce"] for name, labels in spaces.items()}
    namespaces = {"argo", "scanmatrix", "scanmatrix-system"}
    assert enforced == {**dict.fromkeys(namespaces, "restricted"), "scanmatrix-volume": "baseline"}
    pods = [one["spec"]["template"]["spec"] for one in found if one["kind"] in {"Deployment", "Job", "StatefulSet"}]
    assert len(pods) > 8
    assert not any("hostPath" in volume for pod in pods for volume in pod.get("volumes", ()))


def test_the_folder_of_the_node_is_handed_over_by_a_claim_that_is_bound_to_just_it(tmp_path: Path) -> None:
    config = configured(tmp_path, "volume: {hostPath: /srv/scans/of-ours}")
    [volume] = [one for name, one in of_kind(config, "PersistentVolume").items() if "-owner-" in name]
    [claim] = [one for name, one in of_kind(config, "PersistentVolumeClaim").items() if name.startswith("owner-")]
    assert volume["spec"]["hostPath"]["path"] == "/srv/scans/of-ours"
    assert volume["spec"]["claimRef"] == {"name": claim["metadata"]["name"], "namespace": "scanmatrix-volume"}
    assert claim["metadata"]["namespace"] == "scanmatrix-volume"
    [job] = of_kind(config, "Job").values()
    assert job["spec"]["template"]["spec"]["volumes"] == [
        {"name": "volume", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
    ]


def test_only_the_scheduler_has_a_token_beside_the_pods_of_runs(shipped: Config) -> None:
    for kind in ("Deployment", "Job"):
        for name, one in of_kind(shipped, kind).items():
            pod = one["spec"]["template"]["spec"]
            assert pod["automountServiceAccountToken"] is name.startswith("scheduler")


def _scheduler(tmp_path: Path, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The scheduler's Deployment and its container."""
    deployment = of_kind(configured(tmp_path, text), "Deployment")["scheduler"]
    return deployment, deployment["spec"]["template"]["spec"]["containers"][0]


def test_the_scheduler_has_no_pod_until_it_is_asked_for(shipped: Config, tmp_path: Path) -> None:
    assert of_kind(shipped, "Deployment")["scheduler"]["spec"]["replicas"] == 0
    deployment, container = _scheduler(tmp_path, "argo: {scheduler: {replicas: 1}}")
    assert deployment["spec"]["replicas"] == 1
    assert {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")} == {
        "/volume",
        "/tmp",
    }
    assert {variable["name"] for variable in container["env"]} == {"HOME", "TMPDIR"}


def test_the_scheduler_gets_the_secrets_that_are_named_and_no_other(tmp_path: Path) -> None:
    text = (
        "argo: {gitSecret: git, registrySecret: reg, scheduler: {replicas: 3, storeSecret: db, kubeconfigSecret: all}}"
    )
    deployment, container = _scheduler(tmp_path, text)
    variables = {variable["name"]: variable for variable in container["env"]}
    assert variables["SCANMATRIX_STORE__URL"]["valueFrom"] == {"secretKeyRef": {"name": "db", "key": "url"}}
    assert {"DOCKER_CONFIG", "KUBECONFIG", "SCANMATRIX_GIT_CREDENTIALS"} <= set(variables)
    volumes = deployment["spec"]["template"]["spec"]["volumes"]
    secrets = {volume["secret"]["secretName"]: volume["name"] for volume in volumes if "secret" in volume}
    assert set(secrets) == {"git", "reg", "all"}
    read_only = {mount["name"] for mount in container["volumeMounts"] if mount.get("readOnly")}
    assert set(secrets.values()) <= read_only
    egress = of_kind(configured(tmp_path, text), "NetworkPolicy")["scheduler"]["spec"]["egress"]
    assert {port["port"] for rule in egress for port in rule["ports"]} >= {22, 443, 3306, 5432, 6443}


def test_the_scheduler_reaches_everybody_who_gets_results_and_has_their_secrets(tmp_path: Path) -> None:
    text = """
    argo: {network: {ports: [8443]}, scheduler: {environmentSecret: receivers}}
    exports: {s3: {bucket: b, endpoint: "https://s3.example.com:9000"}, dependencyTrack: {url: "http://track.example.com:8081"}}
    notify:
      smtp: {host: mail.example.com, from: a@example.com}
      routes:
        - {webhook: {url: "${HOOK_URL}", secret: "${HOOK_SECRET}"}}
        - {slack: {url: "${SLACK_URL}"}}
        - {email: {to: b@example.com}}
    """
    _, container = _scheduler(tmp_path, text)
    assert container["envFrom"] == [{"secretRef": {"name": "receivers"}}]
    egress = of_kind(configured(tmp_path, text), "NetworkPolicy")["scheduler"]["spec"]["egress"]
    assert {port["port"] for rule in egress for port in rule["ports"]} >= {443, 587, 8081, 8443, 9000}


def test_the_scheduler_starts_again_when_its_configuration_changes(tmp_path: Path) -> None:
    config, path = configured(tmp_path, "engine: argo"), "argo-install/base/scheduler.yaml"
    marks = []
    for content in ("a", "b"):
        [deployment] = _read(files(config, Overlay.SINGLE_NODE, contents={"scanmatrix.yaml": content})[path])
        marks.append(deployment["spec"]["template"]["metadata"]["annotations"])
    assert marks[0] != marks[1]
    # From the command line only, there is nothing to keep fresh.
    assert path not in files(config, Overlay.SINGLE_NODE, contents={})


def test_the_quota_lets_argo_s_own_containers_in(shipped: Config) -> None:
    """A quota of memory limits refuses pods with a container that has none."""
    hard = of_kind(shipped, "ResourceQuota")["scanmatrix"]["spec"]["hard"]
    assert hard["limits.memory"] == "512Gi"
    [limits] = of_kind(shipped, "LimitRange")["scanmatrix"]["spec"]["limits"]
    assert limits["default"]["memory"]
    assert {"cpu", "memory"} == set(limits["defaultRequest"])
    assert "max" not in limits


def test_the_claim_of_a_class_is_larger_than_the_budget(tmp_path: Path) -> None:
    config = configured(tmp_path, "volume: {claim: big, budget: 1000Gi}")
    [made] = [one for one in _read(install_api.install(config, "production")) if one["kind"] == "PersistentVolumeClaim"]
    assert made["spec"]["resources"]["requests"]["storage"] == "1120Gi"
    volume = of_kind(config, "PersistentVolume")["scanmatrix-big"]
    assert volume["spec"]["claimRef"] == {"name": "big", "namespace": "scanmatrix"}


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("{}", "any-class"),
        ("volume: {storageClass: fast}", "any-class"),
        ("volume: {nfs: {server: nas, path: /x}}", "nfs"),
    ],
)
def test_storage_of_a_production_cluster(tmp_path: Path, text: str, folder: str) -> None:
    config = configured(tmp_path, text)
    written = files(config, Overlay.PRODUCTION, contents={})
    resources = yaml.safe_load(written["argo-install/overlays/production/kustomization.yaml"])["resources"]
    assert f"../../../pv/{folder}" in resources
    claims = [one for one in _read(install_api.install(config, "production")) if one["kind"] == "PersistentVolumeClaim"]
    assert claims[0]["spec"].get("storageClassName") == ("fast" if "fast" in text else "" if folder == "nfs" else None)


def test_the_schedule_follows_the_configuration(tmp_path: Path) -> None:
    text = """
argo:
  {schedule: 5 4 * * 1, timezone: Europe/Zurich, concurrency: Replace, startWithin: 2h, history: {succeeded: 9}}
"""
    spec = of_kind(configured(tmp_path, text), "CronWorkflow")["scanmatrix"]["spec"]
    assert (spec["schedules"], spec["timezone"], spec["concurrencyPolicy"]) == (
        ["5 4 * * 1"],
        "Europe/Zurich",
        "Allow",  # Argo would terminate what it replaces; the run's first step stops it
    )
    assert (spec["startingDeadlineSeconds"], spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (
        7200,
        9,
        3,
    )
    assert set(of_kind(configured(tmp_path, "{}"), "CronWorkflow")) == {"scanmatrix-reaper"}


@pytest.mark.parametrize("concurrency", ["Forbid", "Allow", "Replace"])
def test_only_where_runs_replace_older_ones_may_a_pod_stop_them(tmp_path: Path, concurrency: str) -> None:
    config = configured(tmp_path, f"argo: {{schedule: 5 4 * * 1, concurrency: {concurrency}}}\n")
    [template] = of_kind(config, "WorkflowTemplate").values()
    by_name = {one["name"]: one for one in template["spec"]["templates"]}
    replaces = concurrency == "Replace"
    assert ("replace" in by_name) == replaces
    assert ("scanmatrix-replacer" in of_kind(config, "ServiceAccount")) == replaces
    [plan] = (task for task in by_name["matrix"]["dag"]["tasks"] if task["name"] == "plan")
    assert ("replace" in plan.get("depends", "")) == replaces
    if replaces:
        assert by_name["replace"]["serviceAccountName"] == "scanmatrix-replacer"
        assert {mount["name"] for mount in by_name["replace"]["container"]["volumeMounts"]} == {"scratch"}
        [rule] = of_kind(config, "Role")["scanmatrix-replacer"]["rules"]
        assert set(rule["verbs"]) == {"get", "list", "patch"}


def test_the_reaper_reads_workflows_and_has_no_right_to_change_them(tmp_path: Path) -> None:
    spec = of_kind(configured(tmp_path, "argo: {reaper: 7 * * * *}\n"), "CronWorkflow")["scanmatrix-reaper"]["spec"]
    assert spec["schedules"] == ["7 * * * *"]
    assert spec["concurrencyPolicy"] == "Forbid"
    [template] = spec["workflowSpec"]["templates"]
    assert template["serviceAccountName"] == "scanmatrix-reader"
    assert RUN not in template["metadata"]["labels"]


def test_the_configuration_and_its_files_are_in_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("image\nubuntu:20.04\n")
    config = configured(tmp_path, "# mine\ntargets: [{csv: {path: list.csv}}]\n")
    data = next(one for one in _read(install_api.install(config)) if one["metadata"]["name"] == "scanmatrix-config")[
        "data"
    ]
    assert data == {
        "scanmatrix.yaml": "# mine\ntargets: [{csv: {path: list.csv}}]\n",
        "list.csv": "image\nubuntu:20.04\n",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("targets: [{csv: {path: lists/a.csv}}]", "folder"),
        ("targets: [{csv: {path: missing.csv}}]", "missing.csv"),
        ("store: {url: 'postgresql://u:p@db/x'}", "secret"),
    ],
)
def test_what_cannot_be_put_into_the_cluster_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        install_api.install(configured(tmp_path, text))


def test_a_configmap_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("image\n" + "ubuntu:20.04\n" * 80_000)
    with pytest.raises(UsageError, match="too large"):
        install_api.install(configured(tmp_path, "targets: [{csv: {path: list.csv}}]"))


def test_another_image_or_folder_is_another_job_and_the_same_again_is_not(tmp_path: Path) -> None:
    """A Job cannot be changed."""
    jobs = [set(of_kind(configured(tmp_path, text), "Job")) for text in ("{}", "{}", "limits: {deadline: 1h}",
            "image: other:2", "volume: {hostPath: /srv/x}")]  # fmt: skip
    assert jobs[0] == jobs[1] == jobs[2]
    assert len(set.union(*jobs)) == 3


def test_addresses_of_the_api_server_by_default_are_private() -> None:
    assert ApiServer().cidrs == ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
