"""What becomes of a cell: it runs, or is skipped or failed, with the reason."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from orchestrator.admission.judging import AdmissionJudge
from orchestrator.admission.scans import ScanJudge
from orchestrator.catalog.question import question_of
from orchestrator.config.loading import Config
from orchestrator.errors import ScanmatrixError
from orchestrator.images.patterns import matches
from orchestrator.images.reference import InvalidReference, parse
from orchestrator.kit.guarding import guarded
from orchestrator.kit.matching import glob
from orchestrator.model import Cell, Decision, Distrust, Name, Scan, Target, TargetKind
from orchestrator.model.documents import spell_time
from orchestrator.planning.inputs import Past
from orchestrator.planning.repositories import is_online, online_hosts
from orchestrator.planning.staleness import freshness
from orchestrator.planning.venue import Venue
from orchestrator.scanners.distrust import why_refused

EVERY_SCAN = "*"
"""Stands for all scans where scans are named."""

# Reasons that are named of a cell that is left out for several.
_MOST_REASONS = 5
_SEVERAL = {TargetKind.IMAGE: "images", TargetKind.REPOSITORY: "source repositories"}


class Decider:
    """Decides cells by the configuration; what depends on the scan alone is worked out once.

    Attributes:
        refused: why scanners are not trusted, by the name of the scan.
        outdated: number of cells whose young result answers another question, by the name of the scan.
    """

    def __init__(
        self,
        config: Config,
        catalog: Mapping[str, Scan],
        history: Mapping[tuple[str, str], Past],
        now: datetime,
        *,
        distrusted: Sequence[Distrust],
        venue: Venue,
        judge: AdmissionJudge,
    ) -> None:
        self._catalog = catalog
        self._history = history
        self._now = now
        self._exclude = config.scans.exclude
        self._limits = {name: config.fresh_for(name) for name in catalog}
        self._asked: dict[tuple[str, TargetKind, bool], str] = {}
        self.outdated = Counter[str]()
        moment = spell_time(now)
        self.refused = {
            name: reason for name, scan in catalog.items() if (reason := why_refused(scan, distrusted, moment))
        }
        self._not_admitted = ScanJudge(config, catalog, judge, in_cluster=venue.in_cluster)
        self._online = {name: online_hosts(config, scan, venue) for name, scan in catalog.items()}

    def __call__(self, target: Target, names: Sequence[Name], absent: str, name: str) -> Cell:
        """The cell of a target and a scan; whatever goes wrong with deciding it is its failure.

        Args:
            target: the target.
            names: of it, under which the scan is asked for.
            absent: why there is nothing to scan; empty when there is.
            name: of the scan.
        """
        try:
            with guarded(f"deciding {target.reference} × {name}"):
                return self._decide(target, names, absent, name)
        except ScanmatrixError as error:
            return Cell(target=target.id, scan=name, decision=Decision.FAIL, reason=str(error))

    def _decide(self, target: Target, names: Sequence[Name], absent: str, name: str) -> Cell:
        scan = self._catalog[name]
        reason = self._left_out(names, name) or self.refused.get(name) or self._not_admitted(name)
        if reason:
            return Cell(target=target.id, scan=name, decision=Decision.SKIP, reason=reason)
        if target.error:
            return Cell(target=target.id, scan=name, decision=Decision.FAIL, reason=target.error)
        reason = absent or _unreadable(target, scan)
        online = is_online(target, self._online[name])
        past = self._history.get((target.id, name))
        fresh = "" if reason else self._fresh(past, scan, target.kind, online=online)
        reason = reason or fresh
        return Cell(
            target=target.id,
            scan=name,
            decision=Decision.SKIP if reason else Decision.RUN,
            reason=reason,
            standing=past.run if past and fresh else "",
            online=not reason and online,
        )

    def _fresh(self, past: Past | None, scan: Scan, kind: TargetKind, *, online: bool) -> str:
        """Why a result still stands; empty when it does not."""
        if past is None:
            return ""
        place = scan.name, kind, online
        asked = self._asked.get(place)
        if asked is None:
            asked = self._asked[place] = question_of(scan, kind, online=online)
        fresh = freshness(past, self._limits[scan.name], self._now, asked)
        if not fresh and freshness(past, self._limits[scan.name], self._now):
            self.outdated[scan.name] += 1
        return fresh

    def _left_out(self, names: Sequence[Name], scan: str) -> str:
        """Why the cell is left out: only when it is so under every name that asks for the scan."""
        reasons: dict[str, None] = {}
        for name in names:
            reason = self._exclusion(name.reference, scan) or name.skip
            if not reason:
                return ""
            reasons[reason] = None
        shown = list(reasons)[:_MOST_REASONS]
        more = f"; and {len(reasons) - len(shown)} more" if len(reasons) > len(shown) else ""
        return "; ".join(shown) + more

    def _exclusion(self, reference: str, scan: str) -> str:
        for rule in self._exclude:
            if (EVERY_SCAN in rule.scans or scan in rule.scans) and _means(rule.image, reference):
                return f"excluded: {rule.reason}" if rule.reason else f"excluded by {rule.image!r} in scans.exclude"
        return ""


def _means(pattern: str, reference: str) -> bool:
    """Whether an exclusion's pattern matches a name; local archives match by their path, repositories by their URL."""
    if "://" in reference:
        return glob(pattern)(reference)
    try:
        return matches(pattern, parse(reference))
    except InvalidReference:
        return glob(pattern)(reference)


def _unreadable(target: Target, scan: Scan) -> str:
    """Why the scan cannot read this target; empty when it can, or when nothing is known of it."""
    if not scan.reads(target.kind):
        return f"{scan.name} reads no {_SEVERAL[target.kind]}"
    if target.is_repository:
        return ""
    platform = target.platform
    if scan.platforms and not {platform.os, f"{platform.os}/{platform.architecture}"} & set(scan.platforms):
        return f"unsupported platform {platform}: {scan.name} reads {', '.join(scan.platforms)}"
    if strange := sorted(set(target.compressions) - set(scan.compressions)):
        return f"unsupported layer compression {', '.join(strange)}: {scan.name} reads {', '.join(scan.compressions)}"
    return ""
