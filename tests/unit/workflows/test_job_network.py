"""What tasks of jobs reach, worked out from the policies as the enforcer of the cluster tests does."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.jobs.order import JobFiles
from orchestrator.workflows.install.network import policies
from orchestrator.workflows.jobs import compiled
from tests.cluster.policy_rules import Pod, work_out
from tests.unit.workflows.jobs import CONFIGURATION, config_of, job, order_of

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = f"registry.example.com/load@sha256:{'1' * 64}"
GIT, METADATA, PUBLIC, PRIVATE, API = "203.0.113.7", "169.254.169.254", "140.82.121.4", "10.9.0.1", "10.96.0.1"
CLUSTER = CONFIGURATION.replace("argo: {", "argo: {apiServer: {cidrs: [10.96.0.1/32]}, ")
SHOP = Pod("shop", {"app": "web"}, "10.244.7.7")
OTHER = Pod("shop", {"app": "db"}, "10.244.7.8")
WHOLE = job(f"""
- {{image: {IMAGE}, files: [a], cmd: [a]}}
- {{image: {IMAGE}, cmd: [a]}}
- image: {IMAGE}
  cmd: [a]
  networkPolicy: {{egress: [{{cidr: 0.0.0.0/0, ports: [8443]}}, {{namespace: shop, pods: {{app: web}}, ports: [80]}}]}}
""")


class Reach:
    """What the tasks of a job reach, beside the policies of an install."""

    def __init__(
        self, folder: Path, *, files: JobFiles | None = None, namespace: str = "scans", cluster: str = CLUSTER
    ) -> None:
        config = config_of(folder, text=cluster)
        order = order_of(WHOLE, namespace=namespace)
        found = compiled(order if files is None else order._replace(files=files), config)
        labels = {each["name"]: each["metadata"]["labels"]
                  for each in found.workflow["spec"]["templates"] if "metadata" in each}  # fmt: skip
        name = found.workflow["metadata"]["name"]
        self.pods = {task: Pod(namespace, dict(given) | {"workflows.argoproj.io/workflow": name}, f"10.244.0.{number}")
                     for number, (task, given) in enumerate(labels.items(), start=9)}  # fmt: skip
        self.scan = Pod("scans", {"app.kubernetes.io/part-of": "scanmatrix", "app.kubernetes.io/component": "scan"},
                        "10.244.0.99")  # fmt: skip
        spaces: dict[str, dict[str, str]] = {each: {"kubernetes.io/metadata.name": each}
                                             for each in ("scans", "shop", "loads")}  # fmt: skip
        every = [*self.pods.values(), self.scan, SHOP, OTHER]
        given: list[Any] = [*policies(config), *found.policies]
        self.rules = work_out(every, spaces, given)

    def __call__(self, task: str, address: str, port: int = 443) -> bool:
        pod = self.scan if task == "scan" else self.pods[task]
        assert pod.address in self.rules.closed["out"]
        return any(
            path.direction == "out" and pod.address in path.pods
            and (path.ports is None or any(one.first <= port <= one.last for one in path.ports))
            and (path.peers is None or any(ip_address(address) in each for each in path.peers))
            for path in self.rules.paths
        )  # fmt: skip


@pytest.fixture
def reaches(tmp_path: Path) -> Reach:
    return Reach(tmp_path)


def test_by_default_a_task_reaches_the_api_alone_and_nobody_reaches_it(reaches: Reach) -> None:
    assert reaches("task-2", API)
    for address in (METADATA, PUBLIC, PRIVATE, GIT, SHOP.address):
        assert not any(reaches("task-2", address, port) for port in (22, 53, 80, 443, 8443)), address
    assert all(pod.address in reaches.rules.closed["in"] for pod in reaches.pods.values())
    assert not any(path.direction == "in" and not path.pods.isdisjoint(pod.address for pod in reaches.pods.values())
                   for path in reaches.rules.paths)  # fmt: skip


def test_a_task_with_files_reaches_the_very_address_of_the_repository(reaches: Reach) -> None:
    assert reaches("task-1", GIT, 443)
    assert not reaches("task-1", GIT, 80)
    assert not reaches("task-1", "203.0.113.8", 443)
    assert not reaches("task-1", "10.96.0.10", 53)  # no name server is needed


def test_what_a_task_asks_for_is_open_to_it_alone_and_never_the_metadata_of_clouds(reaches: Reach) -> None:
    assert reaches("task-3", PUBLIC, 8443)
    assert reaches("task-3", SHOP.address, 80)
    assert not reaches("task-3", PUBLIC, 443)
    assert not reaches("task-3", OTHER.address, 80)
    assert not reaches("task-3", METADATA, 8443)
    for task in ("task-1", "task-2", "scan"):
        assert not reaches(task, PUBLIC, 8443)
        assert not reaches(task, SHOP.address, 80)


def test_a_repository_in_a_private_network_is_reached_by_its_address_and_what_is_named(tmp_path: Path) -> None:
    files = JobFiles("ssh://git@git.example/jobs.git", "0" * 40, ("",), (PRIVATE,))
    reaches = Reach(tmp_path, files=files)
    assert reaches("task-1", PRIVATE, 22)
    assert not reaches("task-1", "10.9.0.2", 22)
    # A Service of the cluster is reached by the addresses of its pods.
    cluster = CLUSTER.replace("argo: {", "argo: {network: {private: [10.244.0.0/16]}, ")
    reaches = Reach(tmp_path, files=files, cluster=cluster)
    assert reaches("task-1", "10.244.3.3", 22)
    assert not reaches("task-2", "10.244.3.3", 22)


def test_in_a_namespace_with_no_policies_of_ours_a_task_is_closed_as_well(tmp_path: Path) -> None:
    reaches = Reach(tmp_path, namespace="loads")
    assert reaches("task-2", API)
    assert not reaches("task-2", PUBLIC)


def test_policies_belong_to_the_job_and_not_to_the_installation(tmp_path: Path) -> None:
    found = compiled(order_of(WHOLE), config_of(tmp_path))
    labels = [policy["metadata"]["labels"] for policy in found.policies]
    assert labels == [{"scanmatrix/job": "job-00112233aabbccdd-7"}] * 3
