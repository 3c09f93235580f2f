"""In which namespace this process is, where it is a pod's: other tools may put our manifests into another one.

Kustomize's `namespace:` changes where objects are, and not the namespace that a command line or a configuration names.
What then asks the wrong namespace must say so, instead of finding nothing there.
"""

from pathlib import Path

from orchestrator.kit.advice import ours

#: Where Kubernetes says it to a pod that has a token.
NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def why_not_here(namespace: str) -> str:
    """Why this pod is in the wrong namespace; empty where it is in this one, or is no pod with a token."""
    try:
        here = NAMESPACE.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
    if here == namespace:
        return ""
    return (
        f"this pod is in the namespace {here!r}, and its manifests were made for {namespace!r}: kustomize's"
        f" `namespace:` changes where objects are, not what they say. Set `argo.namespace: {here}` in the"
        f" configuration, and apply what {ours('install')} then renders, with neither namespaces nor names changed"
    )
