"""`scanmatrix-step`: what the pods of a run call, one command for each kind of pod; see `orchestrator.argo.commands`.

The last line on stderr says why a step failed; of what nobody foresaw a traceback stands above it.
"""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

from orchestrator.argo.agreed import PROGRAM
from orchestrator.argo.command_line import parse
from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.kit.logs import write_to_stderr
from orchestrator.steps.entry import exit_of, run
from orchestrator.steps.saying import complain

if TYPE_CHECKING:
    from collections.abc import Sequence


#: New objects after which garbage is looked for, instead of 700.
_MANY = 50_000


def program() -> int:
    """The whole process of a pod's step; its exit status is returned."""
    # What a step imports and reads stays until its end, so looking for garbage among it would find none.
    gc.set_threshold(_MANY)
    status = main()
    gc.freeze()  # or Python would look through all of it once more while it ends
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one step; the process's exit status is returned."""
    words = sys.argv[1:] if arguments is None else arguments
    step = parse(words)
    write_to_stderr(PROGRAM, tracebacks=True)
    try:
        with guarded(f"running {' '.join(words)}"):
            return run(step)
    except (ScanmatrixError, OSError) as error:
        complain(" ".join(str(error).split()))
        return exit_of(error)


if __name__ == "__main__":
    sys.exit(program())
