"""The plan on the volume."""

from collections.abc import Sequence

import msgspec

from orchestrator.argo.names import shard_number
from orchestrator.errors import UsageError
from orchestrator.model import Plan
from orchestrator.model.documents import encode, read
from orchestrator.upkeep.room import lay_by
from orchestrator.volume.layout import Volume, write_atomic


class PlanExists(UsageError):  # noqa: N818 - the name says what happened
    """Another plan was already made under this run's id."""


def write_plan(plan: Plan, volume: Volume) -> None:
    """Put the plan on the volume, and keep room there for its results; writing the same plan again does nothing.

    Args:
        plan: the whole, or a part of it.
        volume: where it goes.

    Raises:
        PlanExists: there is another plan of that run. Plans are immutable: records and results refer to them.
    """
    whole, parts = volume.plan(plan.run), volume.plan_parts(plan.run)
    path = parts / f"{shard_number(plan.part.number)}.json" if plan.part else whole
    known = read(path, Plan) if path.exists() else None
    if known == plan:
        return
    if known or whole.exists() or (plan.part is None and parts.exists()):
        raise PlanExists(
            f"run {plan.run} already has another plan in {path if known else whole.parent}: resume that run, or choose"
            " another run id"
        )
    write_atomic(path, encode(plan))
    lay_by(plan, volume)


def read_plan(run: str, volume: Volume) -> Plan:
    """The plan of a run; of one that comes in parts, those that are there by now.

    Raises:
        DocumentError: there is none, or it is damaged.
    """
    whole = volume.plan(run)
    # By their numbers: the thousandth has more digits than those before it.
    parts = [] if whole.exists() else sorted(volume.plan_parts(run).glob("*.json"), key=lambda path: int(path.stem))
    return _join([read(path, Plan) for path in parts]) if parts else read(whole, Plan)


def read_part(run: str, part: str, volume: Volume) -> Plan:
    """One part of the plan of a run.

    Args:
        run: its id.
        part: number of the part, such as `001`.
        volume: where it lies.

    Raises:
        DocumentError: there is none, or it is damaged.
    """
    return read(volume.plan_parts(run) / f"{part}.json", Plan)


def end_part(plan: Plan, volume: Volume) -> Plan | None:
    """Note that a part of a plan has ended; doing it again does nothing.

    Returns:
        The whole plan when all of its parts have ended, which is then on the volume as that of any run; None before.
    """
    if plan.part is None:
        return plan
    folder = volume.plan_parts(plan.run)
    write_atomic(folder / f"{shard_number(plan.part.number)}.ended", b"")
    if sum(1 for _ in folder.glob("*.ended")) < plan.part.of:
        return None
    whole = read_plan(plan.run, volume)
    if not volume.plan(plan.run).exists():
        write_atomic(volume.plan(plan.run), encode(whole))
    return whole


def _join(parts: Sequence[Plan]) -> Plan:
    """The plan of a run out of its parts, in their order, as `orchestrator.planning.batches.split` made them."""
    return msgspec.structs.replace(
        parts[0],
        targets=tuple(target for part in parts for target in part.targets),
        cells=tuple(cell for part in parts for cell in part.cells),
        waves=tuple(wave for part in parts for wave in part.waves),
        part=None,
    )
