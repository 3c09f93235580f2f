"""The merged bill of materials of a run."""
