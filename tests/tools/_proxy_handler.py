"""One connection to the proxy: read a request, ask the registry, hand the answer on, with the rule's fault."""

import http.client
import json
import socket
import time
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tests.tools._reset import reset_on_close
from tests.tools.bearer import wanted
from tests.tools.exchanges import Exchange
from tests.tools.faults import Fault

if TYPE_CHECKING:
    from tests.tools.proxy import Listener

CHUNK = 64 * 1024
Headers = list[tuple[str, str]]
_NONE = Fault()
_HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "proxy-connection",
    "expect",
}


class Handler(BaseHTTPRequestHandler):
    """Stays for all requests of a kept-alive connection."""

    protocol_version = "HTTP/1.1"
    server: "Listener"

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Nothing on stderr: the log is `proxy.log`."""

    def _serve(self) -> None:
        url = urlsplit(self.path)
        exchange = Exchange(
            method=self.command,
            path=unquote(url.path),
            query=url.query,
            range=self.headers.get("Range", ""),
            scheme=self.headers.get("Authorization", "").partition(" ")[0],
            store=self.server.store,
        )
        self.server.proxy.log.add(exchange)
        try:
            self._answer(exchange)
        finally:
            exchange.ended = time.monotonic()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - names the base class looks for

    def _answer(self, exchange: Exchange) -> None:
        proxy = self.server.proxy
        fault = proxy.faults.take(exchange.method, exchange.path) or _NONE
        if fault.delay:
            proxy.closing.wait(fault.delay)
        refusal = self._refusal(exchange, fault)
        if refusal is not None:
            for _ in self._request_body(exchange, fault):
                pass  # a client in the middle of its upload would not read the answer
            status, own, body = refusal
            self._send(exchange, fault, status, [*own.items(), ("Content-Length", str(len(body)))], iter([body]))
            return
        connection = proxy.connect()
        try:
            response = self._forward(exchange, fault, connection)
            headers = _without(response.getheaders(), _HOP_BY_HOP)
            self._send(exchange, fault, response.status, headers, iter(lambda: response.read(CHUNK), b""))
        finally:
            connection.close()

    def _refusal(self, exchange: Exchange, fault: Fault) -> tuple[int, dict[str, str], bytes] | None:
        """An answer of the proxy's own, or None to ask the registry."""
        proxy = self.server.proxy
        authorization = self.headers.get("Authorization", "")
        if fault.status is not None:
            return fault.status, {"Content-Type": "application/json"}, fault.body or _error("FAULT", "injected")
        if self.server.store:
            if authorization or "X-Amz-Signature=test" not in exchange.query:
                return 400, {}, b"<Error><Code>InvalidArgument</Code></Error>"
            return None
        if proxy.bearer is not None:
            if exchange.path == "/token":
                status, body = proxy.bearer.issue(exchange.query, authorization)
                return status, {"Content-Type": "application/json"}, body
            repository, action = wanted(exchange.method, exchange.path)
            if not proxy.bearer.admits(authorization, repository, action):
                challenge = proxy.bearer.challenge(proxy.realm, repository, action)
                headers = {"WWW-Authenticate": challenge, "Content-Type": "application/json"}
                return 401, headers, _error("UNAUTHORIZED", "authentication required")
        location = proxy.store_location(exchange.path) if exchange.digest and exchange.method == "GET" else None
        return (307, {"Location": location}, b"") if location else None

    def _forward(
        self, exchange: Exchange, fault: Fault, connection: http.client.HTTPConnection
    ) -> http.client.HTTPResponse:
        proxy = self.server.proxy
        # Host is handed on as it came, so that the registry's Location headers lead back through the proxy; a list,
        # because a client may send several Accept headers.
        headers = _without(self.headers.items(), _HOP_BY_HOP | ({"range"} if fault.ignore_range else set()))
        if proxy.bearer is not None or self.server.store:
            headers = _without(headers, {"authorization"}) + proxy.authorization()
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        connection.putrequest(exchange.method, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers + ([("Transfer-Encoding", "chunked")] if chunked else []):
            connection.putheader(name, value)
        connection.endheaders(self._request_body(exchange, fault), encode_chunked=chunked)
        return connection.getresponse()

    def _request_body(self, exchange: Exchange, fault: Fault) -> Iterator[bytes]:
        """The request's body as it is handed on, with what the rule does to it."""
        for data in self._received(exchange, fault.upload_rate):
            begin = exchange.received - len(data)
            if fault.upload_reset_after is not None and exchange.received > fault.upload_reset_after:
                self.close_connection = True
                reset_on_close(self.connection)
                raise ConnectionResetError
            at = fault.upload_corrupt_at
            if at is not None and begin <= at < exchange.received:
                data = data[: at - begin] + bytes([data[at - begin] ^ 0xFF]) + data[at - begin + 1 :]  # noqa: PLW2901
            yield data

    def _received(self, exchange: Exchange, rate: int | None) -> Iterator[bytes]:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                exchange.received += size
                yield self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return
        left = int(self.headers.get("Content-Length") or 0)
        piece = CHUNK if rate is None else max(1, rate // 20)
        while left and (data := self.rfile.read(min(left, piece))):
            left -= len(data)
            exchange.received += len(data)
            if rate is not None and self.server.proxy.closing.wait(len(data) / rate):
                return
            yield data

    def _send(self, exchange: Exchange, fault: Fault, status: int, headers: Headers, body: Iterator[bytes]) -> None:
        exchange.status = status
        changed = {k.lower() for k in fault.headers} | ({"content-length"} if fault.drop_length else set())
        headers = _without(headers, changed) + [(k, v) for k, v in fault.headers.items() if v is not None]
        bodiless = exchange.method == "HEAD" or status in {204, 304}
        if not bodiless and not any(name.lower() == "content-length" for name, _ in headers):
            headers.append(("Connection", "close"))  # the body then ends with the connection
            self.close_connection = True
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if not bodiless:
            self._send_body(exchange, fault, body)

    def _send_body(self, exchange: Exchange, fault: Fault, body: Iterator[bytes]) -> None:
        for data in body:
            if fault.corrupt_at is not None and exchange.sent <= fault.corrupt_at < exchange.sent + len(data):
                at = fault.corrupt_at - exchange.sent
                data = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]  # noqa: PLW2901
            if fault.cut is not None:
                data = data[: fault.cut - exchange.sent]  # noqa: PLW2901
            exchange.sent += len(data)
            self._write(data, fault.rate)
            if fault.cut is not None and exchange.sent >= fault.cut:
                break
        if fault.cut is not None:
            self._cut(fault)

    def _write(self, data: bytes, rate: int | None) -> None:
        if rate is None:
            self.wfile.write(data)
            return
        step = max(1, rate // 20)
        for start in range(0, len(data), step):
            self.wfile.write(data[start : start + step])
            self.server.proxy.closing.wait(step / rate)

    def _cut(self, fault: Fault) -> None:
        self.close_connection = True
        if fault.stall_after is not None:
            self.server.proxy.closing.wait()
        if fault.reset_after is None:
            return
        reset_on_close(self.connection)
        self.rfile.close()
        self.connection.close()


def _without(headers: Iterable[tuple[str, str]], names: set[str]) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in names]


def _error(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()
