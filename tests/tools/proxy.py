"""A loopback HTTP proxy in front of a registry: counts what passes, and misbehaves as told.

Example:
    with Proxy("http://127.0.0.1:5000") as proxy:
        proxy.faults.add(faults.reset(after_bytes=1000), faults.answer(503, times=2))
        pull(f"{proxy.host}/app:1")
        assert proxy.log.blob_reads()[digest] == 1
"""

import http.client
import socketserver
import sys
import threading
from base64 import b64encode
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit

from tests.tools._proxy_handler import Handler
from tests.tools.bearer import Bearer
from tests.tools.exchanges import Exchanges
from tests.tools.faults import Faults


class Listener(socketserver.ThreadingTCPServer):
    """One port of a proxy; a thread per connection."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, proxy: "Proxy", address: str, *, store: bool = False) -> None:
        self.proxy = proxy
        self.store = store
        super().__init__((address, 0), Handler)

    @property
    def host(self) -> str:
        """`address:port`."""
        return "{}:{}".format(*self.server_address[:2])

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is its own affair; anything else is a fault of this harness."""
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError | TimeoutError):
            self.proxy.errors.append(error)


class Proxy:
    """Reverse proxy with a log (`log`), rules (`faults`) and, when wanted, a token server and a blob store.

    Args:
        target: base URL of the registry.
        bearer: require its tokens; the token endpoint is `/token` on this proxy.
        redirect_blobs: answer GETs of blobs with a 307 to another port, as registries backed by S3 do. That port
            wants the signature of the redirect and, as S3 does, refuses a request that also brings Authorization.
        credentials: user and password the proxy itself shows to the registry, for what was let in by `bearer`
            or the signature of a redirect.
        address: where it listens.

    Attributes:
        log: every exchange.
        faults: the rules.
        errors: exceptions inside the proxy; a test's fixture checks that there are none.
    """

    def __init__(
        self,
        target: str,
        *,
        bearer: Bearer | None = None,
        redirect_blobs: bool = False,
        credentials: tuple[str, str] | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self.target = urlsplit(target).netloc
        self.bearer = bearer
        self.credentials = credentials
        self.log = Exchanges()
        self.faults = Faults()
        self.errors: list[BaseException] = []
        self.closing = threading.Event()
        self._main = Listener(self, address)
        self._store = Listener(self, address, store=True) if redirect_blobs else None
        self._threads = [
            threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            for listener in self._listeners
        ]
        for thread in self._threads:
            thread.start()

    @property
    def host(self) -> str:
        """`127.0.0.1:port`, the registry part of image references."""
        return self._main.host

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://{self.host}"

    @property
    def realm(self) -> str:
        """URL of the token endpoint."""
        return f"{self.url}/token"

    def store_location(self, path: str) -> str | None:
        """Where the blob store has this blob; None when blobs are not redirected."""
        return f"http://{self._store.host}{quote(path, safe='/:')}?X-Amz-Signature=test" if self._store else None

    def authorization(self) -> list[tuple[str, str]]:
        """The header that shows the proxy's own credentials to the registry."""
        if self.credentials is None:
            return []
        return [("Authorization", "Basic " + b64encode(":".join(self.credentials).encode()).decode())]

    def connect(self) -> http.client.HTTPConnection:
        """A fresh connection to the registry."""
        return http.client.HTTPConnection(self.target, timeout=60)

    def close(self) -> None:
        """Stop listening, and let go of clients that are kept waiting."""
        self.closing.set()
        for listener in self._listeners:
            listener.shutdown()
            listener.server_close()
        for thread in self._threads:
            thread.join(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _listeners(self) -> list[Listener]:
        return [self._main, self._store] if self._store else [self._main]
