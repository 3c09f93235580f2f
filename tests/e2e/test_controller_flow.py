"""The controller as it is installed: one object in a namespace, and what runs there is scanned."""

import json
from collections.abc import Iterator

import pytest
import yaml

from orchestrator.api import install as install_api
from orchestrator.config.loading import default_config, load_config
from orchestrator.volume.layout import Volume
from orchestrator.workflows.install.storage import SINGLE_NODE, volumes
from tests.cluster.images import REGISTRY
from tests.cluster.state import API_SERVER, NODE_IP
from tests.e2e import quick
from tests.e2e.site import SECRET, await_, remove_volumes, run
from tests.e2e.workloads import deploy
from tests.tools.images import Image, layer
from tests.tools.upstream import Upstream

SPACE = "e2e-smx"
SYSTEM = "scanmatrix-system"
DEBIAN = "docker.io/library/debian:12"
API = {"cidrs": [f"{NODE_IP}/32"], "ports": [int(API_SERVER.rpartition(":")[2])]}


@pytest.fixture(scope="module")
def installed(cluster: None) -> Iterator[None]:
    """The controller, two pods of it, with the rights that it has in every cluster."""
    config = default_config(environment={}, argo={"api_server": API})
    text = install_api.install_controller(config)
    run("kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)
    try:
        run("kubectl", "-n", SYSTEM, "rollout", "status", "deployment/scanmatrix-controller", "--timeout=120s")
        yield
    finally:
        run("kubectl", "delete", "namespace", SYSTEM, "--wait=false", check=False)
        run("kubectl", "delete", "clusterrole,clusterrolebinding", "scanmatrix-controller", check=False)


@pytest.fixture(scope="module")
def volume(installed: None, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Volume]:
    """A namespace with two workloads, the Secret of the upstream, and a claim, as an administrator makes it."""
    folder = tmp_path_factory.mktemp("smx")
    (folder / "volume").mkdir()
    for name in ("library/debian:12", "library/registry:3"):
        upstream.push(name, Image.build([layer({"of": name, "for": SPACE})]))
    run("kubectl", "create", "namespace", SPACE)
    try:
        user, password = upstream.credentials
        login = f"--from-literal=username={user}", f"--from-literal=password={password}"
        run("kubectl", "-n", SPACE, "create", "secret", "generic", SECRET, "--type=kubernetes.io/basic-auth", *login)
        (folder / "scanmatrix.yaml").write_text(
            yaml.safe_dump(
                {
                    "volume": {"hostPath": str(folder / "volume"), "hostPathPrefixes": [str(folder)]},
                    "argo": {"namespace": SPACE},
                }
            )
        )
        objects = volumes(load_config(folder / "scanmatrix.yaml", environment={}))[SINGLE_NODE]
        run("kubectl", "apply", "-f", "-", stdin=yaml.safe_dump_all(objects))
        yield Volume(folder / "volume")
    finally:
        run("kubectl", "-n", SPACE, "delete", "smx", "--all", "--timeout=60s", check=False)
        run("kubectl", "delete", "namespace", SPACE, f"{SPACE}-volume", "--wait=false", check=False)
        remove_volumes(SPACE)


def get(path: str) -> str:
    return run("kubectl", "-n", SPACE, "get", "smx", "images", "-o", f"jsonpath={path}")


def apply(upstream: Upstream, **more: object) -> None:
    spec = {
        "ignoreLabel": "ignore",
        "scans": {"templates": ["quick.yaml"], "default": ["quick"]},
        "cache": [{"upstream": "docker.io", "remote": upstream.url, "secret": SECRET, "size": "1Gi"}],
        "files": {"quick.yaml": yaml.safe_dump(quick.scan("quick"))},
        "argo": {"apiServer": API, "reaper": "0 0 1 1 *"},
        **more,
    }
    resource = {
        "apiVersion": "scanmatrix.github.io/v1alpha1",
        "kind": "ScanMatrix",
        "metadata": {"name": "images", "namespace": SPACE},
        "spec": spec,
    }
    run("kubectl", "apply", "-f", "-", stdin=json.dumps(resource))


def test_what_runs_in_the_namespace_is_scanned_and_then_it_is_ready(volume: Volume, upstream: Upstream) -> None:
    deploy(SPACE, "cart", DEBIAN)
    apply(upstream)
    run("kubectl", "-n", SPACE, "wait", "--for=condition=Ready", "smx/images", "--timeout=240s")
    # Our own pods run in the namespace, too: they are images like any other.
    fresh = int(get("{.status.cells.fresh}"))
    assert fresh >= 1
    assert (get("{.status.cells.due}"), get("{.status.cells.held}")) == ("0", "0")
    assert get("{.status.lastRun.phase}") == "Succeeded"
    reasons = run("kubectl", "-n", SPACE, "get", "events", "-o", "jsonpath={.items[*].reason}").split()
    assert {"Waiting", "Scanning", "Reconciled"} <= set(reasons)
    # What starts is scanned; what is to be ignored is not.
    run("kubectl", "-n", SPACE, "run", "left-out", f"--image={REGISTRY}", "--labels=ignore=true",
        "--image-pull-policy=Never", "--restart=Never", "--command", "--", "registry", "--version")  # fmt: skip
    leader = run(
        "kubectl", "-n", SYSTEM, "get", "lease", "scanmatrix-controller", "-o", "jsonpath={.spec.holderIdentity}"
    )
    pod = leader.rpartition("-")[0].rpartition("-")[0]
    run("kubectl", "-n", SYSTEM, "delete", "pod", pod, "--force", "--grace-period=0")
    apply(upstream, argo={"apiServer": API, "reaper": "0 0 1 1 *", "schedule": "0 0 1 1 *"})
    await_(lambda: get("{.status.observedGeneration}") == "2", 90, "the other replica to act")
    run("kubectl", "-n", SPACE, "wait", "--for=condition=Ready", "smx/images", "--timeout=60s")
    assert get("{.status.nextRun}").endswith("-01-01T00:00:00Z")
    run("kubectl", "-n", SPACE, "delete", "smx", "images", "--timeout=60s")
    assert sorted(volume.root.glob("results/*/ledger.json"))
    assert run("kubectl", "-n", SPACE, "get", "pvc", "scanmatrix", "-o", "jsonpath={.status.phase}") == "Bound"
