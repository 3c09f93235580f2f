"""Merge across scanners: one vulnerability of one package in one target is one row, whichever scanner found it."""

from orchestrator.analysis.merge.merge import CellFindings, merge
from orchestrator.packages.fixes import best_fix
from orchestrator.packages.identity import Package, canonical

__all__ = ["CellFindings", "Package", "best_fix", "canonical", "merge"]
