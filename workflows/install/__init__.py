"""What a cluster needs before its first run, as Kubernetes objects that follow from the configuration.

text = render(config, Overlay.SINGLE_NODE, contents=…)   # all of it but Argo itself, as one YAML stream
own = shared(config, contents=…)                        # into a namespace that has other pods too
added = parts(config, [InstallPart.SERVICE], contents=…)       # what is optional, by the file it stands in
found = files(config, Overlay.SINGLE_NODE, contents=…)   # a folder for `kubectl apply -k`: path → text
"""

from orchestrator.workflows.install.tree import (
    files,
    files_of_parts,
    objects,
    objects_in,
    objects_of,
    parts,
    render,
    shared,
)
from orchestrator.workflows.overlays import InstallPart, Overlay

__all__ = [
    "InstallPart",
    "Overlay",
    "files",
    "files_of_parts",
    "objects",
    "objects_in",
    "objects_of",
    "parts",
    "render",
    "shared",
]
