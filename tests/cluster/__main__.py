"""`python -m tests.cluster up|down|env|status`: the one-node cluster of the end-to-end tests."""

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING

from tests.cluster import addons, containers, control_plane, host, node, policy, processes
from tests.cluster.processes import ClusterError
from tests.cluster.state import API_SERVER, State, default_folder

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Run one command; the exit status is 1 when a part of the cluster did not start."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "env", "status"))
    command = parser.parse_args().command
    folder = default_folder()
    if command != "up" and not folder.exists():
        _say("there is no cluster")
        return int(command != "down")
    try:
        {"up": up, "down": down, "env": print_environment, "status": print_status}[command](State(folder))
    except ClusterError as error:
        _say(f"failed  {error}")
        return 1
    return 0


def up(state: State) -> None:
    """Start whatever does not run yet."""
    steps: list[tuple[str, Callable[[State], object]]] = [
        ("the machine: address, forwarding", host.prepare),
        ("etcd, API server, controller manager, scheduler", control_plane.start),
        ("network policies", policy.start),
        ("containerd", node.start_containerd),
        ("image of the sandboxes", containers.import_pause),
        ("kubelet and kube-proxy", node.start_kubelet),
        ("images of CoreDNS and Argo", addons.import_images),
        ("CoreDNS", addons.install_dns),
        ("Argo Workflows", addons.install_argo),
    ]
    started = time.monotonic()
    for what, action in steps:
        begun = time.monotonic()
        _say(f"…       {what}")
        action(state)
        _say(f"done    {what} ({time.monotonic() - begun:.1f} s)")
    write_environment(state)
    _say(f"up in {time.monotonic() - started:.0f} s: {API_SERVER}")
    print_environment(state)


def down(state: State) -> None:
    """End everything and put the machine back as it was."""
    node.stop_pods(state)
    for name in reversed(processes.names(state)):
        if name != "etcd":
            processes.stop(state, name)
    processes.stop(state, "etcd")
    host.restore(state)
    _say("down")


def write_environment(state: State) -> None:
    """A file to source, so that kubectl and argo just work."""
    folders = {os.path.dirname(control_plane.tool(name)) for name in ("kubectl", "argo")}  # noqa: PTH120
    lines = [f"export KUBECONFIG={state.kubeconfig}", f'export PATH="{":".join(sorted(folders))}:$PATH"', ""]
    state.environment.write_text("\n".join(lines))


def print_environment(state: State) -> None:
    """What a shell needs to use it."""
    _say(f"for your shell: . {state.environment}")


def print_status(state: State) -> None:
    """Which processes run."""
    for name in processes.names(state):
        _say(f"{'running' if processes.running(state, name) else 'ended':8}{name}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
