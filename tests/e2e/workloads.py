"""Something that runs in the cluster, for the tests of what is found there."""

import json

from tests.e2e.site import run


def deploy(namespace: str, name: str, image: str, *, wait: bool = True, **annotations: str) -> None:
    """A Deployment of one pod that does nothing, of an image that the node has."""
    container = {"name": "main", "image": image, "imagePullPolicy": "Never", "command": ["sleep", "600"]}
    labels = {"app": name}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
            },
        },
    }
    run("kubectl", "apply", "-f", "-", stdin=json.dumps(manifest))
    if wait:
        run("kubectl", "-n", namespace, "rollout", "status", f"deployment/{name}", "--timeout=90s")
