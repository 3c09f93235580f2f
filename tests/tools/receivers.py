"""Receivers of notifications on loopback: webhooks and mail servers, well-behaved and not."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


@dataclass
class Hook:
    """A webhook that answers as configured, the last answer forever; it notes what it got.

    Attributes:
        answers: status, headers and body of each answer.
        got: headers and body of each request.
    """

    answers: list[tuple[int, dict[str, str], str]] = field(default_factory=lambda: [(200, {}, "ok")])
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@contextmanager
def webhook(
    *answers: tuple[int, dict[str, str], str], certificate: Path | None = None, address: str = "127.0.0.1"
) -> Iterator[Hook]:
    """A webhook, with TLS when it has a certificate."""
    hook = Hook(list(answers)) if answers else Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.got.append((dict(self.headers.items()), body))
            status, headers, text = hook.answers.pop(0) if len(hook.answers) > 1 else hook.answers[0]
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(text))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that goes away is none."""

    server = Server((address, 0), Handler)
    server.daemon_threads = True
    scheme = "http"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    hook.url = f"{scheme}://{address}:{server.server_port}/services/T000/very-secret-token"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def misbehaving(speak: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """A TCP server that does what it is asked to with each connection, until an event ends it; gives its port."""
    stop = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                speak(connection, stop)
            except OSError:
                return

    def accept() -> None:
        while not stop.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        stop.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def silent(connection: socket.socket, stop: threading.Event) -> None:
    """Take everything, never answer."""
    connection.settimeout(0.05)
    while not stop.is_set():
        try:
            if not connection.recv(65536):
                return
        except TimeoutError:
            continue


def trickling(words: bytes, pause: float = 0.1) -> Callable[[socket.socket, threading.Event], None]:
    """Answer at once, one byte after the other, forever."""

    def speak(connection: socket.socket, stop: threading.Event) -> None:
        sent = 0
        while not stop.is_set():
            connection.sendall(words[sent : sent + 1] or b"x")
            sent += 1
            time.sleep(pause)

    return speak


def hangs_after_ehlo(connection: socket.socket, stop: threading.Event) -> None:
    """A mail server that greets and then says nothing any more."""
    connection.sendall(b"220 mail.example.com ESMTP\r\n")
    connection.recv(1024)
    connection.sendall(b"250 mail.example.com\r\n")
    silent(connection, stop)


@dataclass
class Mailbox:
    """What a mail server took: sender, recipients and content of each message; and its port."""

    got: list[tuple[str, list[str], bytes]] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    busy: int = 0
    port: int = 0

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:  # noqa: N802 - aiosmtpd's name
        """Refuse some."""
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user here"
        if self.busy:
            self.busy -= 1
            return "451 4.7.1 greylisted, come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep it."""
        self.got.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        self.encrypted.append(session.ssl is not None)
        return "250 OK"


class _Tls(Controller):
    """Speaks TLS from the first byte on, and can be asked whether it is there."""

    def _trigger_server(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection((self.hostname, self.port), 5) as plain,
            context.wrap_socket(plain) as encrypted,
        ):
            encrypted.recv(1024)


@contextmanager
def mail_server(*, certificate: Path | None = None, implicit: bool = False, password: str = "") -> Iterator[Mailbox]:
    """A mail server: with STARTTLS if it has a certificate (or TLS at once), with logins if it has a password."""
    box = Mailbox()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    def judge(server, session, envelope, mechanism, data) -> AuthResult:
        assert isinstance(data, LoginPassword)
        box.logins.append((data.login, data.password))
        return AuthResult(success=data.password.decode() == password, handled=False)

    with socket.create_server(("127.0.0.1", 0)) as free:
        box.port = free.getsockname()[1]
    controller = (_Tls if implicit else Controller)(
        box,
        hostname="127.0.0.1",
        port=box.port,
        ssl_context=context if implicit else None,
        tls_context=None if implicit else context,
        require_starttls=context is not None and not implicit,
        authenticator=judge if password else None,
        auth_required=bool(password),
        auth_require_tls=not implicit,
    )
    controller.start()
    try:
        yield box
    finally:
        controller.stop()
