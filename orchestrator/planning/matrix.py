"""The matrix: every target × every scan asked for, each cell with its decision, the batches, and the budget."""

import logging
from collections.abc import Container, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version

import msgspec

from orchestrator.analysis.suppression.loading import load as load_suppression
from orchestrator.catalog.loading import unknown_scan
from orchestrator.config.loading import Config
from orchestrator.config.scans import Scans
from orchestrator.errors import ScanmatrixError
from orchestrator.images.reference import InvalidReference, parse
from orchestrator.inventory import Entry, scans_for
from orchestrator.kit.guarding import guarded
from orchestrator.kit.matching import glob
from orchestrator.kit.quantities import spell_size
from orchestrator.model import Cell, Decision, Distrust, Name, Plan, Scan, Target, TargetKind
from orchestrator.model.documents import spell_time
from orchestrator.model.plan import pending
from orchestrator.net.allowance import Allowance
from orchestrator.planning.allow import refusal
from orchestrator.planning.batches import batches, common_sets, fits, total_bytes, wanted_by_images
from orchestrator.planning.budget import make_budget, unique_bytes
from orchestrator.planning.inputs import Past, PlanError, RepositoryResolver, Resolver
from orchestrator.planning.patterns import matches
from orchestrator.planning.repositories import GitResolver, is_online, online_hosts
from orchestrator.planning.staleness import freshness
from orchestrator.planning.targets import Draft, finish, gather
from orchestrator.planning.venue import Venue
from orchestrator.scanners.distrust import why_refused
from orchestrator.scanners.pinning import require_digests_of
from orchestrator.scanners.rules import rules_of

_log = logging.getLogger(__name__)

_ALL = "*"
# Reasons that are named of a cell that is left out for several.
_MOST_REASONS = 5
_SEVERAL = {TargetKind.IMAGE: "images", TargetKind.REPOSITORY: "source repositories"}


def make_plan(
    config: Config,
    entries: Sequence[Entry],
    catalog: Mapping[str, Scan],
    *,
    run: str,
    now: datetime,
    venue: Venue,
    offline: bool = False,
    resolver: Resolver | None = None,
    repositories: RepositoryResolver | None = None,
    history: Mapping[tuple[str, str], Past] | None = None,
    only: Container[tuple[str, str]] | None = None,
    partial: bool = False,
) -> Plan:
    """Make the plan of a run; the same input gives the same plan.

    Args:
        config: the configuration.
        entries: what to scan, in the order of the targets.
        catalog: the scans there are, by name.
        run: id of the run.
        now: with a time zone; the plan's creation, and what the age of results is reckoned from.
        venue: where the plan will run.
        offline: ask no registry and no git host: pinned digests, local archives and full commits are planned, all
            else fails.
        resolver: finds the images behind references; None for the registries and caches of the configuration.
        repositories: finds the commits of repositories; None to ask their hosts.
        history: latest good result by target id and scan, for `rescanAfter`.
        only: target ids and scans of the cells to plan; None for all of them.
        partial: whether the entries are only some of what is wanted; so it is with `only`.

    Raises:
        PlanError: an unknown scan is asked for, or the volume's budget is exceeded and may not be split.
        UnpinnedError: the configuration is strict, and the image of a scan that is to run is named by a tag.
        SourceError: the ignore file, a VEX document or the list of denied scanners is missing, or has mistakes.
    """
    chosen = [choose_scans(entry, config.scans, catalog) for entry in entries]
    suppression = load_suppression(config, tuple(catalog), now=now)
    drafts = find_targets(config, entries, chosen, offline=offline, resolver=resolver, repositories=repositories)
    targets = tuple(finish(id_, draft) for id_, draft in drafts.items())
    distrusted = rules_of(config)
    decide = _Decider(config, catalog, history or {}, now, distrusted=distrusted, venue=venue)
    cells = tuple(
        decide(target, draft, scan)
        for target, draft in zip(targets, drafts.values(), strict=True)
        for scan in sorted(draft.scans)
        if only is None or (target.id, scan) in only
    )
    if only is not None:
        left = {cell.target for cell in cells}
        targets = tuple(target for target in targets if target.id in left)
    _tell_refused(decide.refused, cells)
    cells = _refuse_oversized(config, targets, cells)
    scans = {name: catalog[name] for name in sorted({cell.scan for cell in cells})}
    plan = Plan(
        run=run,
        created=spell_time(now),
        version=version("scanmatrix"),
        scans=tuple(scans.values()),
        targets=targets,
        cells=cells,
        limits=config.limits.document(config.volume.budget),
        policy=config.policy,
        suppression=suppression,
        insecure=tuple(config.insecure),
        partial=partial or only is not None,
        caches=tuple(one.document() for one in config.cache),
        distrusted=distrusted,
    )
    if config.scanners.strict:
        require_digests_of(plan)
    plan = venue.fit(plan)
    plan = msgspec.structs.replace(plan, waves=batches(plan))
    _check_budget(config, plan)
    images = (drafts[id_].located.image for id_ in pending(plan) if not _is_local(plan.targets_by_id[id_]))
    budget = make_budget(
        plan,
        pull_bytes=unique_bytes(filter(None, images)),
        in_cluster=venue.in_cluster,
        together=_sets_in_one_pod(plan, config, entries, catalog, venue) if config.layout == "image" else None,
    )
    return msgspec.structs.replace(plan, budget=budget)


