"""The merged bill of materials of a run."""

BOM = "bom.cdx.json"
"""Name of its file."""
ARRAYS = ("components", "dependencies", "vulnerabilities")
"""What a BOM is about, in the order in which the arrays of the merged one are written and read."""
