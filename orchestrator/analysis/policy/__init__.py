"""Whether a run was good enough: each rule of a policy counts findings or cells, and says in words what broke it."""

from orchestrator.analysis.policy.cells import coverage
from orchestrator.analysis.policy.judging import Judge
from orchestrator.analysis.policy.words import name, verdict_lines

__all__ = ["Judge", "coverage", "name", "verdict_lines"]
