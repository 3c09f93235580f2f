"""The parts of the HTML report: counts and rows out of `merged.parquet`, earlier runs, and the page around them.

`orchestrator.exports.html` is the way in.
"""
