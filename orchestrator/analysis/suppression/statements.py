"""Which VEX statement holds for a finding.

Of all statements about the same vulnerability and the same product the latest holds, as OpenVEX orders them; one about
a single package is not stronger than a later one about the whole image. Of several at the same moment the one that
leaves most to do holds: contradicting authors must not hide anything.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.analysis.suppression.packages import ANY, package_in, package_of
from orchestrator.analysis.suppression.targets import keys_of_target, tags_of_target, target_of
from orchestrator.findings.cyclonedx_analysis import CAUTION
from orchestrator.kit.ids import folded
from orchestrator.kit.version_ranges import in_range
from orchestrator.packages.ecosystems import is_purl
from orchestrator.packages.qualifiers import TargetSurroundings, hold, is_exact, qualifiers_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.analysis.suppression.targets import TargetKey
    from orchestrator.model import MergedFinding, VexProduct, VexStatement

_OLDEST = datetime.min.replace(tzinfo=UTC)


class _Condition(NamedTuple):
    """What must hold beside the keys.

    Attributes:
        range: of versions, as `vers` writes them; empty for any.
        qualifiers: of the package's URL; all of them must be those of what was found.
        exact: whether one version is named.
        os: that the target must have; empty for any.
    """

    range: str = ""
    qualifiers: tuple[tuple[str, str], ...] = ()
    exact: bool = False
    os: str = ""


_NOTHING = _Condition()


class _Entry(NamedTuple):
    """A statement about one target and package, in some versions; none for every version."""

    versions: frozenset[str]
    condition: _Condition
    number: int


OfId = dict[str, dict[str, list[_Entry]]]
"""The statements about one id: by the target's key, by the package's."""


class TargetKeys(NamedTuple):
    """A target as statements may name it.

    Attributes:
        keys: all of them.
        tags: what it is tagged under those of its keys that do not say it.
        around: what is known of it for qualifiers of packages.
    """

    keys: frozenset[str]
    tags: dict[str, frozenset[str]]
    around: TargetSurroundings


class Holding(NamedTuple):
    """The statement that holds for a finding.

    Attributes:
        number: of the statement that holds.
        against: one of the same moment that contradicts it; None without any.
    """

    number: int
    against: int | None = None


class Statements:
    """All statements of a run, by the ids they are about.

    Attributes:
        by_id: by id, as `orchestrator.kit.ids.folded` gives it.
        matched: numbers of the statements that were about some finding, whether or not they held.
    """

    def __init__(self, statements: Sequence[VexStatement]) -> None:
        self._statements = statements
        self._architectures: set[str] = set()
        self.by_id: dict[str, OfId] = {}
        self.matched: set[int] = set()
        self._rank = [
            (datetime.fromisoformat(each.timestamp) if each.timestamp else _OLDEST, -CAUTION.index(each.status))
            for each in statements
        ]
        for number, statement in enumerate(statements):
            by_product = self._by_product(statement.products)
            for id_ in {folded(each) for each in statement.ids}:
                of_id = self.by_id.setdefault(id_, {})
                for (target, package, condition), versions in by_product.items():
                    entries = of_id.setdefault(target, {}).setdefault(package, [])
                    entries.append(_Entry(versions, condition, number))

    def target(
        self, references: Sequence[str], digest: str, around: TargetSurroundings, indexes: Sequence[str] = ()
    ) -> TargetKeys:
        """Every key of a target; where its architecture is not known, those of all architectures."""
        keys = keys_of_target(references, digest, indexes)
        own = around.architecture
        others = self._architectures if not own else self._architectures & {own}
        tags = tags_of_target(references)
        tags |= {_of_architecture(key, each): found for each in others for key, found in tags.items()}
        keys |= {_of_architecture(key, each) for each in others for key in keys}
        # The image's own digest says which architecture it has, whatever an author writes beside it.
        keys |= {_of_architecture(f"digest:{digest}", each) for each in self._architectures if digest}
        return TargetKeys(keys, tags, around)

    def find(self, finding: MergedFinding, known: Iterable[OfId], target: TargetKeys) -> Holding | None:
        """The statement that holds for a finding.

        Args:
            finding: with any of the ids.
            known: what `by_id` has for its ids.
            target: where it was found, as `target` gives it.
        """
        found: set[int] = set()
        for key, packages in [(key, of_id[key]) for of_id in known for key in of_id.keys() & target.keys]:
            package = package_in(finding.purl, finding.package, finding.version)
            for name in package.keys:
                for entry in packages.get(name, ()):
                    if entry.versions and entry.versions.isdisjoint(package.versions):
                        continue
                    condition = entry.condition
                    if condition is _NOTHING or (
                        _in_range(condition, finding, package.installed if name != ANY else target.tags.get(key, ()))
                        and _as_qualified(condition, finding, target.around)
                    ):
                        found.add(entry.number)
        if not found:
            return None
        self.matched |= found
        return self._latest(found)

    def _latest(self, found: set[int]) -> Holding:
        best = max(found, key=self._order)
        moment = self._rank[best][0]
        suppresses = self._statements[best].status.suppresses
        others = [
            number
            for number in found
            if self._rank[number][0] == moment and self._statements[number].status.suppresses != suppresses
        ]
        return Holding(best, max(others, key=self._order) if others else None)

    def _order(self, number: int) -> tuple[datetime, int, str, str, str]:
        """Later and more cautious ones last; the rest is there only so that the order of the files is no matter."""
        statement = self._statements[number]
        return (*self._rank[number], statement.source, statement.justification, statement.detail)

    def _by_product(self, products: Sequence[VexProduct]) -> dict[tuple[str, str, _Condition], frozenset[str]]:
        """Versions by target, package and condition; none for every version. Without products it holds everywhere."""
        if not products:
            return {(ANY, ANY, _NOTHING): frozenset()}
        found: dict[tuple[str, str, _Condition], set[str] | None] = {}
        for product in products:
            target = target_of(product.target)
            package = package_of(product.package, product.version)
            condition = _condition(product, target)
            if target.architecture:
                self._architectures.add(target.architecture)
            for place in (_of_architecture(key, target.architecture) for key in target.keys):
                for name in package.keys:
                    known = found.setdefault((place, name, condition), set())
                    if not package.versions:
                        found[place, name, condition] = None
                    elif known is not None:
                        known |= package.versions
        return {place: frozenset(versions or ()) for place, versions in found.items()}


def _condition(product: VexProduct, target: TargetKey) -> _Condition:
    """What must hold of a product beside its keys."""
    qualifiers = qualifiers_of(product.package) if is_purl(product.package) else ()
    if not (qualifiers or product.range or target.os):
        return _NOTHING
    return _Condition(product.range, qualifiers, is_exact(product.package), target.os)


def _in_range(condition: _Condition, finding: MergedFinding, installed: str | Iterable[str]) -> bool:
    """Whether the package's version, or one of the target's tags, is in the range; what cannot be said is not."""
    if not condition.range:
        return True
    if isinstance(installed, str):
        return bool(in_range(condition.range, installed, finding.ecosystem))
    return any(in_range(condition.range, tag) for tag in installed)


def _as_qualified(condition: _Condition, finding: MergedFinding, around: TargetSurroundings) -> bool:
    """Whether the package, and the target, are what qualifiers say."""
    if condition.os and around.os and condition.os != around.os:
        return False
    return not condition.qualifiers or hold(
        condition.qualifiers, finding.ecosystem, finding.qualifiers, around, exact=condition.exact
    )


def _of_architecture(key: str, architecture: str) -> str:
    return f"{key} {architecture}" if architecture else key
