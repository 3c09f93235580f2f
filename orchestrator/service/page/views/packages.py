"""What is in a target: its BOM as a tree that is opened branch by branch, or as a list with the way to each package."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.kit.matching import glob
from orchestrator.results.bom.tree import way_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.results.bom.tree import BomNode

#: Packages of one branch, and of one list, that are shown at once; and how deep a tree is opened.
MOST, DEEPEST = 200, 40


class PackageLine(NamedTuple):
    """A package in a tree.

    Attributes:
        way: keys from the root to it, by which it is opened; empty where it is not.
        why_closed: why it is not opened though it needs others; empty where it is, or needs nothing.
    """

    of: BomNode
    way: tuple[str, ...] = ()
    why_closed: str = ""


class PackageBranch(NamedTuple):
    """Some packages that one needs, or with which trees begin.

    Attributes:
        lines: of them.
        way: keys from the root to what needs them; empty for the roots.
        after: how many are on earlier pages.
        left: how many come after these.
    """

    lines: tuple[PackageLine, ...]
    way: tuple[str, ...]
    after: int
    left: int


class PackageHit(NamedTuple):
    """A package that was searched for, and a shortest way from a root to it."""

    of: BomNode
    way: tuple[BomNode, ...]


class PackagesPage(NamedTuple):
    """What is in a target.

    Attributes:
        total: packages.
        vulnerable: of them with vulnerabilities.
        related: whether the document says what any of them needs.
        branch: the roots, or what a package needs.
        above: the packages on the way to it.
        hits: what was searched for; None where nothing was.
        found: how many there are of these.
    """

    total: int
    vulnerable: int
    related: bool
    branch: PackageBranch
    above: tuple[BomNode, ...] = ()
    hits: tuple[PackageHit, ...] | None = None
    found: int = 0


def show(nodes: list[BomNode], way: Sequence[str], after: int, words: str, *, vulnerable: bool) -> PackagesPage:
    """The page.

    Args:
        nodes: the BOM.
        way: keys from a root to what is opened; none for the roots.
        after: how many of its packages are on earlier pages.
        words: what is searched for: a part of a name or package URL, or a glob; empty for the tree.
        vulnerable: only packages with vulnerabilities, as a list.
    """
    bad = [node for node in nodes if node.vulnerabilities]
    page = PackagesPage(
        total=len(nodes),
        vulnerable=len(bad),
        related=any(node.needs for node in nodes),
        branch=branch(nodes, way, after),
        above=tuple(_above(nodes, way)),
    )
    if not (words or vulnerable):
        return page
    pattern = words.strip().lower()
    is_meant = glob(pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*")
    found = [
        node for node in (bad if vulnerable else nodes) if is_meant(node.name.lower()) or is_meant(node.purl.lower())
    ]
    if vulnerable:
        found.sort(key=lambda node: -(node.severity.rank if node.severity else 0))
    hits = tuple(PackageHit(node, tuple(way_to(nodes, node.number))) for node in found[:MOST])
    return page._replace(hits=hits, found=len(found))


def branch(nodes: list[BomNode], way: Sequence[str], after: int = 0) -> PackageBranch:
    """What the last package of a way needs; of an empty way, or one that this BOM does not have, the roots."""
    above = _above(nodes, way)
    numbers = above[-1].needs if above else _roots(nodes)
    shown = numbers[after : after + MOST]
    lines = tuple(_line(nodes[number], above) for number in shown)
    return PackageBranch(lines, tuple(node.key for node in above), after, max(0, len(numbers) - after - len(shown)))


def _roots(nodes: list[BomNode]) -> tuple[int, ...]:
    """With what trees begin, those that have branches first."""
    return tuple(sorted((node.number for node in nodes if node.is_root), key=lambda number: not nodes[number].needs))


def _above(nodes: list[BomNode], way: Sequence[str]) -> list[BomNode]:
    known = {node.key: node for node in nodes if node.key in way} if way else {}
    return [known[key] for key in way if key in known][:DEEPEST]


def _line(node: BomNode, above: list[BomNode]) -> PackageLine:
    if not node.needs:
        return PackageLine(node)
    if node in above:
        return PackageLine(node, why_closed="a circle: it is on the way here")
    if len(above) >= DEEPEST:
        return PackageLine(node, why_closed=f"deeper than {DEEPEST} levels")
    return PackageLine(node, (*(each.key for each in above), node.key))
