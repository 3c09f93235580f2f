"""scanmatrix: a matrix of images × scans, planned, run and accounted for.

    import scanmatrix

    config = scanmatrix.load_config("scanmatrix.yaml")
    plan = scanmatrix.make_plan(config)
    ledger = scanmatrix.run(plan, config)

The name under which the project is imported. Everything here is the public surface of `orchestrator`, the package that
holds the code: the very same objects, loaded when first used.
"""

from __future__ import annotations

import orchestrator

TYPE_CHECKING = False  # see `orchestrator/__init__.py`

try:
    from orchestrator import __all__, public
except ImportError:
    raise ImportError(
        "the code of scanmatrix is the package `orchestrator`, and Python finds another one before it:"
        f" {orchestrator.__file__ or list(orchestrator.__path__)}; use the command `scanmatrix` or `python -P`, so that"
        " the working directory is not searched, take that folder out of PYTHONPATH, or rename that package",
        name="orchestrator",
    ) from None

if TYPE_CHECKING:
    from typing import Any

if TYPE_CHECKING:  # what type checkers and editors see; at run time `__getattr__` loads each name on its own
    from orchestrator import *  # noqa: F403
    from orchestrator import __version__ as __version__
    from orchestrator import aio as aio
else:

    def __getattr__(name: str) -> Any:
        return public(name, module=__name__)


def __dir__() -> list[str]:
    return sorted(__all__)
