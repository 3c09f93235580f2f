"""Whether a run was good enough: each rule of a policy counts findings or cells, and says in words what broke it."""

from orchestrator.results.policy.cells import coverage
from orchestrator.results.policy.judging import Judge
from orchestrator.results.policy.words import name, told

__all__ = ["Judge", "coverage", "name", "told"]
