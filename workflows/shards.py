"""What changes from Workflow to Workflow: the plan itself as text, and one small item per image, wave by wave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.planning.shards import split
from orchestrator.steps.items import Item, fit_for_cluster, make_waves
from orchestrator.steps.plan import pack

if TYPE_CHECKING:
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