def _sets_in_one_pod(
    plan: Plan, config: Config, entries: Sequence[Entry], catalog: Mapping[str, Scan], venue: Venue
) -> tuple[frozenset[str], ...]:
    """The sets of scans that have a template: those of the WorkflowTemplate, or of a Workflow rendered of the plan."""
    return wanted_sets(entries, config, catalog) if venue.in_cluster else common_sets(wanted_by_images(plan))


def find_targets(
    config: Config,
    entries: Sequence[Entry],
    scans: Sequence[Sequence[str]],
    *,
    offline: bool = False,
    resolver: Resolver | None = None,
    repositories: RepositoryResolver | None = None,
) -> dict[str, Draft]:
    """The targets behind entries; see `gather`.

    Args:
        config: names registries, caches, platforms, and what looking up may cost.
        entries: in the order in which the targets are to come.
        scans: for each entry, the names of its scans.
        offline: ask no registry and no git host.
        resolver: finds the images behind references; None for the registries and caches of the configuration.
        repositories: finds the commits of repositories; None to ask their hosts.

    Raises:
        PlanError: two digests have the same beginning.
    """
    repositories = repositories or GitResolver(
        offline=offline,
        allowance=Allowance(config.limits.planning, "limits.planning"),
        retries=config.limits.retries,
    )
    if resolver is not None:
        return gather(entries, scans, resolver, repositories)
    from orchestrator.planning.resolver import open_resolver  # noqa: PLC0415  (brings the HTTP client with it)

    with open_resolver(config, offline=offline) as opened:
        return gather(entries, scans, opened, repositories)


def choose_scans(entry: Entry, configured: Scans, catalog: Mapping[str, Scan]) -> tuple[str, ...]:
    """The scans an entry asks for, `*` and the configured default expanded, each once; `*` is all that can read it.

    Where none can, it is every scan there is: their cells are skipped, each with the reason, so that the target has a
    row at all.

    Raises:
        PlanError: there is no scan of that name.
    """
    names = entry.scans or configured.default_for(entry.kind)
    for name in names:
        if name != _ALL and name not in catalog:
            raise PlanError(f"{entry.origin}: {unknown_scan(name, catalog)}")
    chosen = scans_for(entry.kind, catalog) if _ALL in names else tuple(dict.fromkeys(names))
    return chosen or tuple(catalog)


