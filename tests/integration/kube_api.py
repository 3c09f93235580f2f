"""A Kubernetes API server on loopback that knows a few kinds of objects and logs, and can misbehave."""

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
        others: objects of other kinds by their plural.
        kinds: what discovery tells of a version of an API group: kinds and their plurals.
        watches: what each watch answers, one after the other: types of events and objects.
        logs: text by pod and container.
        faults: status to answer by a pattern of the path.
        changes: what was created, changed or deleted, by method and name of the Workflow.
        asked: requests by path, the log's of all pods together.
    """

    def __init__(self) -> None:
        self.workflows: list[dict] = []
        self.pods: list[dict] = []
        self.events: list[dict] = []
        self.others: dict[str, list[dict]] = {}
        self.kinds: dict[str, dict[str, str]] = {}
        self.watches: list[list[tuple[str, dict]]] = []
        self.logs: dict[tuple[str, str], str] = {}
        self.faults: dict[str, int] = {}
        self.asked: Counter[str] = Counter()
        self.changes: list[tuple[str, str]] = []

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        if "watch" in query:
            return 200, self._next_watch()
        kind = path.rpartition("/")[2]
        self.asked[kind] += 1
        for pattern, status in self.faults.items():
            if re.search(pattern, path):
                return status, json.dumps({"kind": "Status", "message": f"told to answer {status}"}).encode()
        if kind == "log":
            return self._log(path.split("/")[-2], query)
        there = {"workflows": self.workflows, "pods": self.pods, "events": self.events} | self.others
        if kind not in there:
            return self._one(path, there.get(path.split("/")[-2], []), kind)
        namespace = path.split("/")[-2] if "/namespaces/" in path else ""
        found = [
            each for each in there[kind] if not namespace or each["metadata"].get("namespace", namespace) == namespace
        ]
        found = [each for each in found if _selected(each, query)]
        begin, limit = int(query.get("continue") or 0), int(query.get("limit", 10**6))
        more = str(begin + limit) if begin + limit < len(found) else ""
        metadata = {"continue": more, "resourceVersion": "100"}
        return 200, json.dumps({"items": found[begin : begin + limit], "metadata": metadata}).encode()

    def change(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Create, merge into, or delete an object."""
        self.changes.append((method, path.rpartition("/workflows")[2].strip("/")))
        for pattern, status in self.faults.items():
            if re.search(pattern, f"{method} {path}"):
                return status, json.dumps({"kind": "Status", "message": f"told to answer {status}"}).encode()
        if method == "POST":
            kind = path.rpartition("/")[2]
            there = self.workflows if kind == "workflows" else self.others.setdefault(kind, [])
            made = {"status": {"phase": "Running"}} | json.loads(body)
            if any(each["metadata"]["name"] == made["metadata"]["name"] for each in there):
                return 409, b'{"message": "exists", "reason": "AlreadyExists"}'
            made["metadata"].setdefault("uid", f"uid-{made['metadata']['name']}")
            made["metadata"].setdefault("namespace", path.split("/")[-2])
            there.append(made)
            return 201, json.dumps(made).encode()
        kind, name = path.split("/")[-2:]
        there = self.workflows if kind == "workflows" else self.others.get(kind, [])
        found = next((each for each in there if each["metadata"]["name"] == name), None)
        if found is None:
            return 404, b'{"message": "not found"}'
        if method == "DELETE":
            there.remove(found)
        else:
            for key, value in json.loads(body).items():
                merged = {**found.get(key, {}), **value}
                found[key] = {name: each for name, each in merged.items() if each is not None}
        return 200, json.dumps(found).encode()

    def _next_watch(self) -> bytes:
        """What a watch tells before it ends; nothing when there is no more to tell."""
        events = self.watches.pop(0) if self.watches else []
        return b"".join(json.dumps({"type": kind, "object": found}).encode() + b"\n" for kind, found in events)

    def _log(self, pod: str, query: dict[str, str]) -> tuple[int, bytes]:
        text = self.logs.get((pod, query.get("container", "")))
        if text is None:
            return 404, b'{"message": "not found"}'
        return 200, "".join(text.splitlines(keepends=True)[-int(query.get("tailLines", 10**6)) :]).encode()

    def _one(self, path: str, objects: list[dict], name: str) -> tuple[int, bytes]:
        """One object, or what kinds a version of an API group has."""
        if (group := path.removeprefix("/apis/").removeprefix("/api/")) in self.kinds:
            kinds = [{"name": plural, "kind": kind} for kind, plural in self.kinds[group].items()]
            return 200, json.dumps({"resources": kinds}).encode()
        found = next((each for each in objects if each["metadata"]["name"] == name), None)
        return (404, b'{"message": "not found"}') if found is None else (200, json.dumps(found).encode())


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
            query = {key: value[0] for key, value in parse_qs(parts.query).items()}
            self._send(*api.answer(parts.path, query))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._send(*api.change(self.command, urlsplit(self.path).path, body))

        do_PATCH = do_DELETE = do_POST  # noqa: N815 - as the base class has them

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that is killed is none."""

    server = Server(("127.0.0.1", 0), Handler)
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
