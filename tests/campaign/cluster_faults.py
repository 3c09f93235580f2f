"""What is done to runs in the cluster of `make cluster`, in both layouts."""

from __future__ import annotations

import shutil
import signal
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.argo import names as labels
from orchestrator.argo.names import Component as Of
from tests.campaign.cluster_bench import FRESH, ClusterBench, ClusterTrial
from tests.campaign.expected import ALL, Expected
from tests.cluster import containers, control_plane, faults, node, processes
from tests.cluster.processes import ClusterError
from tests.e2e import quick
from tests.e2e.site import CACHE, await_
from tests.tools.faults import answer, corrupt, reset, slow

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from tests.campaign.cluster_bench import While
    from tests.cluster.state import State
    from tests.tools.faults import Fault

#: How a cell may end whose process somebody killed more often than it is retried.
_LOST = ("killed by signal|lost|deleted|shut down|never started|could not be started|another scan of the same pod",)
_ENDED = Expected(ALL, reasons=("deleted|terminated|cancelled|run ended",))


def kill_pull(bench: ClusterBench) -> None:
    """The pull's process; in a pod of all scans it is an init container."""
    if bench.layout == "cell":
        bench.kill(quick.await_pod(bench.site, bench.run, Of.PULL))
        return
    path = "{.items[?(@.status.initContainerStatuses[1].state.running)].metadata.name}"
    found: list[str] = []

    def pulling() -> bool:
        selector = f"{labels.RUN}={bench.run},{labels.TARGET}"
        found[:] = bench.site.kubectl("get", "pods", "-l", selector, "-o", f"jsonpath={path}").split()
        return bool(found)

    await_(pulling, 120, "a pod to pull")
    bench.kill(found[0], labels.STAGE)


def kill_scan(bench: ClusterBench) -> None:
    """The one that takes some seconds, wherever it runs."""
    await_(lambda: _try(lambda: bench.kill(_waiting_pod(bench), _waiting_container(bench))), 120, "a scan to run")


def kill_keep(bench: ClusterBench) -> None:
    """What puts reports onto the volume, while a scanner still runs."""
    await_(lambda: _try(lambda: bench.kill(_waiting_pod(bench), labels.KEEP)), 120, "a scan to run")


def _waiting_container(bench: ClusterBench) -> str:
    return "main" if bench.layout == "cell" else "waits"


def _waiting_pod(bench: ClusterBench) -> str:
    selector = f"{labels.RUN}={bench.run}" + (f",{labels.SCAN}=waits" if bench.layout == "cell" else "")
    names = bench.site.kubectl(
        "get", "pods", "-l", selector, "--field-selector=status.phase=Running", "-o", "name"
    ).split()
    if not names:
        raise ClusterError("no pod")
    return names[-1].removeprefix("pod/")


def delete_pod(bench: ClusterBench) -> None:
    """A pod that scans is deleted without a word."""
    pod = bench.scanning()
    bench.site.kubectl("delete", "pod", pod, "--force", "--grace-period=0")


def kill_aggregate(bench: ClusterBench) -> None:
    """While it writes: at once when the first of its files appears."""
    pod = quick.await_pod(bench.site, bench.run, Of.AGGREGATE)
    folder = bench.site.volume.results(bench.run)
    end = time.monotonic() + 60
    while not any(folder.glob(".*.tmp")) and time.monotonic() < end:
        time.sleep(0.01)
    bench.kill(pod)


def restarted(name: str, start: Callable[[State], object]) -> Callable[[ClusterBench], None]:
    """A process of the cluster is killed, and comes again five seconds later."""

    def strike(bench: ClusterBench) -> None:
        processes.stop(bench.state, name, how=signal.SIGKILL)
        try:
            time.sleep(5)
        finally:
            start(bench.state)

    return strike


def api_server_away(bench: ClusterBench) -> None:
    """Longer than a scan takes."""
    with faults.api_server_away(bench.state):
        time.sleep(12)


def controller(bench: ClusterBench) -> None:
    """It dies, and another comes."""
    faults.crash_controller(bench.state)


