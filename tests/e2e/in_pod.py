"""The service as a Deployment, asked from this machine through its Service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx2

from tests.e2e.site import await_, run

if TYPE_CHECKING:
    from pathlib import Path

NAME, TOKENS = "scanmatrix-service", "scanmatrix-tokens"


class InPod:
    """A service that runs in a pod.

    Attributes:
        namespace: where.
        token: of an administrator.
        url: of its Service.
    """

    def __init__(self, namespace: str, token: str) -> None:
        self.namespace, self.token, self.url = namespace, token, f"http://{_address(namespace)}"

    def client(self) -> httpx2.Client:
        """Asks it."""
        return httpx2.Client(base_url=self.url, headers={"authorization": f"Bearer {self.token}"}, timeout=30)

    def pods(self) -> list[str]:
        """Names of its pods."""
        found = run("kubectl", "-n", self.namespace, "get", "pods", "-l", "app.kubernetes.io/component=service",
                    "-o", "jsonpath={.items[*].metadata.name}")  # fmt: skip
        return found.split()

    def await_ready(self) -> None:
        """Wait for its Deployment, and until this machine reaches it."""
        run("kubectl", "-n", self.namespace, "rollout", "status", f"deployment/{NAME}", "--timeout=180s")
        await_(self._answers, 60, "the service to answer")

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx2.TransportError:  # its pod is ready before the node knows the way from its Service
            return False


def reserve(namespace: str) -> str:
    """The URL that its Service will have, for who has to know it before there is a configuration."""
    place = {"name": NAME, "namespace": namespace}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": place, "spec": {"ports": [{"port": 80}]}}
    run("kubectl", "apply", "--server-side", "-f", "-", stdin=json.dumps(service))
    return f"http://{_address(namespace)}"


def make_tokens(namespace: str, folder: Path) -> str:
    """Give the service its tokens, as a user does; one of an administrator."""
    file = folder / "tokens.json"
    token = run("scanmatrix", "token", "tests", "--role=admin", f"--file={file}").strip()
    run("kubectl", "-n", namespace, "create", "secret", "generic", TOKENS, f"--from-file={file}")
    return token


def _address(namespace: str) -> str:
    return run("kubectl", "-n", namespace, "get", "service", NAME, "-o", "jsonpath={.spec.clusterIP}")
