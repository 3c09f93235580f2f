"""The plan on the volume."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from orchestrator.argo.names import shard_number
from orchestrator.errors import NotKnownError, UsageError
from orchestrator.kit.sources import suggest
from orchestrator.model import Plan
from orchestrator.model.documents import DocumentError, encode, read
from orchestrator.model.plan import contradiction
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
        UsageError: its parts contradict each other.
    """
    if wrong := contradiction(plan):
        raise UsageError(f"the plan of run {plan.run} contradicts itself: {wrong}; make it again")
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
    if plan.part is not None and (other := _another_render(plan, parts)) is not None:
        raise PlanExists(
            f"run {plan.run}: part {plan.part.number} was rendered from another plan than part {other}, which is in"
            f" {parts}: submit the parts that were rendered together, or render them again with another run id"
        )
    write_atomic(path, encode(plan))
    lay_by(plan, volume)


def _another_render(plan: Plan, parts: Path) -> int | None:
    """Number of a part that is there and cannot be of the same plan; None when all can."""
    for path in parts.glob("*.json"):
        there = read(path, Plan)
        if there.part is not None and _common(there) != _common(plan):
            return there.part.number
        return None  # it was compared with those before it
    return None


def _common(part: Plan) -> Plan:
    """What all parts of a plan have in common: its scans, its limits, when it was made, how many parts it has."""
    count = msgspec.structs.replace(part.part, number=0) if part.part else None
    return msgspec.structs.replace(part, targets=(), cells=(), waves=(), part=count)


def read_plan(run: str, volume: Volume) -> Plan:
    """The plan of a run; of one that comes in parts, those that are there by now.

    Raises:
        DocumentError: there is none, or it is damaged.
    """
    whole = volume.plan(run)
    # By their numbers: the thousandth has more digits than those before it.
    parts = [] if whole.exists() else sorted(volume.plan_parts(run).glob("*.json"), key=lambda path: int(path.stem))
    plan = _join([read(path, Plan) for path in parts]) if parts else read(whole, Plan)
    return _checked(plan, parts[0].parent if parts else whole)


def find_plan(run: str, volume: Volume) -> Plan:
    """The plan of a run that a person names.

    Raises:
        NotKnownError: there is no such run on the volume.
    """
    if not volume.plan(run).exists():
        known = (path.stem for path in volume.plan(run).parent.glob("*.json"))
        raise NotKnownError(f"no run {run!r} on {volume.root}{suggest(run, known)} (there is no {volume.plan(run)})")
    return read_plan(run, volume)


def read_part(run: str, part: str, volume: Volume) -> Plan:
    """One part of the plan of a run.

    Args:
        run: its id.
        part: number of the part, such as `001`.
        volume: where it lies.

    Raises:
        DocumentError: there is none, or it is damaged.
    """
    path = volume.plan_parts(run) / f"{part}.json"
    return _checked(read(path, Plan), path)


def _checked(plan: Plan, origin: Path) -> Plan:
    """A plan that was read, unless its parts contradict each other."""
    if wrong := contradiction(plan):
        raise DocumentError(f"{origin}: the plan contradicts itself: {wrong}")
    return plan


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
