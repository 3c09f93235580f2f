"""Plans as tests make them, of entries and a catalog."""

from functools import partial

from orchestrator.planning.matrix import make_plan
from orchestrator.planning.venue import HERE

plan_here = partial(make_plan, venue=HERE)
"""`make_plan` for this machine, unless a test names another venue."""
