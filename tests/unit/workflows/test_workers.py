"""Workers as an optional part: their pods, what the scanner in them gets, what scales them, and what is refused."""

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from orchestrator.api import install as install_api
from orchestrator.catalog.loading import load_catalog
from orchestrator.catalog.versions import check_version, version_of
from orchestrator.config.loading import Config, ConfigError, load_config
from orchestrator.errors import UsageError
from orchestrator.workflows import disk
from orchestrator.workflows.install import InstallPart, parts
from orchestrator.workflows.install.network import policies
from orchestrator.workflows.install.objects import container_security
from orchestrator.workflows.install.workers import VERSION, workers
from orchestrator.workflows.manifests import to_yaml
from tests.cluster.policy_rules import Pod, Rules, work_out
from tests.golden import check_golden

CONTENTS = {"scanmatrix.yaml": "x"}
WORKERS = "argo: {{workers: {{scans: [{}]{}}}{}}}\n"
STORE = ", scheduler: {storeSecret: store}"


def config(tmp_path: Path, scans: str = "general", more: str = "", beside: str = "") -> Config:
    (tmp_path / "scanmatrix.yaml").write_text(WORKERS.format(scans, more, beside))
    return load_config(tmp_path / "scanmatrix.yaml", environment={})


def made(found: Config) -> dict[str, dict[str, Any]]:
    return {one["kind"]: one for one in workers(found, CONTENTS)}


def pod(found: Config) -> dict[str, Any]:
    return dict(made(found)["Deployment"]["spec"]["template"]["spec"])


def containers(found: Config) -> dict[str, dict[str, Any]]:
    every = pod(found)
    return {each["name"]: each for each in (*every["initContainers"], *every["containers"])}


def test_what_is_installed_for_one_scan(tmp_path: Path) -> None:
    """Without the script of the scanner's container, which stands elsewhere."""
    found = config(tmp_path, "root-user", ", scaling: keda, environmentSecret: broker", STORE)
    objects = workers(found, CONTENTS)
    scanner = objects[0]["spec"]["template"]["spec"]["containers"][1]
    assert scanner["args"][:2] == ["sh", "-c"]
    scanner["args"][2] = "…"
    version = version_of(load_catalog(found)["root-user"])  # has the version of this project in it
    check_golden(Path(__file__).with_name("workers.golden.yaml"), to_yaml(objects).replace(version, "<version>"))


def test_the_scanner_sees_its_own_folders_and_of_the_volume_its_cell_and_its_database_read_only(tmp_path: Path) -> None:
    scanner = containers(config(tmp_path))["scanner"]
    assert scanner["securityContext"] == container_security()
    assert "envFrom" not in scanner
    assert {each["name"] for each in scanner["env"]} == {"WORKER", "HOME", "TMPDIR", "XDG_CACHE_HOME"}
    mounts = {each["mountPath"]: each for each in scanner["volumeMounts"]}
    of_volume = {place: each for place, each in mounts.items() if each["name"] == "volume"}
    assert set(of_volume) == {"/cell", "/databases"}
    assert of_volume["/cell"]["subPathExpr"] == "workers/$(WORKER)"
    assert of_volume["/databases"]["subPath"] == "databases/general"
    assert all(each["readOnly"] for each in of_volume.values())
    written = {place for place, each in mounts.items() if not each.get("readOnly")}
    assert written == {"/outputs", "/server", "/scan", "/tmp", "/dev/shm", "/made"}
    assert {mounts[place]["name"] for place in written} == {"scanner"}


def test_it_has_the_resources_of_its_scan_and_no_container_has_a_token(tmp_path: Path) -> None:
    found = config(tmp_path)
    scan = load_catalog(found)["general"]
    resources = containers(found)["scanner"]["resources"]
    assert resources["requests"] | {"cpu": scan.resources.cpu, "memory": scan.resources.memory} == resources["requests"]
    assert resources["limits"]["memory"] == scan.resources.memory_limit
    whole = pod(found)
    assert whole["automountServiceAccountToken"] is False
    assert whole["securityContext"]["runAsNonRoot"] is True
    assert "token" not in json.dumps([each.get("secret", {}) for each in whole["volumes"]])
    sizes = {each["name"]: each.get("emptyDir", {}).get("sizeLimit") for each in whole["volumes"]}
    assert sizes["scanner"] == disk.quantity(3 * found.limits.document(found.volume.budget).disk_of(scan))


