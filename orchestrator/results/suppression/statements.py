"""Which VEX statement holds for a finding.

Of all statements about the same vulnerability and the same product the latest holds, as OpenVEX orders them; one about
a single package is not stronger than a later one about the whole image. Of several at the same moment the one that
leaves most to do holds: contradicting authors must not hide anything.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.model import VexStatus
from orchestrator.results.suppression.packages import ANY, package_in, package_of
from orchestrator.results.suppression.targets import keys_of_target, target_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.model import MergedFinding, VexProduct, VexStatement

#: Of statements of the same moment, the first of these holds.
_CAUTION = (VexStatus.AFFECTED, VexStatus.UNDER_INVESTIGATION, VexStatus.FIXED, VexStatus.NOT_AFFECTED)
_OLDEST = datetime.min.replace(tzinfo=UTC)

_Entry = tuple[frozenset[str], int]
OfId = dict[str, dict[str, list[_Entry]]]
"""The statements about one id: by the target's key, by the package's, with versions."""


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
        by_id: by id in lower case.
        matched: numbers of the statements that were about some finding, whether or not they held.
    """

    def __init__(self, statements: Sequence[VexStatement]) -> None:
        self._statements = statements
        self._architectures: set[str] = set()
        self.by_id: dict[str, OfId] = {}
        self.matched: set[int] = set()
        self._rank = [
            (datetime.fromisoformat(each.timestamp) if each.timestamp else _OLDEST, -_CAUTION.index(each.status))
            for each in statements
        ]
        for number, statement in enumerate(statements):
            by_product = self._by_product(statement.products)
            for id_ in {each.casefold() for each in statement.ids}:
                of_id = self.by_id.setdefault(id_, {})
                for (target, package), versions in by_product.items():
                    of_id.setdefault(target, {}).setdefault(package, []).append((versions, number))

    def target(self, references: Sequence[str], digest: str, platform: str) -> frozenset[str]:
        """Every key of a target; where its architecture is not known, those of all architectures."""
        keys = keys_of_target(references, digest)
        own = f"{platform}//".split("/")[1]
        others = self._architectures if not own else self._architectures & {own}
        return keys | {_of_architecture(key, each) for each in others for key in keys}

    def find(self, finding: MergedFinding, known: Iterable[OfId], target: frozenset[str]) -> Holding | None:
        """The statement that holds for a finding.

        Args:
            finding: with any of the ids.
            known: what `by_id` has for its ids.
            target: keys of where it was found, as `target` gives them.
        """
        found: set[int] = set()
        for packages in [of_id[key] for of_id in known for key in of_id.keys() & target]:
            package = package_in(finding.purl, finding.package, finding.version)
            for name in package.keys:
                for versions, number in packages.get(name, ()):
                    if not versions or not versions.isdisjoint(package.versions):
                        found.add(number)
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

    def _by_product(self, products: Sequence[VexProduct]) -> dict[tuple[str, str], frozenset[str]]:
        """Versions by target and package; none for every version. Without products it holds for everything."""
        if not products:
            return {(ANY, ANY): frozenset()}
        found: dict[tuple[str, str], set[str] | None] = {}
        for product in products:
            target = target_of(product.target)
            package = package_of(product.package, product.version)
            if target.architecture:
                self._architectures.add(target.architecture)
            for place in (_of_architecture(key, target.architecture) for key in target.keys):
                for name in package.keys:
                    known = found.setdefault((place, name), set())
                    if not package.versions:
                        found[place, name] = None
                    elif known is not None:
                        known |= package.versions
        return {place: frozenset(versions or ()) for place, versions in found.items()}


def _of_architecture(key: str, architecture: str) -> str:
    return f"{key} {architecture}" if architecture else key