def _in_the_middle(bench: ClusterBench) -> None:
    bench.scanning()
    await_(lambda: any(bench.site.volume.run(bench.run).glob("*/finds/report.json")), 120, "a report")


def deleted(bench: ClusterBench) -> None:
    """Its Workflow."""
    _in_the_middle(bench)
    bench.site.kubectl("delete", "workflow", bench.run)


def terminated(bench: ClusterBench) -> None:
    """Its Workflow; of pods of all scans before these begin, for Argo may take longer to end them than they do."""
    if bench.layout == "image":
        selector = f"{labels.RUN}={bench.run},{labels.COMPONENT}={Of.IMAGE}"
        await_(lambda: bool(bench.site.kubectl("get", "pods", "-l", selector, "-o", "name")), 600, "a pod of an image")
    else:
        _in_the_middle(bench)
    bench.site.argo("terminate", bench.run)


def template_replaced(bench: ClusterBench) -> None:
    """Another WorkflowTemplate of the same name, whose scans do something else."""
    bench.scanning()
    before = bench.site.kubectl("get", "workflowtemplate", "scanmatrix", "-o", "yaml")
    other = before.replace("CVE-2024-", "CVE-1999-").replace("range(5)", "range(4)")
    assert other != before
    bench.site.kubectl("replace", "-f", "-", stdin=other)
    try:
        await_(lambda: bench.site.cluster.workflow(bench.run).ended, 300, "the run to end")
    finally:
        current = bench.site.kubectl(
            "get", "workflowtemplate", "scanmatrix", "-o", "jsonpath={.metadata.resourceVersion}"
        )
        lines = [line for line in before.splitlines() if not line.startswith("  resourceVersion:")]
        assert current
        bench.site.kubectl("replace", "-f", "-", stdin="\n".join(lines))


@contextmanager
def cache_away(bench: ClusterBench) -> Iterator[None]:
    """The cache has no pod until a pull has failed."""
    shutil.rmtree(bench.site.storage / "blobs", ignore_errors=True)
    with faults.away(bench.state, bench.site.namespace, CACHE):
        yield


def a_pull_fails(bench: ClusterBench) -> None:
    """Wait for it."""
    said = "{.items[*].status.initContainerStatuses[*].state.terminated.exitCode}{.items[*].status.phase}"

    def failed() -> bool:
        selector = f"{labels.RUN}={bench.run}"
        found = bench.site.kubectl("get", "pods", "-l", selector, "-o", f"jsonpath={said}")
        return "Failed" in found or "75" in found

    await_(failed, 120, "a pull to fail")


def upstream_rule(*rules: Callable[[str], Fault]) -> While:
    """The registry behind the cache misbehaves about the layers of a run's images, which are new to the cache."""

    @contextmanager
    def during(bench: ClusterBench) -> Iterator[None]:
        paths = [f"/v2/library/{image}/blobs/*" for image in bench.images]
        added = [rule(path) for rule in rules for path in paths]
        bench.site.upstream.faults.add(*added)
        try:
            yield
        finally:
            for each in added:
                each.times = 0

    return during


@contextmanager
def tag_moved(bench: ClusterBench) -> Iterator[None]:
    """Between plan and pull; what was planned stays in the registry."""
    quick.push(bench.site.upstream, *bench.images)
    yield


#: Kinds of pods that a run has one after the other, by its layout, and how often each is chosen for a kill.
STAGES = {
    "cell": {Of.PLAN: 1, Of.PULL: 1, Of.SCAN: 3, Of.AGGREGATE: 1},
    "image": {Of.PLAN: 1, Of.IMAGE: 3, Of.AGGREGATE: 1},
}


