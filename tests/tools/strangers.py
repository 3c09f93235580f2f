"""A server on loopback that answers whatever a test wants, byte by byte, and notes what it was asked.

Example:
    with Stranger(lambda asked, send: send(answer(b"{}", "Link: </next>; rel=next"))) as stranger:
        client.tags(f"{stranger.url}/app")
        assert len(stranger.asked) == 1
"""

import json
import socketserver
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.tools.listening import Listening

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_HEAD_LIMIT = 64 * 1024


@dataclass(frozen=True)
class Asked:
    """One request.

    Attributes:
        path: with its query.
        headers: by lower-case names.
        method: of it.
        body: as long as its Content-Length says.
    """

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes = b""

    @property
    def reference(self) -> str:
        """What of the repository is asked for: the last part of the path."""
        return self.path.partition("?")[0].rpartition("/")[2]


#: Sends bytes as they are; False when the client has gone or the server is closed.
Send = Callable[[bytes], bool]
Behaviour = Callable[[Asked, Send], None]


def answer(body: bytes = b"", *fields: str, status: str = "200 OK") -> bytes:
    """A whole answer, its length included."""
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields))
    return head.encode("latin-1") + b"\r\n" + body


def digest(data: bytes) -> str:
    """Of a document."""
    return f"sha256:{sha256(data).hexdigest()}"


def index(*members: bytes, copies: int = 1, **more: Any) -> bytes:
    """An index of documents, each named several times, without saying for which platform."""
    listed = [{"mediaType": INDEX, "digest": digest(each), "size": len(each), **more} for each in members]
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed * copies}).encode()


class Stranger(Listening):
    """Listens until closed; one thread per connection.

    Args:
        behaviour: answers one request; what it raises closes the connection.
        certificate: PEM file with key, to speak TLS.
        address: of this machine.

    Attributes:
        asked: every request so far.
        sent: bytes of answers so far.
    """

    def __init__(self, behaviour: Behaviour, *, certificate: Path | None = None, address: str = "127.0.0.1") -> None:
        self.asked: list[Asked] = []
        self.sent = 0
        super().__init__(_Server(self, behaviour, address), certificate)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, stranger: Stranger, behaviour: Behaviour, address: str) -> None:
        self.stranger, self.behaviour = stranger, behaviour
        super().__init__((address, 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that give up are what is tested."""


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        stranger = self.server.stranger
        while not stranger.closing.is_set() and (asked := self._read()) is not None:
            stranger.asked.append(asked)
            self.server.behaviour(asked, self._send)

    def _send(self, data: bytes) -> bool:
        stranger = self.server.stranger
        try:
            self.wfile.write(data)
        except OSError:
            return False
        stranger.sent += len(data)
        return not stranger.closing.is_set()

    def _read(self) -> Asked | None:
        try:
            if self.rfile.peek(1)[:1] == b"\x16":  # a TLS client: what plain servers say to one
                self.wfile.write(answer(status="400 Bad Request"))
                return None
            lines = iter(lambda: self.rfile.readline(_HEAD_LIMIT).decode("latin-1").strip(), "")
            first, *fields = list(lines) or [""]
        except OSError:
            return None
        if len(first.split()) < 2:
            return None
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        return Asked(first.split()[1], headers, first.split()[0], body)