def test_a_worker_ends_its_cell_or_gives_it_back_before_it_is_killed(tmp_path: Path) -> None:
    found = config(tmp_path, more=", cells: 7, age: 90m")
    arguments = containers(found)["feeder"]["args"]
    given = dict(zip(arguments[::2], arguments[1::2], strict=True))
    timeout = load_catalog(found)["general"].timeout
    assert timeout < int(given["--grace"]) < pod(found)["terminationGracePeriodSeconds"]
    assert (given["--cells"], given["--hours"]) == ("7", "1.5")


def test_its_credentials_are_the_worker_s_alone(tmp_path: Path) -> None:
    beside = ", scheduler: {storeSecret: db, kubeconfigSecret: all, environmentSecret: exports}, registrySecret: login"
    found = config(tmp_path, more=", environmentSecret: broker", beside=beside)
    every = containers(found)
    variables = {each["name"] for each in every["feeder"]["env"]}
    assert {"SCANMATRIX_STORE__URL", "DOCKER_CONFIG"} <= variables
    assert "KUBECONFIG" not in variables
    assert every["feeder"]["envFrom"] == [{"secretRef": {"name": "broker"}}]
    for name in ("scanner", "folders"):
        text = json.dumps(every[name])
        assert not any(word in text for word in ("STORE", "secretKeyRef", "docker", "kubeconfig", "broker")), name
    assert "kubeconfig" not in json.dumps(pod(found)["volumes"])


def test_pods_and_plans_know_a_scan_by_the_same_version(tmp_path: Path) -> None:
    found = config(tmp_path)
    catalog = load_catalog(found)
    version = version_of(catalog["general"])
    template = made(found)["Deployment"]["spec"]["template"]
    assert template["metadata"]["annotations"][VERSION] == version
    arguments = template["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--scan-version") + 1] == version
    check_version(catalog, ["general"], version)
    check_version(catalog, ["general"], "")
    with pytest.raises(UsageError, match="install the workers again"):
        check_version(catalog, ["general"], "0" * 40)


