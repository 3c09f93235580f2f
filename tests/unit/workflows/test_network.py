"""Which addresses each kind of pod reaches, worked out from the policies as the enforcer of the cluster tests does."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config.loading import Config, ConfigError
from orchestrator.workflows.install.network import policies
from tests.cluster.policy_rules import Pod, Rules, work_out
from tests.unit.workflows.test_install import configured

METADATA = ["169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200", "192.0.0.192", "127.0.0.1"]
METADATA_6 = ["fd00:ec2::254", "fe80::a9fe:a9fe", "::1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "2002:a9fe:a9fe::1"]
PRIVATE = ["10.0.0.1", "172.16.5.4", "192.168.1.1", "100.64.0.1", "198.18.0.1", "240.0.0.1"]
PUBLIC = ["140.82.121.4", "1.1.1.1", "223.255.255.1", "172.32.0.1", "100.128.0.1"]
OUTSIDE = ["plan", "fetch", "online", "database", "database-command", "cache", "scheduler", "pull"]
TEXT = """
cache: [{upstream: docker.io}, {upstream: ghcr.io, url: "https://harbor.example"}]
argo: {apiServer: {cidrs: [10.96.0.1/32]}, scheduler: {replicas: 1, storeSecret: db, kubeconfigSecret: all}}
"""


class Reach:
    """Which addresses the pods of a configuration may speak to."""

    def __init__(self, config: Config) -> None:
        self.policies = policies(config)
        self._rules: dict[str, Rules] = {}

    def __call__(self, component: str, address: str, port: int = 443) -> bool:
        """Whether a pod of this kind may speak to an address at a port."""
        if ":" in address:  # which the enforcer has no use for
            return any(ip_address(address) in ip_network(block["cidr"])
                       and not any(ip_address(address) in ip_network(hole) for hole in block.get("except", ()))
                       for block in self._blocks(component))  # fmt: skip
        labels = {"app.kubernetes.io/part-of": "scanmatrix", "app.kubernetes.io/component": component}
        if component not in self._rules:
            pod = Pod("scanmatrix", labels, "10.244.0.9")
            self._rules[component] = work_out([pod], {"scanmatrix": {}}, self.policies)
        rules = self._rules[component]
        assert "10.244.0.9" in rules.closed["out"]
        open_ = [path for path in rules.paths if path.direction == "out"
                 and any(one.first <= port <= one.last for one in path.ports or ())]  # fmt: skip
        return any(path.peers is None or any(ip_address(address) in each for each in path.peers) for path in open_)

    def _blocks(self, component: str) -> list[dict[str, Any]]:
        return [to["ipBlock"] for policy in self.policies if policy["metadata"]["name"] == component
                for rule in policy["spec"]["egress"] for to in rule.get("to", ()) if "ipBlock" in to]  # fmt: skip


@pytest.mark.parametrize("component", OUTSIDE)
def test_what_goes_out_reaches_the_internet_and_nothing_inside(tmp_path: Path, component: str) -> None:
    reaches = Reach(configured(tmp_path, TEXT))
    for address in [*METADATA, *METADATA_6, *PRIVATE]:
        assert not any(reaches(component, address, port) for port in (80, 443, 5432)), address
    assert all(reaches(component, address) for address in [*PUBLIC, "2606:4700::1111", "64:ff9b::101:101"])


@pytest.mark.parametrize("component", ["scan", "load", "aggregate", "evict", "results", "left", "shard"])
def test_what_does_not_go_out_reaches_the_api_server_alone(tmp_path: Path, component: str) -> None:
    reaches = Reach(configured(tmp_path, TEXT))
    assert reaches(component, "10.96.0.1")
    assert not any(reaches(component, address) for address in [*METADATA, *PRIVATE, *PUBLIC])


def test_a_private_network_that_is_named_is_reached_and_no_other(tmp_path: Path) -> None:
    text = TEXT.replace("argo: {", "argo: {network: {private: [10.9.0.0/16, 100.64.0.0/10]}, ")
    reaches = Reach(configured(tmp_path, text))
    for component in OUTSIDE:
        assert reaches(component, "10.9.1.1")
        assert reaches(component, "100.64.0.1")
        assert not any(reaches(component, address) for address in ("10.8.1.1", *METADATA))
    assert not reaches("scan", "10.9.1.1")


def test_an_address_that_the_configuration_names_is_reached_by_those_who_need_it_at_its_port(tmp_path: Path) -> None:
    reaches = Reach(configured(tmp_path, """
