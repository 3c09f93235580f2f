"""How a plan is cut into batches: the one answer for the local engine, rendered Workflows, shards, and the budget.

A batch is a group of whole targets: at most `limits.cells_per_shard` cells to run, and tarballs that fit the volume's
budget together. The cut is made with the plan, lies in it as `Plan.waves`, and is read by `batches` alone:

| runs it | a batch is |
|---|---|
| local engine | what is pulled, scanned and evicted before the next one begins |
| a submission, the schedule, the scheduler | a shard: a Workflow of its own under the run's |
| `render` | a self-contained Workflow, which brings its part of the plan (`split`) |
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from orchestrator.model import Decision
from orchestrator.model.plan import Part, matched, pending

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.model import Cell, Plan, Target

Batches: TypeAlias = tuple[tuple[str, ...], ...]
"""Ids of targets, batch by batch."""

#: Most sets of scans that get a template of their own.
MOST_SETS = 12


def batches(plan: Plan) -> Batches:
    """The batches of a plan; none when there is nothing to run.

    Plans of earlier versions have waves that only fit the volume: what is too many cells of them is cut further.
    """
    wanted = pending(plan)
    waves: Batches = plan.waves or (tuple(wanted),)
    return tuple(batch for wave in waves for batch in cut(plan, {id_: wanted[id_] for id_ in wave if id_ in wanted}))


def shards(plan: Plan) -> Batches:
    """The same with all targets that may come to be pulled: behind them those that are only asked for from their SBOMs.

    A target has the same place in every Workflow of a run, whatever became of its SBOM.
    """
    found = batches(plan)
    planned = {target for batch in found for target in batch}
    further: dict[str, list[str]] = {}
    for cell in matched(plan):
        if cell.target not in planned:
            further.setdefault(cell.target, []).append(cell.scan)
    return (*found, *cut(plan, further))


def cut(plan: Plan, wanted: Mapping[str, Sequence[str]]) -> Batches:
    """Cut targets into batches, in their order; the same arguments always give the same batches.

    A target of unknown size counts as nothing. One that alone is more than the limits allow has a batch to itself.

    Args:
        plan: of the run; its targets have the sizes.
        wanted: scans to run by the id of their target, as `pending` gives them.
    """
    limits = plan.limits
    found: list[list[str]] = []
    cells = taken = 0
    for id_, scans in wanted.items():
        size = _size(plan.targets_by_id[id_])
        too_large = bool(limits.volume_bytes) and taken + size > limits.volume_bytes
        if not found or too_large or cells + len(scans) > limits.cells_per_shard:
            found.append([])
            cells = taken = 0
        found[-1].append(id_)
        cells += len(scans)
        taken += size
    return tuple(map(tuple, found))


def at_once(plan: Plan, found: Batches) -> int:
    """How many batches may run at the same time in a cluster.

    `limits.shards_in_flight` where any this many of them fit the volume together, else one: Argo takes one bound for
    all of them, which is part of the WorkflowTemplate.
    """
    most = plan.limits.shards_in_flight
    return most if _peak(plan, found, most) <= plan.limits.volume_bytes or not plan.limits.volume_bytes else 1


def peak_bytes(plan: Plan, found: Batches, *, in_cluster: bool) -> int:
    """Most bytes that the tarballs of a plan take on the volume at a time.

    Args:
        plan: of the run.
        found: its batches.
        in_cluster: whether its batches are shards, which evict their tarballs when they end. The local engine runs
            one after the other, and evicts nothing as long as everything fits.
    """
    if in_cluster:
        return _peak(plan, found, at_once(plan, found))
    return total_bytes(plan, pending(plan)) if fits(plan) else _peak(plan, found, 1)


def fits(plan: Plan) -> bool:
    """Whether the tarballs of all targets to run fit the volume together, so that none has to go before the end."""
    return not plan.limits.volume_bytes or total_bytes(plan, pending(plan)) <= plan.limits.volume_bytes


def total_bytes(plan: Plan, targets: Iterable[str]) -> int:
    """Bytes of the tarballs of some targets, as far as they are known."""
    return sum(_size(plan.targets_by_id[id_]) for id_ in targets)


def split(plan: Plan) -> tuple[Plan, ...]:
    """A plan as parts, a batch each; one that needs no cutting as it is.

    A part has its targets with all their cells; those that have nothing to run are in the part of the target before
    them. All parts belong to the same run, and together they are its plan (`orchestrator.upkeep.plans`).
    """
    found = batches(plan)
    if len(found) < 2:  # noqa: PLR2004
        return (msgspec.structs.replace(plan, waves=found),)
    home = {id_: place for place, batch in enumerate(found) for id_ in batch}
    targets: list[list[Target]] = [[] for _ in found]
    cells: list[list[Cell]] = [[] for _ in found]
    place = 0
    for target in plan.targets:
        place = home.setdefault(target.id, place)
        targets[place].append(target)
    for cell in plan.cells:
        cells[home[cell.target]].append(cell)
    return tuple(
        msgspec.structs.replace(
            plan,
            targets=tuple(targets[place]),
            cells=tuple(cells[place]),
            waves=(batch,),
            part=Part(number=place + 1, of=len(found)),
        )
        for place, batch in enumerate(found)
    )


def common_sets(wanted: Iterable[frozenset[str]]) -> tuple[frozenset[str], ...]:
    """The sets of scans that most images want, the most common first; at most `MOST_SETS` of them.

    Args:
        wanted: the scans of each image.
    """
    return tuple(scans for scans, _ in Counter(wanted).most_common(MOST_SETS))


def wanted_by_images(plan: Plan) -> list[frozenset[str]]:
    """The scans that are to run of each image of a plan that has any; repositories left out."""
    targets = plan.targets_by_id
    return [frozenset(scans) for id_, scans in pending(plan).items() if not targets[id_].is_repository]


def usually_wanted(plan: Plan) -> list[frozenset[str]]:
    """The same when no earlier result is fresh: a WorkflowTemplate outlasts the plan that it is rendered with."""
    found: dict[str, set[str]] = {}
    for cell in plan.cells:
        if (cell.decision is Decision.RUN or cell.standing) and not plan.targets_by_id[cell.target].is_repository:
            found.setdefault(cell.target, set()).add(cell.scan)
    return list(map(frozenset, found.values()))


def _peak(plan: Plan, found: Batches, most: int) -> int:
    """Bytes of the largest batches together."""
    return sum(sorted((total_bytes(plan, batch) for batch in found), reverse=True)[:most])


def _size(target: Target) -> int:
    return target.size or 0