def test_keda_counts_what_waits_for_this_version_and_what_is_at_work(tmp_path: Path) -> None:
    found = config(tmp_path, more=", scaling: keda, most: 4", beside=STORE)
    objects = made(found)
    assert "replicas" not in objects["Deployment"]["spec"]
    spec = objects["ScaledObject"]["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (0, 4)
    assert spec["scaleTargetRef"]["name"] == objects["Deployment"]["metadata"]["name"]
    query = spec["triggers"][0]["metadata"]["query"]
    assert version_of(load_catalog(found)["general"]) in query
    assert "('waiting', 'leased') LIMIT 4" in query
    login = objects["TriggerAuthentication"]
    assert login["metadata"]["name"] == spec["triggers"][0]["authenticationRef"]["name"]
    assert login["spec"]["secretTargetRef"] == [{"parameter": "connection", "name": "store", "key": "url"}]
    with pytest.raises(UsageError, match="storeSecret"):
        workers(config(tmp_path, more=", scaling: keda"), CONTENTS)


def test_without_keda_the_cpu_of_the_scanner_decides(tmp_path: Path) -> None:
    objects = made(config(tmp_path, more=", scaling: cpu, replicas: 2, most: 5"))
    spec = objects["HorizontalPodAutoscaler"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    assert spec["metrics"][0]["containerResource"]["container"] == "scanner"
    assert "replicas" not in objects["Deployment"]["spec"]
    assert made(config(tmp_path, more=", replicas: 3"))["Deployment"]["spec"]["replicas"] == 3
    with pytest.raises(ConfigError, match="at least 1"):
        config(tmp_path, more=", scaling: cpu, replicas: 0")


def test_what_is_no_worker_s_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'general'"):
        workers(config(tmp_path, "genral"), CONTENTS)
    with pytest.raises(UsageError, match="asks the API of git hosts"):
        workers(config(tmp_path, "scorecard"), CONTENTS)
    with pytest.raises(UsageError, match=r"argo\.workers\.scans"):
        install_api.install_parts(config(tmp_path, ""), [InstallPart.WORKERS])
    assert parts(config(tmp_path, ""), [InstallPart.WORKERS], contents=CONTENTS) == {}
    assert set(parts(config(tmp_path), [InstallPart.WORKERS], contents=CONTENTS)) == {"workers/workers"}


def reached(found: Config, component: str = "worker", scan: str = "general") -> Rules:
    """The paths of a pod, as the policies of the installation and of its workers leave them."""
    labels = {"app.kubernetes.io/part-of": "scanmatrix", "app.kubernetes.io/component": component}
    pod = Pod("scanmatrix", labels | {"scanmatrix/scan": scan}, "10.244.0.9")
    policies_of = [one for one in workers(found, CONTENTS) if one["kind"] == "NetworkPolicy"]
    return work_out([pod], {"scanmatrix": {}}, [*policies(found), *policies_of])


def test_a_worker_s_pod_reaches_its_store_and_its_mirrors_and_not_the_api_server(tmp_path: Path) -> None:
    beside = STORE + ", apiServer: {cidrs: [10.96.0.1/32]}, network: {private: [10.9.0.0/16], ports: [6432]}"
    rules = reached(config(tmp_path, beside=beside))
    out = [path for path in rules.paths if path.direction == "out"]

    def reaches(address: str, port: int) -> bool:
        open_ = [path for path in out if any(one.first <= port <= one.last for one in path.ports or ())]
        return any(path.peers is None or any(ip_address(address) in each for each in path.peers) for path in open_)

    assert reaches("10.9.1.1", 5432)
    assert reaches("10.9.1.1", 6432)
    assert not reaches("140.82.121.4", 5432)
    assert not reaches("10.96.0.1", 443)
    assert not reaches("169.254.169.254", 80)


def test_caches_let_workers_in_where_there_are_some(tmp_path: Path) -> None:
    def let_in(found: Config) -> bool:
        cache = next(one for one in policies(found) if one["metadata"]["name"] == "cache")
        [rule] = cache["spec"]["ingress"]
        return "worker" in rule["from"][0]["podSelector"]["matchExpressions"][0]["values"]

    assert let_in(config(tmp_path))
    assert not let_in(config(tmp_path, ""))


KAFKA = "queue: {{kind: kafka, kafka: {{servers: 'broker:9093', partitions: 4{}}}}}\n"


def woken(tmp_path: Path, more: str, login: str = "") -> Config:
    text = WORKERS.format("general", more, "") + KAFKA.format(login)
    (tmp_path / "scanmatrix.yaml").write_text(text)
    return load_config(tmp_path / "scanmatrix.yaml", environment={})


def test_keda_asks_the_broker_where_one_wakes_workers(tmp_path: Path) -> None:
    objects = made(woken(tmp_path, ", scaling: keda, most: 4"))
    [trigger] = objects["ScaledObject"]["spec"]["triggers"]
    assert trigger["type"] == "kafka"
    assert trigger["metadata"] == {
        "bootstrapServers": "broker:9093",
        "consumerGroup": "scanmatrix",
        "topic": "scanmatrix.general",
        "lagThreshold": "1",
        "offsetResetPolicy": "earliest",
    }
    assert "authenticationRef" not in trigger
    ports = {one["port"] for rule in objects["NetworkPolicy"]["spec"]["egress"] for one in rule["ports"]}
    assert 9093 in ports
    with pytest.raises(UsageError, match="need as many partitions"):
        made(woken(tmp_path, ", scaling: keda, most: 5"))


def test_keda_has_the_login_of_the_broker_from_the_workers_own_secret(tmp_path: Path) -> None:
    login = ", tls: true, user: scans, password: '${BROKER}'"
    objects = made(woken(tmp_path, ", scaling: keda, most: 4, environmentSecret: broker", login))
    [trigger] = objects["ScaledObject"]["spec"]["triggers"]
    assert trigger["metadata"]["sasl"] == "scram_sha512"
    assert (trigger["metadata"]["tls"], trigger["metadata"]["username"]) == ("enable", "scans")
    [secret] = objects["TriggerAuthentication"]["spec"]["secretTargetRef"]
    assert secret == {"parameter": "password", "name": "broker", "key": "SCANMATRIX_QUEUE__KAFKA__PASSWORD"}
    with pytest.raises(UsageError, match=r"argo\.workers\.environmentSecret"):
        made(woken(tmp_path, ", scaling: keda, most: 4", login))
