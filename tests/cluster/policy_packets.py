"""Rules as packet filters: address sets for `ipset`, chains for `iptables`.

A set is named after its content and so never changes: new rules come with new sets, and one transaction of
`iptables-restore` goes over from the old rules to the new ones. At no moment is a packet judged by half of them.
"""

import hashlib
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from tests.cluster.policy_rules import Direction, Path, Ports, Rules
from tests.cluster.state import PODS

PREFIX = "scanmatrix-"
#: What passes through the machine, and what is meant for the machine itself.
ROUTED, HERE = "SCANMATRIX-FORWARD", "SCANMATRIX-INPUT"
_JUMPS = {"FORWARD": ROUTED, "INPUT": HERE}
_CHAINS: dict[Direction, str] = {"out": "SCANMATRIX-OUT", "in": "SCANMATRIX-IN"}
#: Sides of a packet: the pod's, and that of whom it speaks to or is spoken to by.
_SIDES: dict[Direction, tuple[str, str]] = {"out": ("src", "dst"), "in": ("dst", "src")}
_FLAGS = {"src": "-s", "dst": "-d"}
#: Told at once, not left to wait: anybody who tries reads "no route to host" and need not wait.
_REFUSE = "-j REJECT --reject-with icmp-admin-prohibited"


class FilterError(Exception):
    """`ipset` or `iptables` refused what it was given."""


@dataclass
class Sets:
    """Address sets by their names."""

    members: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def name(self, networks: Iterable[IPv4Network | str]) -> str:
        """The set that holds these."""
        members = tuple(sorted(half for network in networks for half in _halves(IPv4Network(network))))
        name = PREFIX + hashlib.sha256(" ".join(members).encode()).hexdigest()[:16]
        self.members[name] = members
        return name

    def restore(self, names: Iterable[str]) -> str:
        """What `ipset restore` makes some of them from."""
        lines = []
        for name in names:
            lines.append(f"create {name} hash:net family inet")
            lines += [f"add {name} {member}" for member in self.members[name]]
        return "\n".join([*lines, ""])


def chains(rules: Rules, sets: Sets) -> str:
    """What `iptables-restore --noflush` replaces our chains by; the sets it needs are noted in `sets`."""
    known = sets.name(rules.known)
    replies = "-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"
    lines = [f":{chain} - [0:0]" for chain in (ROUTED, HERE, *_CHAINS.values())]
    lines += [f"-A {ROUTED} {rest}" for rest in (replies, *(f"-j {chain}" for chain in _CHAINS.values()))]
    lines += [f"-A {HERE} {rest}" for rest in ("-i lo -j RETURN", replies, f"-j {_CHAINS['out']}")]
    for direction, chain in _CHAINS.items():
        side, _ = _SIDES[direction]
        closed = sets.name(rules.closed[direction])
        # Dropped, not refused: a new pod's first packet is sent again, and then we know whose it is.
        lines.append(f"-A {chain} {_FLAGS[side]} {PODS} -m set ! --match-set {known} {side} -j DROP")
        lines.append(f"-A {chain} -m set ! --match-set {closed} {side} -j RETURN")
        paths = [path for path in rules.paths if path.direction == direction]
        lines += [f"-A {chain} {match} -j RETURN" for path in paths for match in _matches(path, sets)]
        lines.append(f"-A {chain} {_REFUSE}")
    return "\n".join(["*filter", *dict.fromkeys(lines), "COMMIT", ""])


def _matches(path: Path, sets: Sets) -> Iterable[str]:
    pod, peer = _SIDES[path.direction]
    match = f"-m set --match-set {sets.name(path.pods)} {pod}"
    if path.peers is not None:
        match += f" -m set --match-set {sets.name(path.peers)} {peer}"
    return [match] if path.ports is None else [f"{match} {_port(ports)}" for ports in path.ports]


def _port(ports: Ports) -> str:
    protocol = f"-p {ports.protocol}"
    return protocol if ports.first is None else f"{protocol} -m {ports.protocol} --dport {ports.first}:{ports.last}"


def _halves(network: IPv4Network) -> Iterable[str]:
    """A set cannot hold the network of all addresses, only its halves."""
    return map(str, network.subnets() if network.prefixlen == 0 else (network,))


class Filter:
    """The packet filter of this machine."""

    def __init__(self) -> None:
        self._applied: str | None = None
        self._loaded: frozenset[str] = frozenset()

    def apply(self, rules: Rules) -> bool:
        """Enforce these rules from now on; says whether anything had to change.

        Raises:
            FilterError: they could not be set; those before are still in force.
        """
        sets = Sets()
        wanted = chains(rules, sets)
        if wanted == self._applied:
            return False
        _run("ipset", "restore", "-exist", stdin=sets.restore(sets.members.keys() - self._loaded))
        _run("iptables-restore", "--wait", "--noflush", stdin=wanted)
        self._applied, self._loaded = wanted, frozenset(sets.members)
        self.stand_first()
        return True

    def stand_first(self) -> None:
        """Be asked before kube-proxy's chains, which accept what they know."""
        for chain, ours in _JUMPS.items():
            jump = f"-A {chain} -j {ours}"
            rules = [line for line in _run("iptables", "--wait", "-S", chain).splitlines() if line.startswith("-A ")]
            if rules[:1] != [jump]:
                again = [f"-D {chain} -j {ours}"] * rules.count(jump)
                lines = ["*filter", *again, f"-I {chain} 1 -j {ours}", "COMMIT", ""]
                _run("iptables-restore", "--wait", "--noflush", stdin="\n".join(lines))

    def sweep(self) -> None:
        """Remove the sets of earlier rules; one that the kernel has not let go of yet stays until the next time."""
        for name in _run("ipset", "list", "-name").split():
            if name.startswith(PREFIX) and name not in self._loaded:
                subprocess.run(["ipset", "destroy", name], capture_output=True, check=False)


def _run(*command: str, stdin: str | None = None) -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FilterError(f"`{' '.join(command)}`: {done.stderr.strip()}")
    return done.stdout
