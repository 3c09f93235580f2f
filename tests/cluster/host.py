"""What the cluster changes of the machine itself: an address, two settings, packet rules, mounts, cgroups."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.processes import ClusterError
from tests.cluster.state import NODE_IP, PODS, SERVICES, State

if TYPE_CHECKING:
    from collections.abc import Iterable

_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
_TABLES = ("filter", "nat", "mangle")
#: Refuses what is meant for a service that is not there.
_NOWHERE = "SCANMATRIX-NOWHERE"
#: Chains of kube-proxy, kubelet, the CNI plugins and our own.
_CHAINS = ("KUBE-", "CNI-", "SCANMATRIX-")
_CGROUPS = Path("/sys/fs/cgroup")
#: Where network plugins are noted to have been called, for each sandbox and link; `pods` is our network's name.
_NOTES = Path("/var/lib/cni/results")
#: Where the kubelet puts a link to the log of each container, wherever `podLogsDir` is.
_LOGS = Path("/var/log/containers")
#: Folders with fixed names that kubelet, containerd and the network plugins make.
_FOLDERS = ("/var/lib/kubelet", "/var/lib/cni", "/run/containerd", str(_LOGS))


def prepare(state: State) -> None:
    """Make the machine fit for a node, and note what was there before.

    Raises:
        ClusterError: another Kubernetes node runs here, or we may not.
    """
    if os.geteuid() != 0:
        raise ClusterError("a cluster on this machine needs root; or point KUBECONFIG to a cluster that you have")
    before = state.folder / "before.json"
    if not before.exists():
        if any("KUBE-" in line for table in _TABLES for line in _rules(table)):
            raise ClusterError("this machine is a Kubernetes node already; point KUBECONFIG to its cluster instead")
        policy = next((line.split()[2] for line in _rules("filter") if line.startswith("-P FORWARD")), "ACCEPT")
        made = [folder for folder in _FOLDERS if not Path(folder).exists()]
        before.write_text(json.dumps({"forward": _FORWARD.read_text().strip(), "policy": policy, "made": made}))
    _run("ip", "address", "replace", f"{NODE_IP}/32", "dev", "lo")
    _FORWARD.write_text("1\n")
    _run("iptables", "--wait", "-P", "FORWARD", "ACCEPT")
    _refuse_nowhere()


def _refuse_nowhere() -> None:
    """Refuse at once what is meant for a pod or a service that is not there.

    It would leave by the machine's own route otherwise, to whatever answers for foreign addresses there: for the
    seconds in which a service still leads to a pod that has ended, that may be a "404" which no registry has given.
    """
    _run("ip", "route", "replace", "unreachable", PODS)  # a pod has a route of its own, which is narrower
    # Not by a route: what goes to a service has another address only after it found one.
    _run("iptables", "--wait", "-N", _NOWHERE, check=False)
    _run("iptables", "--wait", "-F", _NOWHERE)
    _run("iptables", "--wait", "-A", _NOWHERE, "-d", SERVICES, "-j", "REJECT", "--reject-with", "icmp-host-unreachable")
    for chain in ("OUTPUT", "FORWARD"):
        _run("iptables", "--wait", "-D", chain, "-j", _NOWHERE, check=False)
        _run("iptables", "--wait", "-A", chain, "-j", _NOWHERE)


def restore(state: State) -> None:
    """Put the machine back as it was; what is gone already is no trouble."""
    _remove_rules()
    _run("ip", "route", "delete", "unreachable", PODS, check=False)
    _run("ip", "address", "delete", f"{NODE_IP}/32", "dev", "lo", check=False)
    before = state.folder / "before.json"
    made: list[str] = []
    if before.exists():
        found = json.loads(before.read_text())
        _FORWARD.write_text(found["forward"] + "\n")
        _run("iptables", "--wait", "-P", "FORWARD", found["policy"])
        made = found.get("made", [])
    _remove_notes()
    _remove_logs(state)
    _remove_cgroups()
    unmount(state.folder)
    for folder in made:
        unmount(Path(folder))
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(state.folder)


def unmount(folder: Path) -> None:
    """Unmount everything below a folder, the deepest first."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in sorted((each for each in mounts if Path(each).is_relative_to(folder)), reverse=True):
        _run("umount", "--lazy", mount, check=False)


def _remove_rules() -> None:
    """Take our rules and chains out of every table, of both address families, and our sets after them."""
    for command in ("iptables", "ip6tables"):
        for table in _TABLES:
            lines = _rules(table, command)
            ours = [line for line in lines if any(f" {prefix}" in line for prefix in _CHAINS)]
            jumps = [line for line in ours if line.startswith("-A ") and not line.startswith(_starts("-A "))]
            for line in jumps:
                _run(command, "--wait", "-t", table, *_words(line.replace("-A ", "-D ", 1)), check=False)
            chains = [line.split()[1] for line in ours if line.startswith("-N ")]
            for action in ("-F", "-X"):
                for chain in chains:
                    _run(command, "--wait", "-t", table, action, chain, check=False)
    if shutil.which("ipset"):
        for name in _output("ipset", "list", "-name").split():
            if name.startswith("scanmatrix-"):
                _run("ipset", "destroy", name, check=False)


def _starts(what: str) -> tuple[str, ...]:
    return tuple(what + prefix for prefix in _CHAINS)


def _words(line: str) -> list[str]:
    import shlex  # noqa: PLC0415

    return shlex.split(line)


def _rules(table: str, command: str = "iptables") -> list[str]:
    return _output(command, "--wait", "-t", table, "-S").splitlines()


def _remove_notes() -> None:
    """Remove what is noted about sandboxes of ours that ended without a word to the network plugins."""
    for note in _NOTES.glob("pods-*-eth0"):
        sandbox = note.name.removeprefix("pods-").removesuffix("-eth0")
        (_NOTES / f"cni-loopback-{sandbox}-lo").unlink(missing_ok=True)
        note.unlink(missing_ok=True)


def _remove_logs(state: State) -> None:
    """Remove the links to logs of our containers, which have just ended; another kubelet's stay."""
    for link in _LOGS.glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(state.folder):
            link.unlink()


def _remove_cgroups() -> None:
    """Remove the kubelet's cgroups, innermost first; the kernel refuses those in which something runs."""
    roots: Iterable[Path] = [*_CGROUPS.glob("*/kubepods"), *_CGROUPS.glob("kubepods")]
    for root in roots:
        folders = [Path(folder) for folder, _, _ in os.walk(root)]
        for folder in reversed(folders):
            try:
                folder.rmdir()
            except OSError:
                continue


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _run(*command: str, check: bool = True) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise ClusterError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
