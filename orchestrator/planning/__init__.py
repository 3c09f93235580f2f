"""Planning: targets × scans → the cells of one run, and what they will cost, before anything starts.

Loaded when it is first used: the pods of a run read how a plan is cut, and need nothing of how plans are made.
"""

from typing import TYPE_CHECKING

from orchestrator.kit.lazy import lazy

if TYPE_CHECKING:
    from orchestrator.planning.composition import plan_run
    from orchestrator.planning.inputs import Located, Past, PlanError, Resolver
    from orchestrator.planning.matrix import make_plan

__all__ = ["Located", "Past", "PlanError", "Resolver", "make_plan", "plan_run"]

__getattr__ = lazy(
    __name__,
    {
        "plan_run": "orchestrator.planning.composition",
        "make_plan": "orchestrator.planning.matrix",
        **dict.fromkeys(("Located", "Past", "PlanError", "Resolver"), "orchestrator.planning.inputs"),
    },
)
