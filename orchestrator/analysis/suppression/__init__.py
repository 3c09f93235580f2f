"""Suppression: ignore rules and VEX documents, read when a run is planned, applied once after the merge."""

from orchestrator.analysis.suppression.apply import Suppressor
from orchestrator.analysis.suppression.first_use import first_used
from orchestrator.analysis.suppression.loading import load

__all__ = ["Suppressor", "first_used", "load"]
