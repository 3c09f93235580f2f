"""What a cluster needs before its first run, as Kubernetes objects that follow from the configuration.

text = render(config, Overlay.SINGLE_NODE, contents=…)   # all of it but Argo itself, as one YAML stream
own = shared(config, contents=…)                        # into a namespace that has other pods too
found = files(config, Overlay.SINGLE_NODE, contents=…)   # a folder for `kubectl apply -k`: path → text
"""

from orchestrator.workflows.install.controller import controller
from orchestrator.workflows.install.tree import files, objects, objects_in, objects_of, render, shared
from orchestrator.workflows.overlays import Overlay

__all__ = ["Overlay", "controller", "files", "objects", "objects_in", "objects_of", "render", "shared"]
