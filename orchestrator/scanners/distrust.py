"""Whether a scanner is believed: the one decision, for all who ask, and at any time.

| who asks | about | when it is not believed |
|---|---|---|
| the plan | a scan's image, now | its cells are skipped |
| the engine, before a cell | the same, of a plan that may be old | the cell fails |
| the ledger, when a run ends | what the report says of its scanner | the cell fails |
| everything that reads earlier results | what the ledger says of theirs | the result is suspect |

An image is recognised by its repository, on whatever registry or mirror, under whatever prefix; its version by the tag
(`v0.69.4` and `0.69.4-amd64` are 0.69.4) or by what the report says; and by digest.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from orchestrator.errors import UsageError
from orchestrator.images.reference import InvalidReference, Reference, parse
from orchestrator.kit.matching import any_glob, glob
from orchestrator.model import Decision
from orchestrator.scanners.rules import aliases_of, builtin_rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.model import Distrust, Plan, Scan


class DistrustedError(UsageError):
    """A plan would start a scanner that is not trusted any more."""


class Made(NamedTuple):
    """What is known of the scanner that made, or is to make, a result.

    Attributes:
        scan: name of the scan.
        image: of the scanner; empty for a process, or when nobody wrote it down.
        digests: further ones by which the image is known.
        scanner: its name as the report has it; empty before there is one.
        version: likewise.
        started: when it began, RFC 3339; empty when that is not known.
        finished: when it ended; likewise.
    """

    scan: str
    image: str = ""
    digests: tuple[str, ...] = ()
    scanner: str = ""
    version: str = ""
    started: str = ""
    finished: str = ""


class ScannedCell(Protocol):
    """A cell in a ledger, as far as its scanner goes."""

    @property
    def scan(self) -> str:
        """Name of its scan."""
        ...

    @property
    def scanner(self) -> str:
        """Name of its scanner, as the report has it."""
        ...

    @property
    def scanner_version(self) -> str:
        """Likewise."""
        ...

    @property
    def scanner_image(self) -> str:
        """Image it ran in; empty for a process."""
        ...

    @property
    def started(self) -> str:
        """RFC 3339."""
        ...

    @property
    def finished(self) -> str:
        """RFC 3339."""
        ...


def of_row(row: ScannedCell) -> Made:
    """What a ledger knows of the scanner of a cell."""
    return Made(
        row.scan, row.scanner_image, (), row.scanner, row.scanner_version, row.started or row.finished, row.finished
    )


def why_refused(scan: Scan, rules: Iterable[Distrust], now: str) -> str:
    """Why a scan must not run now; empty when it may. Checks that scanmatrix itself implements are our own code.

    Args:
        scan: whose image is judged.
        rules: of the configuration; those built in are always asked as well.
        now: RFC 3339 in UTC.
    """
    return "" if scan.builtin else why(Made(scan.name, scan.image, scan.digests, started=now, finished=now), rules)


def refused_scans(plan: Plan, rules: Iterable[Distrust], now: str) -> dict[str, str]:
    """Which scans of a plan's cells must not run now, with the reasons; a plan may be older than what is known.

    Args:
        plan: which has rules of its own.
        rules: further ones.
        now: RFC 3339 in UTC.
    """
    wanted = {cell.scan for cell in plan.cells if cell.decision is Decision.RUN}
    every = (*plan.distrusted, *rules)
    found = {scan.name: why_refused(scan, every, now) for scan in plan.scans if scan.name in wanted}
    return {name: reason for name, reason in found.items() if reason}


def check_plan(plan: Plan, rules: Iterable[Distrust], now: str) -> None:
    """See that every scanner of a plan is still trusted.

    Raises:
        DistrustedError: one is not.
    """
    if refused := refused_scans(plan, rules, now):
        reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
        raise DistrustedError(f"run {plan.run} was planned before this was known, plan a new one: {reasons}")


def why(made: Made, rules: Iterable[Distrust]) -> str:
    """Why a scanner is not believed: the first rule against it in words; empty when there is none."""
    for rule in (*builtin_rules(), *rules):
        if _is_about(rule, made):
            return _spell(rule)
    return ""


def _spell(rule: Distrust) -> str:
    source = f" ({rule.source})" if rule.source else ""
    return f"scanner {'denied' if rule.denied else 'distrusted'}: {rule.reason}{source}"


def _is_about(rule: Distrust, made: Made) -> bool:
    """Whether everything that a rule gives holds of a scanner."""
    return _means(rule, made._replace(started="", finished="")) and _overlaps(rule, made.started, made.finished)


@lru_cache(maxsize=4096)  # thousands of cells have the same scanner
def _means(rule: Distrust, made: Made) -> bool:
    """The same, whenever it ran."""
    if rule.scan and not glob(rule.scan)(made.scan):
        return False
    if not rule.digests:
        return _is_product(rule, made) and (not rule.versions or _has_version(rule, made))
    known = _digests(made)
    if known & set(rule.digests):
        return True
    if rule.versions:
        return _is_product(rule, made) and _has_version(rule, made)
    # A result of which nobody knows the digest cannot be cleared by its digest; a denied one is known by nothing else.
    return not known and not rule.denied and bool(rule.scan or rule.images) and _is_product(rule, made)


def _overlaps(rule: Distrust, started: str, finished: str) -> bool:
    """Whether it ran in the rule's period; a time that is not known clears nobody."""
    begin, end = _moment(started), _moment(finished)
    since, until = _moment(rule.since), _moment(rule.until)
    return not (since and end and end < since) and not (until and begin and begin > until)


