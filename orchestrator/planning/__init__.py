"""Planning: targets × scans → the cells of one run, and what they will cost, before anything starts."""

from orchestrator.planning.interface import Located, Past, PlanError, Resolver
from orchestrator.planning.matrix import make_plan
from orchestrator.planning.shards import split

__all__ = ["Located", "Past", "PlanError", "Resolver", "make_plan", "split"]