def wanted_sets(entries: Sequence[Entry], config: Config, catalog: Mapping[str, Scan]) -> tuple[frozenset[str], ...]:
    """The sets of scans that most images ask for."""
    images = (entry for entry in entries if entry.kind is TargetKind.IMAGE)
    return common_sets(frozenset(choose_scans(entry, config.scans, catalog)) for entry in images)


def _tell_refused(refused: Mapping[str, str], cells: Sequence[Cell]) -> None:
    """Say which scanners are not trusted: their cells are skipped, which no policy need notice."""
    for name, reason in refused.items():
        if count := sum(cell.scan == name and cell.reason == reason for cell in cells):
            cells_are = "cell is" if count == 1 else "cells are"
            _log.warning("scan %r does not run, its %d %s skipped: %s", name, count, cells_are, reason)


class _Decider:
    """Decides cells by the configuration; what depends on the scan alone is worked out once.

    Attributes:
        refused: why scanners are not trusted, by the name of the scan.
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
    ) -> None:
        self._catalog = catalog
        self._history = history
        self._now = now
        self._exclude = config.scans.exclude
        self._limits = {name: config.fresh_for(name) for name in catalog}
        moment = spell_time(now)
        self.refused = {
            name: reason for name, scan in catalog.items() if (reason := why_refused(scan, distrusted, moment))
        }
        self._refusals = {name: self.refused.get(name) or refusal(scan, config.allow) for name, scan in catalog.items()}
        self._online = {name: online_hosts(config, scan, venue) for name, scan in catalog.items()}

    def __call__(self, target: Target, draft: Draft, name: str) -> Cell:
        try:
            with guarded(f"deciding {target.reference} × {name}"):
                return self._decide(target, draft, name)
        except ScanmatrixError as error:
            return Cell(target=target.id, scan=name, decision=Decision.FAIL, reason=str(error))

    def _decide(self, target: Target, draft: Draft, name: str) -> Cell:
        scan = self._catalog[name]
        if reason := self._left_out(draft.scans[name], name) or self._refusals[name]:
            return Cell(target=target.id, scan=name, decision=Decision.SKIP, reason=reason)
        if target.error:
            return Cell(target=target.id, scan=name, decision=Decision.FAIL, reason=target.error)
        reason = draft.located.absent or _unreadable(target, scan)
        past = self._history.get((target.id, name))
        fresh = "" if reason else freshness(past, self._limits[name], self._now)
        reason = reason or fresh
        return Cell(
            target=target.id,
            scan=name,
            decision=Decision.SKIP if reason else Decision.RUN,
            reason=reason,
            standing=past.run if past and fresh else "",
            online=not reason and is_online(target, self._online[name]),
        )

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
            if (_ALL in rule.scans or scan in rule.scans) and _means(rule.image, reference):
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


def _is_local(target: Target) -> bool:
    """Whether no registry is read for it."""
    return target.pull.startswith("file:") or target.is_repository


def _refuse_oversized(config: Config, targets: Sequence[Target], cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """Fail the cells of images that the volume's budget cannot hold; the others run. A budget of 0 is no limit."""
    limit = config.volume.budget
    if not limit:
        return cells
    large = {target.id: target.size for target in targets if target.size is not None and target.size > limit}
    return tuple(
        msgspec.structs.replace(
            cell,
            decision=Decision.FAIL,
            reason=f"its tarball of {spell_size(large[cell.target])} is larger than the volume's whole budget of "
            f"{spell_size(limit)}: raise volume.budget",
        )
        if cell.decision is Decision.RUN and cell.target in large
        else cell
        for cell in cells
    )


def _check_budget(config: Config, plan: Plan) -> None:
    """Refuse a plan over budget where it may not be split."""
    if config.volume.over_budget == "refuse" and not fits(plan):
        live = pending(plan)
        raise PlanError(
            f"the plan needs {spell_size(total_bytes(plan, live))} on the volume for {len(live)} images, its budget is"
            f" {spell_size(config.volume.budget)}: raise volume.budget, or set volume.overBudget to split"
            f" (it would run in {len(plan.waves)} batches)"
        )
