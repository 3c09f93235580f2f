"""Rules as the input of `iptables-restore` and `ipset`, judged by a small reader of just those commands."""

import random
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise

import pytest

from tests.cluster.policy_packets import HERE, ROUTED, Sets, chains
from tests.cluster.policy_rules import Path, Ports, Rules

A, B, C, UNKNOWN, OUTSIDE, NODE = "10.244.0.2", "10.244.0.3", "10.244.0.4", "10.244.9.9", "8.8.8.8", "10.243.0.1"


def rules(*paths: Path, closed_out: frozenset[str] = frozenset(), closed_in: frozenset[str] = frozenset()) -> Rules:
    return Rules(frozenset({A, B, C}), {"out": closed_out, "in": closed_in}, paths, ())


@dataclass(frozen=True)
class Packet:
    """The first of a connection."""

    source: str
    target: str
    port: int = 80
    protocol: str = "tcp"

    def meets(self, option: str, values: list[str], sets: Sets) -> bool:
        """Whether it is one that an option of iptables means."""
        sides = {"src": IPv4Address(self.source), "dst": IPv4Address(self.target)}
        match option:
            case "-s" | "-d":
                return sides["src" if option == "-s" else "dst"] in IPv4Network(values[0])
            case "--match-set":
                return any(sides[values[1]] in IPv4Network(member) for member in sets.members[values[0]])
            case "-p":
                return self.protocol == values[0]
            case "--dport":
                first, _, last = values[0].partition(":")
                return int(first) <= self.port <= int(last)
        # Of the loopback link, or of an established connection: it is neither. What else there is asks for nothing.
        return {"-i": False, "--ctstate": False, "-m": True, "--reject-with": True}[option]


def judge(found: Rules, packet: Packet, *, at: str = ROUTED) -> str:
    """What becomes of a packet: `RETURN` is left to anybody who is asked next."""
    sets = Sets()
    lines = [shlex.split(line)[1:] for line in chains(found, sets).splitlines() if line.startswith("-A ")]

    def walk(chain: str) -> str:
        for of, *words in lines:
            options = list(_options(words))
            if of == chain and all(packet.meets(*each, sets) is not no for no, *each in options if each[0] != "-j"):
                jump = next(values[0] for _, option, values in options if option == "-j")
                final = jump if jump in {"RETURN", "DROP", "REJECT"} else walk(jump)
                if jump == "RETURN" or final != "RETURN":
                    return final
        return "RETURN"

    return walk(at)


def _options(words: list[str]) -> Iterator[tuple[bool, str, list[str]]]:
    """Whether it is negated, the option, its values."""
    starts = [number for number, word in enumerate(words) if word.startswith("-")]
    for start, end in pairwise([*starts, len(words)]):
        yield words[start - 1] == "!", words[start], [word for word in words[start + 1 : end] if word != "!"]


def test_only_pods_that_are_closed_are_judged() -> None:
    found = rules(closed_out=frozenset({A}))
    assert judge(found, Packet(A, OUTSIDE)) == "REJECT"
    assert judge(found, Packet(B, OUTSIDE)) == "RETURN"
    assert judge(found, Packet(OUTSIDE, A)) == "RETURN"


def test_addresses_of_pods_nobody_knows_are_dropped_both_ways() -> None:
    assert judge(rules(), Packet(UNKNOWN, OUTSIDE)) == "DROP"
    assert judge(rules(), Packet(A, UNKNOWN)) == "DROP"
    assert judge(rules(), Packet(UNKNOWN, NODE), at=HERE) == "DROP"


def test_what_a_pod_sends_to_the_node_is_judged_as_well() -> None:
    api = Path("out", frozenset({A}), (IPv4Network(f"{NODE}/32"),), (Ports("tcp", 6443, 6443),))
    found = rules(api, closed_out=frozenset({A, B}))
    assert judge(found, Packet(A, NODE, 6443), at=HERE) == "RETURN"
    assert judge(found, Packet(A, NODE, 10250), at=HERE) == "REJECT"
    assert judge(found, Packet(B, NODE, 6443), at=HERE) == "REJECT"
    assert judge(found, Packet(C, NODE, 10250), at=HERE) == "RETURN"


def test_the_receiver_s_rules_come_after_the_sender_s() -> None:
    both = frozenset({A, B})
    out = Path("out", both, None, None)
    assert judge(rules(out, closed_out=both, closed_in=both), Packet(A, B)) == "REJECT"
    into = Path("in", frozenset({B}), (IPv4Network(f"{A}/32"),), (Ports("tcp", 80, 80),))
    found = rules(out, into, closed_out=both, closed_in=both)
    assert judge(found, Packet(A, B)) == "RETURN"
    assert judge(found, Packet(C, B)) == "REJECT"
    assert judge(found, Packet(A, B, 81)) == "REJECT"


def test_everything_is_two_halves_in_a_set() -> None:
    found = rules(Path("out", frozenset({A}), (IPv4Network("0.0.0.0/0"),), None), closed_out=frozenset({A}))
    assert judge(found, Packet(A, OUTSIDE)) == "RETURN"
    assert judge(found, Packet(A, "200.0.0.1")) == "RETURN"
    sets = Sets()
    assert sets.members[sets.name(["0.0.0.0/0"])] == ("0.0.0.0/1", "128.0.0.0/1")  # all that the kernel takes


def test_a_set_is_made_before_it_is_filled_and_its_name_fits() -> None:
    sets = Sets()
    name = sets.name([A, B])
    assert sets.restore([name]).splitlines() == [
        f"create {name} hash:net family inet",
        f"add {name} {A}/32",
        f"add {name} {B}/32",
    ]
    assert len(name) <= 31  # all that the kernel takes


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_addresses_changes_nothing(seed: int) -> None:
    addresses = [f"10.244.0.{number}" for number in range(2, 40)]
    shuffled = random.Random(seed).sample(addresses, len(addresses))
    assert Sets().name(shuffled) == Sets().name(addresses)


def test_the_size_of_the_filter_depends_on_policies_not_on_pods() -> None:
    def size(count: int) -> int:
        pods = frozenset(f"10.244.{number // 200}.{number % 200 + 2}" for number in range(count))
        found = Rules(pods, {"out": pods, "in": pods}, (Path("out", pods, None, None),), ())
        return len(chains(found, Sets()).splitlines())

    assert size(1000) == size(10)
