"""Suppression: ignore rules and VEX documents, read when a run is planned, applied once after the merge."""

from orchestrator.results.suppression.apply import Suppressor
from orchestrator.results.suppression.first_use import first_used
from orchestrator.results.suppression.loading import load

__all__ = ["Suppressor", "first_used", "load"]
