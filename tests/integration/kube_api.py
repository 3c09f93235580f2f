"""A Kubernetes API server on loopback that knows Workflows, pods, events and logs, and can misbehave."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class KubeApi:
    """What there is, and what is answered instead.

    Attributes:
        workflows, pods, events: objects as the API has them.
        logs: text by pod and container.
        faults: status to answer by a pattern of the path.
        asked: requests by path, the log's of all pods together.
    """

    def __init__(self) -> None:
        self.workflows: list[dict] = []
        self.pods: list[dict] = []
        self.events: list[dict] = []
        self.logs: dict[tuple[str, str], str] = {}
        self.faults: dict[str, int] = {}
        self.asked: Counter[str] = Counter()

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        kind = path.rpartition("/")[2]
        self.asked[kind] += 1
        for pattern, status in self.faults.items():
            if re.search(pattern, path):
                return status, json.dumps({"kind": "Status", "message": f"told to answer {status}"}).encode()
        if kind == "log":
            text = self.logs.get((path.split("/")[-2], query.get("container", "")))
            if text is None:
                return 404, b'{"message": "not found"}'
            return 200, "".join(text.splitlines(keepends=True)[-int(query.get("tailLines", 10**6)) :]).encode()
        found = {"workflows": self.workflows, "pods": self.pods, "events": self.events}[kind]
        found = [each for each in found if _selected(each, query)]
        begin, limit = int(query.get("continue") or 0), int(query.get("limit", 10**6))
        more = str(begin + limit) if begin + limit < len(found) else ""
        return 200, json.dumps({"items": found[begin : begin + limit], "metadata": {"continue": more}}).encode()


def _selected(each: dict, query: dict[str, str]) -> bool:
    labels = each["metadata"].get("labels", {})
    wanted = dict(part.split("=", 1) for part in query.get("labelSelector", "").split(",") if part)
    if query.get("fieldSelector") == "status.phase!=Succeeded" and each["status"]["phase"] == "Succeeded":
        return False
    return wanted.items() <= labels.items()


@contextmanager
def serve(folder: Path) -> Iterator[tuple[KubeApi, Path]]:
    """Run one; gives it with the kubeconfig that leads to it."""
    api = KubeApi()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            status, body = api.answer(parts.path, {key: value[0] for key, value in parse_qs(parts.query).items()})
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "x", "user": {"token": "x"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }))  # fmt: skip
    try:
        yield api, path
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
