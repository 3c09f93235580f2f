"""A mirror of scanners' databases on loopback, well-behaved or not; it notes what it was asked."""

import io
import json
import re
import ssl
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import zstandard

from tests.tools.layers import sha256


@dataclass
class Mirror:
    """What is served; change it at any time.

    Attributes:
        files: by path.
        redirects: where paths lead instead, forever.
        cut: paths whose next answers end after these numbers of bytes, one after the other.
        drip: seconds between two bytes of every answer.
        ranges: whether parts are served.
        lengths: whether answers say how long they are.
        tags: whether files have an ETag.
        statuses: answers to paths, without content.
        asked: path and Range of every request.
        headers: those of the last request.
        sent: bytes of content sent.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    cut: dict[str, list[int]] = field(default_factory=dict)
    drip: float = 0
    ranges: bool = True
    lengths: bool = True
    tags: bool = True
    statuses: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int = 0
    url: str = ""


LISTING, ARCHIVE = "/databases/v6/latest.json", "/databases/v6/db_2026-01-01T00:00:00Z.tar.zst"


def grype_files(content: bytes, since: datetime, **changes: str) -> dict[str, bytes]:
    """What a mirror of Grype's database serves, whatever else its listing may say."""
    archive = zstandard.compress(tar(vulnerability_db=content))
    listing = {
        "status": "active",
        "schemaVersion": "v6.1.4",
        "built": since.isoformat(),
        "path": ARCHIVE.rpartition("/")[2],
        "checksum": sha256(archive),
    }
    return {LISTING: json.dumps(listing | changes).encode(), ARCHIVE: archive}


def tar(**files: bytes) -> bytes:
    """An archive of files whose names have `_` for the dot."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("_", "."))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@contextmanager
def mirror(certificate: Path | None = None) -> Iterator[Mirror]:
    """A mirror, with TLS when it has a certificate."""
    served = Mirror()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"served": served}))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    served.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that goes away is none."""


class _Handler(BaseHTTPRequestHandler):
    served: ClassVar[Mirror]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.served.asked.append((self.path, wanted))
        self.served.headers = dict(self.headers.items())
        if target := self.served.redirects.get(self.path):
            self._answer(302, b"", {"Location": target})
        elif status := self.served.statuses.get(self.path):
            self._answer(status, b"", {})
        elif (content := self.served.files.get(self.path)) is None:
            self._answer(404, b"", {})
        else:
            self._file(content, wanted)

    def _file(self, content: bytes, wanted: str) -> None:
        tag = f'"{hash(content)}"'
        headers = {"ETag": tag} if self.served.tags else {}
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        if found and self.served.ranges and self.headers.get("If-Range", tag) == tag:
            start, end = int(found[1]), int(found[2] or len(content) - 1)
            part = content[start : end + 1]
            self._answer(206, part, headers | {"Content-Range": f"bytes {start}-{end}/{len(content)}"})
        else:
            self._answer(200, content, headers)

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.served.lengths:
            self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        cuts = self.served.cut.get(self.path, [])
        content = content[: cuts.pop(0)] if cuts else content
        size = 1 if self.served.drip else len(content) or 1
        for at in range(0, len(content), size):
            self.wfile.write(content[at : at + size])
            self.served.sent += size
            time.sleep(self.served.drip)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
