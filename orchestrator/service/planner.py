"""From what the sources name to what the store keeps of it, and from there back to the plan of a run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator import engines, planning
from orchestrator.catalog.loading import load_catalog
from orchestrator.errors import PermanentError
from orchestrator.inventory import Entry, labels
from orchestrator.inventory.selection import called
from orchestrator.kit.quantities import parse_duration
from orchestrator.model.documents import spell_time
from orchestrator.model.plan import AskedBy
from orchestrator.planning.matrix import choose_scans, find_targets
from orchestrator.planning.targets import finish
from orchestrator.scanners.pinning import require_digests
from orchestrator.store.backlog.messages import Wanted
from orchestrator.store.documents import Container, StoredWorkload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from orchestrator.config.loading import Config
    from orchestrator.model import Plan
    from orchestrator.store.backlog.messages import Claim, Submission

_log = logging.getLogger(__name__)

# Entries that are kept of a target, some 10 MB of them: MySQL's MEDIUMTEXT holds 16 MiB.
_MOST_ENTRIES = 20_000


class NothingToPlanError(PermanentError):
    """Nothing of what a run was to scan can be planned any more."""


class Found(NamedTuple):
    """A target that should be kept fresh, and every entry that names it."""

    wanted: Wanted
    entries: tuple[Entry, ...]


class Planner:
    """Knows the configuration and the scans.

    Args:
        config: names sources, registries and scans.

    Raises:
        UsageError: a template has mistakes, or the configuration is strict and an image is named by a tag.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self.catalog = load_catalog(config)
        if config.scanners.strict:
            require_digests(self.catalog.values())

    def look_up(self, entries: Sequence[Entry]) -> list[Found]:
        """The targets behind entries, each with its scans; what cannot be resolved is a target, too.

        Raises:
            PlanError: an unknown scan is asked for.
        """
        chosen = [choose_scans(entry, self._config.scans, self.catalog) for entry in entries]
        here = not engines.venue(self._config).in_cluster
        drafts = find_targets(self._config, entries, chosen, here=here)
        known = [msgspec.structs.replace(entry, scans=scans) for entry, scans in zip(entries, chosen, strict=True)]
        found = []
        for id_, draft in drafts.items():
            target = finish(id_, draft)
            of_target = sorted((known[place] for place in draft.entries), key=called)
            if len(of_target) > _MOST_ENTRIES:
                _log.warning(
                    "%s has %d names; runs will have the first %d of them",
                    target.reference, len(of_target), _MOST_ENTRIES,
                )  # fmt: skip
            wanted = Wanted(
                target=id_,
                digest=target.digest,
                platform=str(target.platform),
                names=target.names,
                scans=tuple(sorted(draft.scans)),
                entries=msgspec.json.encode(of_target[:_MOST_ENTRIES]).decode(),
            )
            found.append(Found(wanted, tuple(of_target)))
        return found

    def plan(self, submission: Submission, now: datetime) -> Plan:
        """The plan of a run, of just the cells that it has taken on.

        Raises:
            NothingToPlanError: there is nothing left of them.
            PlanError: the volume's budget is exceeded and may not be split.
        """
        entries = [entry for claim in submission.claims for entry in self._entries(claim)]
        if not entries:
            names = ", ".join(sorted({scan for claim in submission.claims for scan in claim.scans}))
            raise NothingToPlanError(f"there is no scan {names} any more, or the store's entries are damaged")
        only = frozenset((claim.target, scan) for claim in submission.claims for scan in claim.scans)
        plan = planning.plan_run(
            self._config,
            run=submission.run,
            now=now,
            venue=engines.venue(self._config),
            entries=entries,
            catalog=self.catalog,
            only=only,
        )
        if not plan.cells:
            raise NothingToPlanError(
                f"planned at {spell_time(now)}, none of its images is the one any more that was wanted; the next look"
                " at the sources tells which it is now"
            )
        return msgspec.structs.replace(plan, asked_by=AskedBy.SCHEDULE)

    def _entries(self, claim: Claim) -> Iterator[Entry]:
        try:
            entries = msgspec.json.decode(claim.entries, type=list[Entry])
        except msgspec.DecodeError:
            return
        for entry in entries:
            # Whatever it asks for, its name is one of the target's, and so are its limits; `only` chooses the cells.
            scans = tuple(scan for scan in entry.scans if scan in self.catalog)
            if scans:
                yield msgspec.structs.replace(entry, scans=scans)


def workloads(found: Iterable[Found]) -> list[StoredWorkload]:
    """What runs these targets in clusters, as far as their entries tell."""
    uses: dict[tuple[str, ...], tuple[list[Entry], list[Container]]] = {}
    for each in found:
        for entry in each.entries:
            said = entry.labels
            kind, _, name = said.get(labels.WORKLOAD, "").partition("/")
            if name and labels.CLUSTER in said and labels.NAMESPACE in said:
                place = (said[labels.CLUSTER], said[labels.NAMESPACE], kind, name)
                of_workload, containers = uses.setdefault(place, ([], []))
                of_workload.append(entry)
                containers.append(Container(name=_container(said), target=each.wanted.target))
    return [
        StoredWorkload(
            cluster=cluster,
            namespace=namespace,
            kind=kind,
            name=name,
            owner=_each(entry.owner for entry in of_workload),
            contact=_each(entry.labels.get(labels.CONTACT, "") for entry in of_workload),
            max_lifetime=_strictest(entry.labels.get(labels.MAX_LIFETIME, "") for entry in of_workload),
            containers=tuple(containers),
        )
        for (cluster, namespace, kind, name), (of_workload, containers) in uses.items()
    ]


def _container(said: Mapping[str, str]) -> str:
    """The container's name; a volume's, which no container can have."""
    volume = said.get(labels.VOLUME, "")
    return f"volume:{volume}" if volume else said.get(labels.CONTAINER, "")


def _each(texts: Iterable[str]) -> str:
    """What pods of one workload say; nearly always the same."""
    return ", ".join(dict.fromkeys(text for text in texts if text))


def _strictest(texts: Iterable[str]) -> int | None:
    return min((seconds for text in texts if (seconds := _seconds(text)) is not None), default=None)


def _seconds(text: str) -> int | None:
    try:
        return parse_duration(text) if text else None
    except ValueError:
        return None
