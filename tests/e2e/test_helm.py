"""Controller and service as they are installed: by real Helm, as Deployments of the project's own image."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.config.loading import load_config
from orchestrator.workflows.install.controller import NAMESPACE, controller, monitored
from orchestrator.workflows.install.jobs import job_namespaces
from orchestrator.workflows.install.service import service
from tests.cluster.state import API_SERVER, NODE_IP
from tests.e2e.site import await_, run

CHART = Path(__file__).parents[2] / "argo-install" / "chart"
NAME = "scanmatrix-controller"
SPACE = "e2e-helm"
PORT = int(API_SERVER.rpartition(":")[2])
TO_API = {"to": [{"ipBlock": {"cidr": f"{NODE_IP}/32"}}], "ports": [{"protocol": "TCP", "port": PORT}]}
VALUES: dict[str, Any] = {"controller": {"networkPolicy": {"egress": [TO_API]}}}
#: Of the service, everything: what the chart then makes is what `scanmatrix install` makes of the configuration below.
SERVED: dict[str, Any] = {
    "enabled": True,
    "replicas": 2,
    "storeSecret": "store",
    "environmentSecret": "more",
    "gitSecret": "git",
    "registrySecret": "registry",
    "kubeconfigSecret": "clusters",
    "jobs": True,
    "jobNamespaces": ["tasks", "more-tasks", NAMESPACE],
    "namespaces": ["ingress", "monitoring"],
    "ingress": {"enabled": True, "host": "scans.example", "className": "nginx", "tlsSecret": "cert"},
    "gateway": {"enabled": True, "name": "web", "host": "scans.example"},
    "monitor": {"enabled": True, "tokenSecret": "prometheus", "labels": {"release": "main"}},
}
CONFIGURATION = f"""
targets: [{{cluster: {{}}}}]
argo:
  namespace: {NAMESPACE}
  scheduler: {{storeSecret: store, environmentSecret: more, kubeconfigSecret: clusters}}
  gitSecret: git
  registrySecret: registry
  service:
    replicas: 2
    namespaces: [ingress, monitoring]
    ingress: {{host: scans.example, className: nginx, tlsSecret: cert}}
    gateway: {{name: web, host: scans.example}}
    monitor: {{tokenSecret: prometheus, labels: {{release: main}}}}
events: {{jobs: {{git: {{url: "https://git.example/jobs.git"}}, namespaces: [tasks, more-tasks, {NAMESPACE}]}}}}
"""


def helm(*arguments: str, values: dict[str, Any] | None = None) -> str:
    """Run Helm on the chart, with values as JSON, which is YAML."""
    given = ["-f", "-"] if values is not None else []
    return run("helm", *arguments, *given, stdin=json.dumps(values) if values is not None else None)


def by_key(objects: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Objects by kind, name, and namespace, where that is another one than the release's."""
    spaces = [one["metadata"].get("namespace", "") for one in objects]
    found = {
        (one["kind"], one["metadata"]["name"], "" if space == NAMESPACE else space): one
        for one, space in zip(objects, spaces, strict=True)
    }
    assert len(found) == len(objects)
    return found


def templated(values: dict[str, Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """What Helm makes of the chart; what only the values of a pod's place are is left out."""
    found = helm("template", "x", str(CHART), "-n", NAMESPACE, values=values)
    objects = by_key([one for one in yaml.safe_load_all(found) if one])
    for (kind, *_), one in objects.items():
        if kind == "Deployment":
            for key in ("imagePullSecrets", "nodeSelector", "tolerations"):
                assert one["spec"]["template"]["spec"].pop(key) in ([], {})
    return objects


def test_the_chart_is_sound() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), values={"service": SERVED})


def test_it_makes_what_the_command_makes(tmp_path: Path) -> None:
    (tmp_path / "scanmatrix.yaml").write_text(CONFIGURATION)
    config = load_config(tmp_path / "scanmatrix.yaml", environment={})
    wanted = by_key([one for one in controller(config)[1:] if one["kind"] != "Namespace"])
    assert templated({}) == wanted
    serving = by_key([*service(config, {}, shared=True), *job_namespaces(config, "scanmatrix-service")])
    made = templated({"service": SERVED})
    spec = serving["Deployment", "scanmatrix-service", ""]["spec"]["template"]
    del spec["metadata"]["annotations"]  # instead, its pods end when the configuration changes
    spec["spec"]["containers"][0]["args"].append("--end-when-changed")
    assert made == wanted | serving
    monitors = by_key(monitored())
    labelled = templated({"controller": {"monitor": {"enabled": True, "labels": {"release": "main"}}}})
    assert labelled["ServiceMonitor", NAME, ""]["metadata"]["labels"].pop("release") == "main"
    assert labelled == wanted | monitors