def kill_anything(bench: ClusterBench, chance: random.Random, stage: Of) -> str:
    """SIGKILL to a random container of a stage of a run at a random moment; its pod, or nothing where it ended before.

    Under load the stages of a run take as long as they like, so that moments counted from its begin would all be in the
    first of them.
    """
    end = time.monotonic() + 300
    while time.monotonic() < end:
        pods = set(quick.pods(bench.site, bench.run, stage))
        if pods:
            time.sleep(chance.uniform(0, 3))
        running = set(containers.ctr(bench.state, "tasks", "ls", "--quiet").split()) if pods else set()
        found = []
        for pod in sorted(pods):
            wanted = f'labels."io.kubernetes.pod.name"=={pod},labels."io.cri-containerd.kind"==container'
            found += [
                (pod, each)
                for each in containers.ctr(bench.state, "containers", "ls", "--quiet", wanted).split()
                if each in running
            ]
        if found:
            pod, each = chance.choice(found)
            with suppress(ClusterError):
                containers.ctr(bench.state, "tasks", "kill", "--signal", "SIGKILL", "--all", each)
                return pod
        if bench.site.cluster.workflow(bench.run).ended:
            return ""
        time.sleep(0.2)
    return ""


def _try(action: Callable[[], None]) -> bool:
    try:
        action()
    except ClusterError:
        return False
    return True


#: Argo takes it for one that it ended itself, so nothing runs again.
UNKEPT = Expected(ALL, reasons=("^its keep container was killed by signal 9",))
LOST = Expected(ALL, reasons=_LOST)
#: The cache may make what it likes of an answer of the registry, and not ask again.
PULL = Expected(ALL, reasons=("pull: ",))
#: The blobs are nowhere, and it never had them.
DENIED = Expected(ALL, must_fail=True, reasons=("pull: ",))
SLOW = upstream_rule(lambda path: slow(path, rate=20_000))
TRIALS = (
    ClusterTrial("pull killed", kill_pull, during=SLOW, sizes=FRESH),
    ClusterTrial("scan killed", kill_scan),
    ClusterTrial("keep container killed", kill_keep, expected=UNKEPT),
    ClusterTrial("scan pod deleted", delete_pod, expected=LOST),
    ClusterTrial("aggregate killed while writing", kill_aggregate),
    ClusterTrial("Workflow deleted", deleted, expected=_ENDED, reaped=True),
    ClusterTrial("Workflow terminated", terminated, expected=_ENDED, reaped=True),
    *(
        ClusterTrial(f"registry {name}", during=upstream_rule(partial(answer, status, times=None)), expected=DENIED,
                     sizes=FRESH)
        for name, status in {"401": 401, "403": 403, "429": 429, "5xx": 503}.items()
    ),
    *(
        ClusterTrial(f"registry {name} for a while", during=upstream_rule(partial(answer, status, times=2)),
                     expected=PULL, sizes=FRESH)
        for name, status in {"429": 429, "5xx": 503}.items()
    ),
    ClusterTrial(
        "registry reset", during=upstream_rule(lambda path: reset(path, after_bytes=500)), expected=PULL, sizes=FRESH
    ),
    ClusterTrial(
        "registry reset always", during=upstream_rule(lambda path: reset(path, times=None)), expected=DENIED,
        sizes=FRESH,
    ),
    ClusterTrial(
        "registry wrong bytes once", during=upstream_rule(lambda path: corrupt(path, at=50)), expected=PULL,
        sizes=FRESH,
    ),
    ClusterTrial("registry slow", during=SLOW, sizes=FRESH),
    ClusterTrial("tag moved", around=tag_moved, sizes=FRESH),
    ClusterTrial(
        "tag moved, image gone", around=tag_moved, during=upstream_rule(partial(answer, 404, times=None)),
        expected=DENIED, sizes=FRESH,
    ),
    # As long as one pull tries; Argo makes none again whose attempts are used up.
    ClusterTrial("cache down", a_pull_fails, cache_away, expected=PULL, alone=True),
    ClusterTrial("template replaced", template_replaced, alone=True),
    ClusterTrial("controller", controller, alone=True, wide=True),
    ClusterTrial("API server", api_server_away, alone=True, wide=True),
    ClusterTrial("etcd", restarted("etcd", control_plane.start_etcd), alone=True, wide=True),
    ClusterTrial("kubelet", restarted("kubelet", node.start_kubelet), alone=True, wide=True),
    ClusterTrial("containerd", restarted("containerd", node.start_containerd), expected=LOST, alone=True, wide=True),
)  # fmt: skip
