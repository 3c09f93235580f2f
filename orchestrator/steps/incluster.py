"""The plan step in the cluster: what a Workflow runs, out of a packed plan, a plan on the volume, or a configuration.

A run has one plan, however many Workflows work on it: the first one writes it to the volume; a shard of it, a retry,
and another attempt of the plan step itself find it there.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.argo.agreed import Only
from orchestrator.argo.items import by_task, make_items
from orchestrator.argo.names import CONFIG_MAP, sboms_template, shard_number
from orchestrator.argo.packed import unpack
from orchestrator.argo.parameters import SHARD_KEY, Output, Parameter, between_commas
from orchestrator.argo.sbom_batches import sbom_batches, sbom_items
from orchestrator.catalog.lock_file import LOCK
from orchestrator.errors import UsageError
from orchestrator.kit.removal import temporary_folder
from orchestrator.model.documents import spell_time
from orchestrator.model.plan import pending
from orchestrator.planning.batches import at_once, cut, shards
from orchestrator.scanners.distrust import check_plan
from orchestrator.upkeep.left import failed_cells, is_untried
from orchestrator.upkeep.plans import read_plan, write_plan
from orchestrator.upkeep.reuse import due

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orchestrator.argo.sbom_batches import SbomBatch
    from orchestrator.config.loading import Config
    from orchestrator.model import Plan
    from orchestrator.model.plan import Pending
    from orchestrator.volume.layout import Volume


class ConfigSource(NamedTuple):
    """Where the configuration is.

    Attributes:
        path: of the file; within the repository when there is one.
        git: URL of a repository; empty for a file of the pod.
        ref: branch, tag or commit.
    """

    path: str
    git: str = ""
    ref: str = "HEAD"


class Work(NamedTuple):
    """What one Workflow does of a run.

    Attributes:
        images: ids of the targets that it runs itself, repositories among them.
        scans: names of scans to run, by target.
        shards: numbers of the shards that are Workflows of their own; none when it runs the images itself.
        databases: names of the scans whose databases it refreshes.
        in_turn: whether its shards run one after the other, because the volume does not hold several.
        sboms: the batches of cells that it answers from stored SBOMs; those of shards are all with their parent.
    """

    images: tuple[str, ...]
    scans: Pending
    shards: tuple[str, ...] = ()
    databases: tuple[str, ...] = ()
    in_turn: bool = False
    sboms: tuple[SbomBatch, ...] = ()


def write_run(packed: str, source: ConfigSource | None, run: str, volume: Volume) -> Plan:
    """Make sure that the plan of a run is on the volume.

    Args:
        packed: the packed plan; empty when there is none.
        source: the configuration to plan from where there is neither a packed plan nor one on the volume.
        run: id of the run, instead of the packed plan's own; empty for its own.
        volume: where the plan goes.

    Raises:
        UsageError: there is neither a plan nor a configuration, or a scanner of the plan is not trusted any more.
    """
    if packed:
        plan = unpack(packed)
        plan = msgspec.structs.replace(plan, run=run) if run else plan
        write_plan(plan, volume)
        return _trusted(plan)
    if run and volume.plan(run).exists():
        return _trusted(read_plan(run, volume))
    if source is None or not (source.git or Path(source.path).exists()):
        raise UsageError(
            f"run {run!r} has no plan on the volume, and there is no configuration: submit with the parameter"
            f" `{Parameter.PLAN}` or `{Parameter.CONFIG_GIT}`, or put a configuration into the ConfigMap {CONFIG_MAP}"
        )
    plan = _make(source, run, volume)
    write_plan(plan, volume)
    return plan


def _trusted(plan: Plan) -> Plan:
    """The plan, unless one of its scanners came to be denied since it was made: not even a database is then refreshed.

    It is on the volume by now, so that the ledger can say the same of each cell.
    """
    check_plan(plan, (), spell_time(datetime.now(UTC)))
    return plan


def divide(plan: Plan, volume: Volume, *, shard: str = "", only: str = "") -> Work:
    """What this Workflow has to do of the run.

    A target belongs to the same shard in every Workflow of the run, whatever of it is left to do.

    Args:
        plan: of the run.
        volume: where its results so far lie.
        shard: number of the shard that this Workflow is; empty for the whole run.
        only: `failed` for the cells that did not end ok; empty for all.

    Raises:
        UsageError: there is no such shard.
    """
    wanted, several = pending(plan), sbom_batches(plan)
    if only == Only.FAILED:
        failed = failed_cells(plan, volume)
        untried = {own for own in failed if is_untried(plan, own, volume)}
        wanted = pending(plan, only=failed, unmatched=failed - untried)
        several = tuple(each for each in several if any((cell.target, cell.scan) in untried for cell in each.cells))
    every = shards(plan)
    if shard:
        if not (shard.isdecimal() and 0 < int(shard) <= len(every)):
            raise UsageError(f"run {plan.run} has no shard {shard!r}; it has {len(every)}")
        return Work(tuple(id_ for id_ in every[int(shard) - 1] if id_ in wanted), wanted)
    names = {scan for scans in wanted.values() for scan in scans} | {batch.scan for batch in several}
    databases = due((scan for scan in plan.scans if scan.name in names), volume)
    if len(cut(plan, wanted)) > 1:
        numbered = ((shard_number(number), shard) for number, shard in enumerate(every, start=1))
        left = {number: shard for number, shard in numbered if not wanted.keys().isdisjoint(shard)}
        in_turn = at_once(plan, tuple(left.values())) == 1
        return Work((), wanted, tuple(left), databases, in_turn, several)
    return Work(tuple(wanted), wanted, databases=databases, sboms=several)


def write_outputs(
    plan: Plan,
    work: Work,
    folder: Path,
    sets: Mapping[str, frozenset[str]] | None = None,
    readers: Iterable[str] = (),
) -> None:
    """Write what the rest of the Workflow needs to know, as files for its output parameters.

    `images` holds the items as a JSON list, `images-<set>` those of the images with exactly the scans of a set,
    `repositories` those of repositories, `shards` a JSON list of `{"shard": "001"}`, `shards-in-turn` the same where
    they run one after the other, `scans` the scans whose databases to refresh, between commas, and `sboms-<scan>` the
    batches of a scan's cells that read stored SBOMs.

    Args:
        plan: of the run.
        work: this Workflow's part of it.
        folder: where the files go.
        sets: scans by name of the set.
        readers: names of scans that may have such batches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for task, items in by_task(make_items(plan, work.scans, work.images), sets or {}).items():
        (folder / task).write_bytes(msgspec.json.encode(items))
    for scan in readers:
        (folder / sboms_template(scan)).write_bytes(msgspec.json.encode(sbom_items(work.sboms, scan)))
    parts = [{SHARD_KEY: shard} for shard in work.shards]
    (folder / Output.SHARDS).write_bytes(msgspec.json.encode([] if work.in_turn else parts))
    (folder / Output.SHARDS_IN_TURN).write_bytes(msgspec.json.encode(parts if work.in_turn else []))
    (folder / Output.SCANS).write_text(between_commas(work.databases), encoding="ascii")


