"""What servers of tests have in common: ports that are free, TLS where there is a certificate, a thread, their end."""

import socket
import socketserver
import ssl
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self


class Listening:
    """A server that listens from when it is made until its block ends.

    Args:
        server: answers requests.
        certificate: PEM file of its key and certificate; with it, it speaks TLS.

    Attributes:
        closing: set when the server is closed; what waits should wait for it.
    """

    def __init__(self, server: socketserver.TCPServer, certificate: Path | None) -> None:
        self.closing = threading.Event()
        self._server = server
        self._scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def host(self) -> str:
        """`address:port`."""
        return "{}:{}".format(*self._server.server_address[:2])

    @property
    def url(self) -> str:
        """Base URL."""
        return f"{self._scheme}://{self.host}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def free_ports(number: int, address: str = "127.0.0.1") -> list[int]:
    """Ports of an address of this machine where nothing listens, all different."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind((address, 0))
        return [probe.getsockname()[1] for probe in probes]
