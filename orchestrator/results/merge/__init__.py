"""Merge across scanners: one vulnerability of one package in one target is one row, whoever found it."""

from orchestrator.packages.fixes import best_fix
from orchestrator.packages.identity import Package, canonical
from orchestrator.results.merge.merge import CellFindings, merge

__all__ = ["CellFindings", "Package", "best_fix", "canonical", "merge"]
