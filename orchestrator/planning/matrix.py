"""The matrix: every target × every scan asked for, each cell with its decision, the batches, and the budget."""

import logging
from collections.abc import Container, Mapping, Sequence
from datetime import datetime

import msgspec

from orchestrator.admission.judging import AdmissionJudge
from orchestrator.analysis.suppression.loading import load as load_suppression
from orchestrator.catalog.loading import unknown_scan
from orchestrator.config.loading import Config
from orchestrator.config.scans import Scans
from orchestrator.inventory import Entry, scans_for
from orchestrator.kit.own import own_version
from orchestrator.kit.quantities import spell_size
from orchestrator.model import Cell, Decision, Plan, Scan, Target, TargetKind
from orchestrator.model.documents import spell_time
from orchestrator.model.plan import pending
from orchestrator.net.allowance import Allowance
from orchestrator.planning.batches import batches, common_sets, fits, total_bytes, wanted_by_images
from orchestrator.planning.budget import make_budget, unique_bytes
from orchestrator.planning.decisions import EVERY_SCAN, Decider
from orchestrator.planning.inputs import Past, PlanError, RepositoryResolver, Resolver, SbomLookup, TakesAttached
from orchestrator.planning.repositories import GitResolver, folders_of
from orchestrator.planning.sboms import FromSboms, OfTarget
from orchestrator.planning.targets import Draft, finish, gather
from orchestrator.planning.venue import Venue
from orchestrator.scanners.pinning import require_digests_of
from orchestrator.scanners.rules import rules_of

_log = logging.getLogger(__name__)


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
    lookup: SbomLookup | None = None,
    attached: TakesAttached | None = None,
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
        lookup: finds the SBOMs that are stored; None to scan every image itself.
        attached: takes those that came with images where none is stored; None to look for none.

    Raises:
        PlanError: an unknown scan is asked for, or the volume's budget is exceeded and may not be split.
        UnpinnedError: the configuration is strict, and the image of a scan that is to run is named by a tag.
        SourceError: the ignore file, a VEX document or the list of denied scanners is missing, or has mistakes.
    """
    chosen = [choose_scans(entry, config.scans, catalog) for entry in entries]
    suppression = load_suppression(config, tuple(catalog), now=now)
    drafts = find_targets(
        config,
        entries,
        chosen,
        offline=offline,
        here=not venue.in_cluster,
        resolver=resolver,
        repositories=repositories,
    )
    targets = tuple(finish(id_, draft) for id_, draft in drafts.items())
    distrusted = rules_of(config)
    with AdmissionJudge(config, offline=offline) as judge:
        decide = Decider(config, catalog, history or {}, now, distrusted=distrusted, venue=venue, judge=judge)
        sboms = FromSboms(config.sboms, catalog, lookup, now, attached) if lookup and venue.reads_sboms else None
        decided = [
            _decide(decide, sboms, target, draft, only) for target, draft in zip(targets, drafts.values(), strict=True)
        ]
    cells = tuple(sboms.decide(decided) if sboms else (cell for each in decided for cell in each.cells))
    if only is not None:
        left = {cell.target for cell in cells}
        targets = tuple(target for target in targets if target.id in left)
    _tell_refused(decide.refused, cells)
    _tell_outdated(decide.outdated)
    cells = _refuse_oversized(config, targets, cells)
    scans = {name: catalog[name] for name in sorted({cell.scan for cell in cells})}
    plan = Plan(
        run=run,
        created=spell_time(now),
        version=own_version(),
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
        sboms=config.sboms.storage if sboms is not None else None,
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


def _decide(
    decide: Decider, sboms: FromSboms | None, target: Target, draft: Draft, only: Container[tuple[str, str]] | None
) -> OfTarget:
    """The cells of a target that somebody asked for, and those that make the SBOMs which they could read."""
    scans = [scan for scan in sorted(draft.scans) if only is None or (target.id, scan) in only]
    cells = [decide(target, draft.scans[scan], draft.located.absent, scan) for scan in scans]
    wanted = sboms.wanted({scan: draft.scans[scan] for scan in scans}, target.kind) if sboms else {}
    added = [decide(target, names, draft.located.absent, scan) for scan, names in wanted.items()]
    return OfTarget(target, cells, added)


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
    here: bool = False,
    resolver: Resolver | None = None,
    repositories: RepositoryResolver | None = None,
) -> dict[str, Draft]:
    """The targets behind entries; see `gather`.

    Args:
        config: names registries, caches, platforms, and what looking up may cost.
        entries: in the order in which the targets are to come.
        scans: for each entry, the names of its scans.
        offline: ask no registry and no git host.
        here: whether what they lead to is scanned on this machine, so that images of its tools may be taken.
        resolver: finds the images behind references; None for the registries and caches of the configuration.
        repositories: finds the commits of repositories; None to ask their hosts.

    Raises:
        PlanError: two digests have the same beginning.
    """
    repositories = repositories or GitResolver(
        offline=offline,
        allowance=Allowance(config.limits.planning, "limits.planning"),
        retries=config.limits.retries,
        folders=folders_of(config) if here else None,
    )
    if resolver is not None:
        return gather(entries, scans, resolver, repositories)
    from orchestrator.planning.resolver import open_resolver  # noqa: PLC0415  (brings the HTTP client with it)

    with open_resolver(config, offline=offline, here=here) as opened:
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
        if name != EVERY_SCAN and name not in catalog:
            raise PlanError(f"{entry.origin}: {unknown_scan(name, catalog)}")
    chosen = scans_for(entry.kind, catalog) if EVERY_SCAN in names else tuple(dict.fromkeys(names))
    return chosen or tuple(name for name, scan in catalog.items() if not scan.stored)


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


def _tell_outdated(outdated: Mapping[str, int]) -> None:
    """Say which scans run again although they ran lately."""
    for name, count in sorted(outdated.items()):
        results = "1 result that is" if count == 1 else f"{count} results that are"
        _log.warning(
            "scan %r runs again for %s young enough: its image, command, parameters or database changed", name, results
        )


def _is_local(target: Target) -> bool:
    """Whether no registry is read for it."""
    return target.is_archive or target.is_repository


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
        if cell.runs and cell.source is None and cell.target in large
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
