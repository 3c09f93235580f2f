"""A real API server with its etcd, and nothing else: what it takes and what it refuses, without any node."""

from __future__ import annotations

import json
import secrets
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.tools import require
from tests.tools.listening import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PATIENCE = 120


@dataclass(frozen=True)
class ApiServer:
    """Its address, and the administrator's token."""

    url: str
    token: str

    def ask(self, method: str, path: str, body: Any = None, *, kind: str = "application/json") -> tuple[int, Any]:
        """Status and answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        request = urllib.request.Request(f"{self.url}{path}", data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30, context=_unverified()) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def create(self, one: dict[str, Any], *, dry_run: bool = False) -> tuple[int, str]:
        """Create an object; status and message."""
        group = one["apiVersion"]
        plural = one["kind"].lower() + "s" if not one["kind"].endswith("y") else one["kind"].lower()[:-1] + "ies"
        place = f"/namespaces/{one['metadata']['namespace']}" if "namespace" in one["metadata"] else ""
        base = f"/apis/{group}" if "/" in group else f"/api/{group}"
        status, answer = self.ask("POST", f"{base}{place}/{plural}{'?dryRun=All' if dry_run else ''}", one)
        return status, str(answer.get("message", ""))


@contextmanager
def start_api_server(folder: Path) -> Iterator[ApiServer]:
    """Run both on loopback until the block ends."""
    etcd, server = str(require("etcd")), str(require("kube-apiserver"))
    store, peer, port = free_ports(3)
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    for words in (["genrsa", "-out", "sa.key", "2048"], ["rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub"]):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
    with ExitStack() as stack:
        at, peers = f"http://127.0.0.1:{store}", f"http://127.0.0.1:{peer}"
        _run(
            stack, folder, etcd, f"--data-dir={folder}/etcd", f"--listen-client-urls={at}",
            f"--advertise-client-urls={at}", f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}", "--unsafe-no-fsync", "--log-level=error",
        )  # fmt: skip
        _run(
            stack, folder, server, f"--etcd-servers={at}", "--service-cluster-ip-range=10.0.0.0/24",
            f"--token-auth-file={folder}/tokens.csv", "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={folder}/sa.key", f"--service-account-key-file={folder}/sa.pub",
            "--allow-privileged=true", f"--secure-port={port}", "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1", f"--cert-dir={folder}/pki", "--profiling=false",
            "--disable-admission-plugins=ServiceAccount",
        )  # fmt: skip
        found = ApiServer(f"https://127.0.0.1:{port}", token)
        _await(found)
        yield found


def _run(stack: ExitStack, folder: Path, program: str, *words: str) -> None:
    log = stack.enter_context((folder / f"{program.rpartition('/')[2]}.log").open("wb"))
    process = subprocess.Popen([program, *words], stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.kill)


def _await(server: ApiServer) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            if server.ask("GET", "/api/v1/namespaces/default")[0] == 200:
                return
        except (OSError, ValueError):
            pass
        if time.monotonic() > until:
            raise TimeoutError("the API server did not become ready")
        time.sleep(0.3)


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
