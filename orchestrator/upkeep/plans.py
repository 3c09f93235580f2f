"""The plan on the volume, and as compressed text small enough for a Workflow's parameter."""

import base64
import binascii
import zlib

from orchestrator.errors import UsageError
from orchestrator.model import Plan
from orchestrator.model.documents import DocumentError, decode, encode, read
from orchestrator.upkeep.room import lay_by
from orchestrator.volume.layout import Volume, write_atomic

#: Most bytes a packed plan may unfold to; 10,000 cells take about 2 MB.
UNPACK_LIMIT = 64 * 1024 * 1024


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


def pack(plan: Plan) -> str:
    """The plan as text: JSON, deflated, base64. The same plan always gives the same text."""
    return base64.b64encode(zlib.compress(encode(plan), level=9)).decode("ascii")


def unpack(text: str) -> Plan:
    """Read a packed plan.

    Raises:
        DocumentError: it is not one, is truncated, or unfolds to more than `UNPACK_LIMIT` bytes.
    """
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(text, validate=True), UNPACK_LIMIT)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise DocumentError(f"packed plan: not what `pack` makes: {error}") from error
    if not inflate.eof:
        what = f"more than {UNPACK_LIMIT} bytes" if inflate.unconsumed_tail else "truncated"
        raise DocumentError(f"packed plan: {what}")
    return decode(data, Plan, origin="packed plan")
