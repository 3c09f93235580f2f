"""Cut a large plan into several of bounded size, each a whole plan of its own."""

from collections.abc import Sequence

import msgspec

from orchestrator.model import Cell, Decision, Plan, Target
from orchestrator.planning.budget import make_budget


def split(plan: Plan, cells_per_shard: int) -> tuple[Plan, ...]:
    """Cut a plan into shards; every target with all its cells lies in exactly one of them, in the plan's order.

    A shard's run is `<run>-001` and so on. A plan that needs no cutting comes back as it is, under its own run. Cells
    that will not run take no room in a Workflow, but still belong to a shard, so that its ledger accounts for them.

    A shard's waves are parts of the plan's waves: each fits the volume on its own. Where the plan has more than one
    wave, two of its shards may not run at the same time.

    Args:
        plan: the whole plan.
        cells_per_shard: most cells to run in one shard; a target with more has a shard to itself.

    Returns:
        The shards. A shard's `pull_bytes` is an upper bound: which blobs its images share is not in a plan.
    """
    cells: dict[str, list[Cell]] = {}
    for cell in plan.cells:
        cells.setdefault(cell.target, []).append(cell)
    groups: list[list[Target]] = [[]]
    used = 0
    for target in plan.targets:
        weight = sum(cell.decision is Decision.RUN for cell in cells.get(target.id, ()))
        if used and used + weight > cells_per_shard:
            groups.append([])
            used = 0
        groups[-1].append(target)
        used += weight
    if len(groups) == 1:
        return (plan,)
    wave_of = {id_: number for number, wave in enumerate(plan.waves) for id_ in wave}
    return tuple(
        _shard(
            plan,
            f"{plan.run}-{number:03}",
            group,
            [cell for target in group for cell in cells.get(target.id, ())],
            wave_of,
        )
        for number, group in enumerate(groups, start=1)
    )


def _shard(plan: Plan, run: str, targets: Sequence[Target], cells: Sequence[Cell], wave_of: dict[str, int]) -> Plan:
    """One shard as a plan of its own."""
    waves: dict[int, list[str]] = {}
    for target in targets:
        if target.id in wave_of:
            waves.setdefault(wave_of[target.id], []).append(target.id)
    live = [target for target in targets if target.id in wave_of]
    names = {cell.scan for cell in cells}
    scans = tuple(scan for scan in plan.scans if scan.name in names)
    from_registry = sum(target.size or 0 for target in live if not target.pull.startswith("file:"))
    in_order = tuple(tuple(waves[number]) for number in sorted(waves))
    return msgspec.structs.replace(
        plan,
        run=run,
        scans=scans,
        targets=tuple(targets),
        cells=tuple(cells),
        waves=in_order,
        budget=make_budget(
            targets=live,
            cells=cells,
            waves=in_order,
            scans={scan.name: scan for scan in scans},
            pull_bytes=min(from_registry, plan.budget.pull_bytes),
        ),
    )