targets: [{repository: {url: "https://10.1.0.1:8443/x.git"}}]
cache: [{upstream: docker.io, remote: "http://10.1.0.2:5001"}, {upstream: ghcr.io, url: "https://10.1.0.3"}]
scans: {parameters: {dependency: {databaseUrl: "http://10.1.0.4:8080/databases"}}}
exports: {s3: {bucket: b, endpoint: "http://10.1.0.5:9000"}}
notify: {smtp: {host: 10.1.0.6, from: a@example.com}}
engine: queue
queue: {kind: kafka, kafka: {servers: "10.1.0.7:9092"}}
argo: {apiServer: {cidrs: [10.96.0.1/32]}}
"""))  # fmt: skip
    places = {"10.1.0.1": 8443, "10.1.0.2": 5001, "10.1.0.3": 443, "10.1.0.4": 8080, "10.1.0.5": 9000, "10.1.0.6": 587}
    places["10.1.0.7"] = 9092
    found = {component: {each for each, port in places.items() if reaches(component, each, port)}
             for component in OUTSIDE}  # fmt: skip
    assert found == {
        "plan": {"10.1.0.1", "10.1.0.3"},
        "fetch": {"10.1.0.1"},
        "online": set(),
        "database": {"10.1.0.3", "10.1.0.4"},
        "database-command": set(),
        "cache": {"10.1.0.2"},
        "scheduler": {"10.1.0.1", "10.1.0.3", "10.1.0.5", "10.1.0.6", "10.1.0.7"},
        "pull": {"10.1.0.3"},
    }
    assert not reaches("database", "10.1.0.4", 80)


@pytest.mark.parametrize("url", ["https://[", "https://git.example:99999/x.git"])
def test_the_url_of_a_repository_that_cannot_be_read_opens_nothing(tmp_path: Path, url: str) -> None:
    without = Reach(configured(tmp_path, TEXT)).policies
    assert Reach(configured(tmp_path, f"{TEXT}targets: [{{repository: {{url: '{url}'}}}}]")).policies == without


@pytest.mark.parametrize("url", ["http://169.254.169.254", "http://[fd00:ec2::254]", "http://100.100.100.200:80"])
def test_a_url_that_names_the_metadata_service_opens_nothing(tmp_path: Path, url: str) -> None:
    reaches = Reach(configured(tmp_path, f"cache: [{{upstream: docker.io, remote: '{url}'}}]"))
    assert not reaches("cache", url.removeprefix("http://").removesuffix(":80").strip("[]"), 80)


@pytest.mark.parametrize(
    "cidr",
    ["169.254.169.254/32", "169.254.0.0/16", "fe80::/64", "64:ff9b::a9fe:a9fe/128", "fd00:ec2::/64", "127.0.0.0/8"],
)
def test_what_no_pod_may_reach_cannot_be_named(tmp_path: Path, cidr: str) -> None:
    with pytest.raises(ConfigError, match="credentials of the machine"):
        configured(tmp_path, f"argo: {{network: {{private: ['{cidr}']}}}}")


def test_exceptions_lie_within_their_block_as_kubernetes_wants(tmp_path: Path) -> None:
    for policy in policies(configured(tmp_path, TEXT)):
        for rule in policy["spec"].get("egress", ()):
            for block in (to["ipBlock"] for to in rule["to"] if "ipBlock" in to):
                outer = ip_network(block["cidr"])
                assert all(outer.supernet_of(ip_network(hole)) and outer != ip_network(hole)  # type: ignore[arg-type]
                           for hole in block.get("except", ()))  # fmt: skip