def test_what_is_wrong_is_refused_by_its_key() -> None:
    with pytest.raises(AssertionError, match=r"(?s)storeSecret.*minLength"):
        templated({"service": {"enabled": True, "replicas": 2}})


def kubectl(*arguments: str, check: bool = True, stdin: str | None = None) -> str:
    return run("kubectl", *arguments, check=check, stdin=stdin)


@pytest.fixture(scope="module")
def release(cluster: None) -> Iterator[None]:
    """Installed, and ready by its probes."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CHART / "crds"))
    try:
        helm("install", "scanmatrix", str(CHART), "-n", NAMESPACE, "--create-namespace", "--wait", "--timeout=240s",
             values=VALUES)  # fmt: skip
        yield
    finally:
        run("helm", "uninstall", "scanmatrix", "-n", NAMESPACE, "--wait", check=False)
        for name in (SPACE, NAMESPACE):
            kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found", check=False)


def holder() -> str:
    """The pod that acts; what follows its name is of the process."""
    found = kubectl("-n", NAMESPACE, "get", "lease", NAME, "-o", "jsonpath={.spec.holderIdentity}", check=False)
    return found.rsplit("-", 2)[0]


def pods() -> list[str]:
    found = kubectl("-n", NAMESPACE, "get", "pods", "-l", "app.kubernetes.io/component=controller",
                    "--field-selector=status.phase=Running", "-o", "jsonpath={.items[*].metadata.name}")  # fmt: skip
    return found.split()


def resource(**spec: Any) -> None:
    matrix = {"apiVersion": "scanmatrix.github.io/v1alpha1", "kind": "ScanMatrix",
              "metadata": {"name": "main", "namespace": SPACE}, "spec": spec}  # fmt: skip
    kubectl("apply", "-f", "-", stdin=json.dumps(matrix))


def seen() -> str:
    return kubectl("-n", SPACE, "get", "smx", "main", "-o", "jsonpath={.status.observedGeneration}", check=False)


def test_of_two_pods_one_acts_and_when_it_is_killed_the_other_one_does(release: None) -> None:
    kubectl("create", "namespace", SPACE)
    await_(lambda: len(pods()) == 2 and holder() in pods(), 60, "one of two to act")
    first = holder()
    resource(suspend=True, ignoreLabel="ignore")
    await_(lambda: seen() == "1", 60, "the resource to be seen")
    owner = ("-n", SPACE, "get", "role", "scanmatrix", "-o", "jsonpath={.metadata.ownerReferences[0].name}")
    await_(lambda: kubectl(*owner, check=False) == "main", 60, "what belongs to it to be made")
    kubectl("-n", NAMESPACE, "delete", "pod", first, "--force", "--grace-period=0")
    resource(suspend=True, ignoreLabel="other")
    await_(lambda: holder() not in {"", first}, 60, "the other one to act")
    await_(lambda: seen() == "2", 60, "what was changed meanwhile to be seen")


def test_it_is_upgraded_and_keeps_acting(release: None) -> None:
    before = set(pods())
    values = {**VALUES, "controller": {**VALUES["controller"], "replicas": 1, "namespaces": [SPACE]}}
    helm("upgrade", "scanmatrix", str(CHART), "-n", NAMESPACE, "--wait", "--timeout=240s", values=values)
    await_(lambda: len(pods()) == 1 and holder() in pods() and holder() not in before, 90, "the new one to act")
    budget = kubectl("-n", NAMESPACE, "get", "pdb", NAME, "--ignore-not-found", "-o", "name")
    assert budget == ""
    resource(suspend=True, ignoreLabel=f"at-{int(time.time())}")
    now = kubectl("-n", SPACE, "get", "smx", "main", "-o", "jsonpath={.metadata.generation}")
    await_(lambda: seen() == now, 60, "the resource to be seen by it")
    # It says how it stands where an annotation of kopf would double it, too.
    assert "kopf" not in kubectl("-n", SPACE, "get", "smx", "main", "-o", "jsonpath={.metadata.annotations}")
    kubectl("-n", SPACE, "delete", "smx", "main", "--timeout=60s")
