"""Enforces NetworkPolicies on the one node of the cluster, which has no network provider that would.

A process of its own watches the pods, namespaces and NetworkPolicies of the API and writes packet filters for them. So
what the end-to-end tests try are the very objects that `argo-install/` ships; at a user's, any network provider that
enforces NetworkPolicies does the same. It knows what those objects use:

* `podSelector` and `namespaceSelector` with `matchLabels` and `matchExpressions`, `ipBlock` with `except`;
* `policyTypes` Ingress and Egress, and with it the default deny of the pods that a policy selects;
* ports by number or range, of any protocol. A named port is logged, and allows nothing.

What it does where providers differ, always the stricter:

* What a pod sends to the node itself (the API server above all) is judged too; what the node sends to a pod (the
  kubelet's probes) is not.
* Addresses and ports are judged as they are after kube-proxy has put a pod in the place of a service.
* An `ipBlock` means whatever has such an address, pods too.
* An address of the pods' network that belongs to no pod we know may neither send nor be sent to. A pod is known before
  its containers start, usually; where not, its first packets are dropped, and sent again by anybody who sent them.
* What is established stays allowed: a new policy ends no connection.
* When this process has died, the last rules stay, and new pods reach nothing.
"""

import argparse
import logging
import os
import sys
import threading
import time
from pathlib import Path

from tests.cluster.policy_objects import Addresses, Objects
from tests.cluster.policy_packets import Filter, FilterError
from tests.cluster.policy_rules import work_out
from tests.cluster.processes import await_ready, running, spawn
from tests.cluster.state import State

NAME = "network-policies"
_LOG = logging.getLogger(__name__)
#: Seconds between two looks at who got an address.
_LOOK = 0.1
#: Seconds between two looks at what else wrote packet filters, and at sets nobody needs any more.
_TIDY = 5.0


def start(state: State) -> None:
    """Start the process, and wait until its rules are in force."""
    if running(state, NAME):
        return
    ready = state.folder / "run" / NAME
    ready.unlink(missing_ok=True)
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "tests.cluster.policy", str(state.kubeconfig), str(ready)]
    spawn(state, NAME, command, environment={"PYTHONPATH": path})
    await_ready(state, NAME, ready.exists)


def enforce(kubeconfig: Path, ready: Path) -> None:
    """Enforce the policies of a cluster until the process is ended.

    Args:
        kubeconfig: of the cluster.
        ready: a file that is made once the first rules are in force.
    """
    from kubernetes import client, config  # noqa: PLC0415

    config.load_kube_config(str(kubeconfig))
    core, networking = client.CoreV1Api(), client.NetworkingV1Api()
    changed = threading.Event()
    pods = Objects(core.list_pod_for_all_namespaces, changed)
    namespaces = Objects(core.list_namespace, changed)
    policies = Objects(networking.list_network_policy_for_all_namespaces, changed)
    addresses, packets = Addresses(), Filter()
    tidied = time.monotonic()
    while True:
        news = changed.wait(_LOOK)
        changed.clear()
        news |= addresses.look()
        try:
            if news and all(each.listed for each in (pods, namespaces, policies)):
                labels = {each["metadata"]["name"]: each["metadata"].get("labels") or {} for each in namespaces.all()}
                rules = work_out(addresses.pods(pods), labels, policies.all())
                if packets.apply(rules):
                    _LOG.info("%d pods, %d paths", len(rules.known), len(rules.paths))
                    for problem in rules.ignored:
                        _LOG.warning("not enforced, so nothing is allowed by it: %s", problem)
                ready.touch()
            if time.monotonic() - tidied > _TIDY and ready.exists():
                packets.stand_first()
                packets.sweep()
                tidied = time.monotonic()
        except FilterError as error:
            _LOG.error("%s", error)  # its text says it all
            packets = Filter()  # which takes nothing for done
            changed.set()
            time.sleep(_LOOK)


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.policy")
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("ready", type=Path)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # each of its attempts; ours says what came of them
    enforce(arguments.kubeconfig, arguments.ready)


if __name__ == "__main__":
    main()