@contextmanager
def _configuration(source: ConfigSource) -> Iterator[Config]:
    """The configuration; what it names by a relative path is there as long as this lasts.

    One from git has its templates, its CSVs and its VEX documents in the same repository, at the same commit.
    """
    from orchestrator.config.loading import load_config  # noqa: PLC0415 - only where the plan is made in the cluster

    if not source.git:
        yield load_config(source.path)
        return
    from orchestrator.config.targets import GitSection  # noqa: PLC0415
    from orchestrator.git.checkout import check_out_yaml  # noqa: PLC0415

    with temporary_folder() as folder:
        commit = check_out_yaml(source.git, source.ref, folder, suffixes=(".yaml", ".yml", LOCK))
        path = folder / source.path
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"git repository {source.git} at {commit}: there is no file {source.path!r}")
        config = load_config(path)
        if config.suppression.vex:
            check_out_yaml(source.git, commit, folder, suffixes=(".json",))
        here = GitSection(url=source.git, ref=commit)
        targets = [
            target.model_copy(update={"csv": target.csv.model_copy(update={"git": here})})
            if target.csv and target.csv.git is None
            else target
            for target in config.targets
        ]
        yield config.model_copy(update={"targets": tuple(targets)})


def _make(source: ConfigSource, run: str, volume: Volume) -> Plan:
    """Plan from a configuration, as pods can run it, whichever engine it names for those who read it elsewhere."""
    from orchestrator.planning import plan_run  # noqa: PLC0415 - only where the plan is made in the cluster
    from orchestrator.planning.venue import CLUSTER  # noqa: PLC0415

    with _configuration(source) as config:
        return plan_run(config, run=run, now=datetime.now(UTC), venue=CLUSTER, volume=volume.root)
