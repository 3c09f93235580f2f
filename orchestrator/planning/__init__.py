"""Planning: targets × scans → the cells of one run, and what they will cost, before anything starts.

Loaded when it is first used: the pods of a run read how a plan is cut, and need nothing of how plans are made.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.planning.composition import plan_run
    from orchestrator.planning.inputs import Located, Past, PlanError, Resolver
    from orchestrator.planning.matrix import make_plan

_HOMES = {"plan_run": "composition", "make_plan": "matrix"}
_HOMES |= dict.fromkeys(("Located", "Past", "PlanError", "Resolver"), "inputs")

__all__ = ["Located", "Past", "PlanError", "Resolver", "make_plan", "plan_run"]


def __getattr__(name: str) -> Any:
    """Load a name from its module."""
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