def _is_product(rule: Distrust, made: Made) -> bool:
    """Whether it is a scanner that the rule names, by its image or by its own word; all are where it names none."""
    if not rule.images:
        return True
    names = frozenset().union(*(aliases_of(image.casefold()) for image in map(_path, rule.images)))
    words = _words(_repository(made.image))
    own = {name.rpartition("/")[2] for name in names}
    # A mirror may keep no more of a name than its last part; which versions are meant then says enough.
    meant = {_words(name) for name in (names | own if rule.versions else names)}
    return any(words[-len(each) :] == each for each in meant) or made.scanner.casefold() in own


def _has_version(rule: Distrust, made: Made) -> bool:
    found = {version for version in (_plain(made.version), *_of_tag(made.image)) if version}
    return any_glob(found, map(_plain, rule.versions))


def _plain(version: str) -> str:
    """A version without the `v` that some write before it, and without a build's name (Semantic Versioning 2)."""
    version = version.strip().casefold().partition("+")[0]
    return version[1:] if version[:1] == "v" and version[1:2].isdigit() else version


def _of_tag(image: str) -> tuple[str, ...]:
    """What version a tag may stand for: itself, and itself without what follows a dash or underscore (`-amd64`)."""
    reference = _parse(image)
    if reference is None or not reference.tag:
        return ()
    tag = _plain(reference.tag)
    return tag, re.split(r"[-_]", tag, maxsplit=1)[0]


def _digests(made: Made) -> set[str]:
    reference = _parse(made.image)
    own = {reference.digest} if reference and reference.digest else set()
    return own | set(made.digests)


def _words(repository: str) -> tuple[str, ...]:
    """A repository in words: mirrors write `aquasec/trivy` as `hub/aquasec/trivy`, or as `hub-aquasec-trivy`."""
    return tuple(word for word in re.split(r"[/._-]+", repository) if word)


def _path(image: str) -> str:
    """The repository of a rule without a registry, however it was written."""
    return _repository(image) or image


def _repository(image: str) -> str:
    reference = _parse(image)
    return reference.repository.removeprefix("library/") if reference else ""


@lru_cache(maxsize=4096)
def _parse(image: str) -> Reference | None:
    try:
        return parse(image) if image else None
    except InvalidReference:
        return None


@lru_cache(maxsize=4096)
def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
