"""The plan on the volume."""

from orchestrator.errors import UsageError
from orchestrator.model import Plan
from orchestrator.model.documents import encode, read
from orchestrator.upkeep.room import lay_by
from orchestrator.volume.layout import Volume, write_atomic


class PlanExists(UsageError):  # noqa: N818 - the name says what happened
    """Another plan was already made under this run's id."""


def write_plan(plan: Plan, volume: Volume) -> None:
    """Put the plan on the volume, and keep room there for its results; writing the same plan again does nothing.

    Raises:
        PlanExists: there is another plan of that run. Plans are immutable: records and results refer to them.
    """
    path = volume.plan(plan.run)
    if path.exists():
        if read(path, Plan) != plan:
            raise PlanExists(
                f"run {plan.run} already has another plan in {path}: resume that run, or choose another run id"
            )
        return
    write_atomic(path, encode(plan))
    lay_by(plan, volume)


def read_plan(run: str, volume: Volume) -> Plan:
    """The plan of a run.

    Raises:
        DocumentError: there is none, or it is damaged.
    """
    return read(volume.plan(run), Plan)
