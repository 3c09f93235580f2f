"""Scanners are part of the supply chain: which images they are by digest, and which of them are not trusted.

Whether a scanner is trusted is decided in one place, `orchestrator.scanners.distrust`: before a plan is made, before
a cell starts, when its report has come, and whenever an earlier result is read.
"""
