"""Choosing among merged findings, as the command line and Python callers ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from orchestrator.errors import UsageError
from orchestrator.images.names import names_of_target
from orchestrator.kit.ids import id_matcher
from orchestrator.kit.matching import glob
from orchestrator.kit.sources import no_such
from orchestrator.model import KINDS, Document, Severity
from orchestrator.packages.qualifiers import platforms_meant
from orchestrator.packages.spellings import means

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from orchestrator.model import MergedRow


class Choice(Document, frozen=True):
    """Which merged findings are wanted; every condition that is given must hold.

    Attributes:
        target: glob for a name of the target, with or without its tag, or its digest; as in ignore rules.
        owner: glob for an owner of it.
        scan: found by this one.
        id: the id or an alias, or a glob of such; case and blanks around it mean nothing.
        package: glob for the package's name, as any scanner calls it, or for its package URL; as in ignore rules, but
            of its qualifiers only those count that the target's platform decides (`arch`, `os`).
        kinds: one of these; none for all.
        severity: this one or above; None for all.
        fixable: only what has a fixed version.
        suppressed: also what is suppressed.
    """

    target: str = ""
    owner: str = ""
    scan: str = ""
    id: str = ""
    package: str = ""
    kinds: tuple[str, ...] = ()
    severity: Severity | None = None
    fixable: bool = False
    suppressed: bool = False


class Named(Protocol):
    """What has the names of a target, as rows of findings and of a ledger have."""

    @property
    def target(self) -> str:
        """Its id."""

    @property
    def references(self) -> tuple[str, ...]:
        """Its names."""

    @property
    def owners(self) -> tuple[str, ...]:
        """Who answers for it."""

    @property
    def digest(self) -> str:
        """Of its manifest."""

    @property
    def indexes(self) -> tuple[str, ...]:
        """Digests of the indexes that led to it."""


def choose(merged: Iterable[MergedRow], choice: Choice) -> list[MergedRow]:
    """The merged findings that are wanted, the worst first, those of one severity in the order given.

    Args:
        merged: of a run, as `orchestrator.results.run.RunResults.open_merged` gives them.
        choice: what is wanted.

    Raises:
        UsageError: there is no such kind.
    """
    return worst_first(filter(chosen(choice), merged))


def chosen(choice: Choice) -> Callable[[MergedRow], bool]:
    """Whether a merged finding is wanted.

    Raises:
        UsageError: there is no such kind.
    """
    for kind in choice.kinds:
        if kind not in KINDS:
            raise UsageError(no_such("kind of finding", kind, KINDS))
    conditions = [*_of_finding(choice), *_of_target(choice)]
    return lambda row: all(holds(row) for holds in conditions)


def worst_first(rows: Iterable[MergedRow]) -> list[MergedRow]:
    """Merged findings by severity, those of one severity in the order given."""
    return sorted(rows, key=lambda row: row.finding.severity.rank, reverse=True)


def _of_finding(choice: Choice) -> Iterator[Callable[[MergedRow], bool]]:
    """The conditions on the finding itself, the cheapest first."""
    if not choice.suppressed:
        yield lambda row: row.finding.suppressed is None
    if choice.kinds:
        yield lambda row: row.finding.kind in choice.kinds
    if choice.severity is not None:
        least = choice.severity.rank
        yield lambda row: row.finding.severity.rank >= least
    if choice.fixable:
        yield lambda row: row.finding.fixed_version != ""
    if choice.id:
        is_id = id_matcher(choice.id)
        yield lambda row: is_id(row.finding.id) or any(map(is_id, row.finding.aliases))
    if choice.package:
        is_package = means(choice.package)
        yield lambda row: is_package(row.finding.purl, row.finding.package, row.finding.version)
        if is_platform := platforms_meant(choice.package):
            yield lambda row: is_platform(row.platform)


def _of_target(choice: Choice) -> Iterator[Callable[[MergedRow], bool]]:
    """The conditions on where it was found, and by whom."""
    if choice.owner:
        yield is_owned(choice.owner)
    if choice.scan:
        is_scan = glob(choice.scan)
        yield lambda row: any(map(is_scan, row.finding.found_by))
    if choice.target:
        yield is_meant(choice.target)


def is_owned(pattern: str) -> Callable[[Named], bool]:
    """Whether a glob means an owner of a row's target."""
    is_owner = glob(pattern)
    return lambda row: any(map(is_owner, row.owners))


def is_meant(pattern: str) -> Callable[[Named], bool]:
    """Whether a glob means a row's target: its id, or any name of it that people may write."""
    is_name = glob(pattern.strip())
    known: dict[str, bool] = {}

    def means_it(row: Named) -> bool:
        if row.target not in known:
            known[row.target] = any(map(is_name, names_of(row)))
        return known[row.target]

    return means_it


def names_of(row: Named) -> tuple[str, ...]:
    """Every name by which a glob may mean a row's target."""
    return (row.target, *names_of_target(row.references, row.digest, row.indexes, short=True))
