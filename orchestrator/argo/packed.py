"""A plan as compressed text, small enough for a Workflow's parameter."""

import base64
import binascii
import zlib

from orchestrator.model import Plan
from orchestrator.model.documents import DocumentError, decode, encode

#: Most bytes a packed plan may unfold to; 10,000 cells take about 2 MB.
UNPACK_LIMIT = 64 * 1024 * 1024


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
