"""What a cluster needs before its first run, as Kubernetes objects that follow from the configuration.

text = render(config, Overlay.SINGLE_NODE, contents=…)   # all of it but Argo itself, as one YAML stream
found = files(config, Overlay.SINGLE_NODE, contents=…)   # a folder for `kubectl apply -k`: path → text
"""

from orchestrator.workflows.install.tree import files, objects, objects_in, objects_of, render
from orchestrator.workflows.overlays import Overlay

__all__ = ["Overlay", "files", "objects", "objects_in", "objects_of", "render"]
