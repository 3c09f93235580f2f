"""Suppression: ignore rules and VEX documents, read when a run is planned, applied once after the merge.

What reads them is `…loading`: it needs the whole configuration, which what applies them does without.
"""

from orchestrator.analysis.suppression.apply import Suppressor
from orchestrator.analysis.suppression.first_use import first_used

__all__ = ["Suppressor", "first_used"]
