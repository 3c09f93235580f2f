"""What changes from Workflow to Workflow: the plan itself as text, and one small item per image, wave by wave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.argo.items import Item, fit_for_cluster, is_repository, make_waves, scans_of, without_scans
from orchestrator.argo.packed import pack
from orchestrator.argo.parameters import set_name
from orchestrator.planning.shards import split
from orchestrator.workflows.matrix import items_task, repositories_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.model import Plan


@dataclass(frozen=True)
class Shard:
    """One Workflow's part of a plan.

    Attributes:
        plan: as it is written to the volume.
        packed: the same as text.
        waves: items in groups that fit the volume one after the other; none when there is nothing to run.
    """

    plan: Plan
    packed: str
    waves: tuple[tuple[Item, ...], ...]


def shards_of(plan: Plan) -> tuple[Shard, ...]:
    """Cut a plan into Workflows, after failing what no pod could read."""
    parts = split(fit_for_cluster(plan), plan.limits.cells_per_shard)
    return tuple(Shard(part, pack(part), make_waves(part)) for part in parts)


def items_by_task(waves: Sequence[Sequence[Item]], sets: Sequence[frozenset[str]]) -> dict[str, list[Item]]:
    """Items by the name of the task that runs them; none for a task that has nothing to do.

    Args:
        waves: of one Workflow.
        sets: of names of scans, each of which has a template of its own.
    """
    names = {members: set_name(number) for number, members in enumerate(sets, start=1)}
    found: dict[str, list[Item]] = {}
    for number, wave in enumerate(waves, start=1):
        of_repositories = repositories_task(number, len(waves))
        for task in (*(items_task(number, len(waves), name) for name in ("", *names.values())), of_repositories):
            found[task] = []
        for item in wave:
            if is_repository(item):
                found[of_repositories].append(item)
                continue
            name = names.get(scans_of(item), "")
            found[items_task(number, len(waves), name)].append(without_scans(item) if name else item)
    return found
