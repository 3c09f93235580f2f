"""Which images of a plan run together: parts of bounded size, one Workflow each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.model.plan import pending

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.model import Plan


#: Most sets of scans that get a template of their own.
MOST_SETS = 12


def parts(plan: Plan, wanted: Mapping[str, list[str]]) -> tuple[tuple[str, ...], ...]:
    """Cut the targets to run into parts, in the plan's order; the same arguments always give the same parts.

    A part holds at most `limits.cells_per_shard` cells, and tarballs of at most the part of the volume that is its own
    when `limits.shards_in_flight` of them run at the same time. A target that alone is more than that has a part to
    itself. What fits the volume as a whole, and is few enough cells, is one part.

    Args:
        plan: of the run; its targets have the sizes.
        wanted: as `pending` gives it.

    Returns:
        Ids of targets, part by part; none when there is nothing to run.
    """
    limits = plan.limits
    sizes = {id_: plan.targets_by_id[id_].size or 0 for id_ in wanted}
    one = sum(map(len, wanted.values())) <= limits.cells_per_shard
    if one and (not limits.volume_bytes or sum(sizes.values()) <= limits.volume_bytes):
        return (tuple(wanted),) if wanted else ()
    share = limits.volume_bytes // limits.shards_in_flight
    found: list[list[str]] = []
    cells = taken = 0
    for id_, scans in wanted.items():
        full = cells + len(scans) > limits.cells_per_shard or (limits.volume_bytes and taken + sizes[id_] > share)
        if not found or (full and found[-1]):
            found.append([])
            cells = taken = 0
        found[-1].append(id_)
        cells += len(scans)
        taken += sizes[id_]
    return tuple(map(tuple, found))


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
