"""A plan as compressed text, small enough for a Workflow's parameter; and how large a Workflow may be."""

import base64
import binascii
import lzma
import zlib

from orchestrator.kit.quantities import spell_size
from orchestrator.model import Plan
from orchestrator.model.documents import DocumentError, decode, encode

#: Most bytes a packed plan may unfold to; 10,000 cells take about 2 MB.
UNPACK_LIMIT = 64 * 1024 * 1024
#: Most bytes of a Workflow with its status: Argo fails a larger one (`MAX_WORKFLOW_SIZE`, workflow/packer/packer.go).
MOST_BYTES = 1024 * 1024
#: The same of a submission. Argo keeps its parameters twice (`status.storedWorkflowTemplateSpec`), and with them all
#: templates of the WorkflowTemplate and the nodes of the parent.
MOST_SUBMITTED = 416 * 1024

# Deflated bytes from which on the slower LZMA packs a plan, in half the room or less: deflate forgets what lies more
# than 32 KiB back, such as the id of a target when its cells name it.
_LARGE = 128 * 1024
_XZ = b"\xfd7zXZ\x00"
_MEMORY = 64 * 1024 * 1024


def pack(plan: Plan) -> str:
    """The plan as text: JSON, compressed, base64. The same plan always gives the same text."""
    data = encode(plan)
    packed = zlib.compress(data, level=9)
    if len(packed) > _LARGE:
        packed = lzma.compress(data)
    return base64.b64encode(packed).decode("ascii")


def unpack(text: str) -> Plan:
    """Read a packed plan.

    Raises:
        DocumentError: it is not one, is truncated, or unfolds to more than `UNPACK_LIMIT` bytes.
    """
    try:
        packed = base64.b64decode(text, validate=True)
        if packed.startswith(_XZ):
            expand = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY)
            data, whole = expand.decompress(packed, UNPACK_LIMIT), expand.eof
        else:
            inflate = zlib.decompressobj()
            data, whole = inflate.decompress(packed, UNPACK_LIMIT), inflate.eof
    except (binascii.Error, ValueError, zlib.error, lzma.LZMAError) as error:
        raise DocumentError(f"packed plan: not what `pack` makes: {error}") from error
    if not whole:
        what = f"more than {UNPACK_LIMIT} bytes" if len(data) >= UNPACK_LIMIT else "truncated"
        raise DocumentError(f"packed plan: {what}")
    return decode(data, Plan, origin="packed plan")


def oversize(size: int, *, submitted: bool) -> str:
    """Why Argo would not take a Workflow of this size, and what to do; empty when it would.

    Args:
        size: bytes of the object as compact JSON.
        submitted: whether it brings its plan to the WorkflowTemplate; else it is self-contained.
    """
    most = MOST_SUBMITTED if submitted else MOST_BYTES
    if size <= most:
        return ""
    what = (
        "let the cluster make the plan (`argo submit --from workflowtemplate/scanmatrix`, or a schedule)"
        if submitted
        else "lower limits.cellsPerShard"
    )
    return (
        f"the plan makes a Workflow of {spell_size(size)}, and Argo runs none of more than {spell_size(most)}: {what},"
        " or plan fewer targets at a time"
    )
