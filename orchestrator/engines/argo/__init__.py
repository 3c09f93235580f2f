"""The Argo engine: a run on a cluster."""
