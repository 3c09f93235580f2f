"""The one way from a configuration to the plan of a run: catalog → inventory → earlier results → plan.

`orchestrator.api.plan`, the plan step of a pod, and the scheduler all plan by `plan_run`.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from functools import partial as fixed
from typing import TYPE_CHECKING

import msgspec

from orchestrator.argo.agreed import MOUNT
from orchestrator.catalog.loading import load_catalog
from orchestrator.inventory import collect
from orchestrator.planning.attached import open_attached
from orchestrator.planning.matrix import make_plan
from orchestrator.planning.staleness import earlier_results
from orchestrator.upkeep.reuse import without_downloads
from orchestrator.volume.layout import Volume
from orchestrator.volume.sboms import find_sbom

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from orchestrator.config.loading import Config
    from orchestrator.inventory import Entry
    from orchestrator.model import Plan, Scan
    from orchestrator.planning.inputs import SbomLookup
    from orchestrator.planning.venue import Venue

_log = logging.getLogger(__name__)


def plan_run(
    config: Config,
    *,
    run: str,
    now: datetime,
    venue: Venue,
    volume: Path | None = None,
    scans: Sequence[str] = (),
    entries: Sequence[Entry] | None = None,
    catalog: Mapping[str, Scan] | None = None,
    only: Container[tuple[str, str]] | None = None,
    offline: bool = False,
    partial: bool = False,
) -> Plan:
    """Plan a run.

    Args:
        config: the configuration.
        run: id of the run.
        now: with a time zone; the plan's creation, and what the age of results is reckoned from.
        venue: where the plan will run.
        volume: folder with the results of earlier runs, instead of the configuration's. Where a cluster runs the plan,
            that is its own volume, whose stored SBOMs are then known.
        scans: scans to run instead of those the targets ask for; the plan is then partial.
        entries: what to scan, instead of what the sources of the configuration name now.
        catalog: the scans there are, where they are known already.
        only: target ids and scans of the cells to plan; None for all of them. Anybody who names cells has decided that
            they are due, so that earlier results spare none.
        offline: ask no registry and no git host, and download no database when it runs.
        partial: whether the entries are only some of what is wanted; so it is where the configuration has a selection.

    Returns:
        The plan; without targets where the sources name none.

    Raises:
        UsageError: an unknown scan is asked for, the budget is exceeded, or the ignore file, a VEX document, a scan
            template or a list of targets has mistakes.
    """
    catalog = load_catalog(config) if catalog is None else catalog
    if entries is None:
        entries = collect(config, catalog=catalog)
    if scans:
        entries = [msgspec.structs.replace(entry, scans=tuple(scans)) for entry in entries]
    where = Volume(volume or config.volume.path)
    lookup = _lookup(config, venue, volume)
    looks_for_attached = lookup and config.sboms.attached.signers and not offline
    with open_attached(config, where, run, now) if looks_for_attached else nullcontext() as attached:
        plan = make_plan(
            config,
            entries,
            catalog,
            run=run,
            now=now,
            venue=venue,
            offline=offline,
            history=earlier_results(config, now, volume) if only is None else {},
            only=only,
            partial=partial or bool(scans) or bool(config.selection),
            lookup=lookup,
            attached=attached,
        )
    return without_downloads(plan) if offline else plan


def _lookup(config: Config, venue: Venue, volume: Path | None) -> SbomLookup | None:
    """What finds the SBOMs on the volume on which the plan will run; None where they are not stored, or not known here.

    To catalogue every image again and again, because nobody can see here what is stored, would only cost.
    """
    if not config.sboms.store:
        return None
    if venue.in_cluster and volume is None and config.volume.path != MOUNT:
        _log.warning(
            "the SBOMs on the cluster's volume are not known here, so every image is scanned itself: have the cluster"
            " make the plan (argo submit --from workflowtemplate/scanmatrix, its schedule, its scheduler)"
        )
        return None
    return fixed(find_sbom, Volume(volume or config.volume.path))
