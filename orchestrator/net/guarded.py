"""Connections to whom strangers name: every answer metered, and no address reached that a stranger may not lead to.

The address that is checked is the one connected to: a name is resolved once, and again nobody asks a name server in
between (DNS rebinding). urllib3 makes a connection for many requests, so what a request needs of it is handed over in
a variable of the thread that sends it.
"""

from __future__ import annotations

import http.client
import io
import logging
import socket
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family

from orchestrator.kit.addresses import Zone, zone_of
from orchestrator.net.meter import MeteredFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.net.meter import Meter

#: Addresses of one name that are tried, each as long as a connection may take. Docker Hub has some ten.
_MOST_ADDRESSES: Final = 16


@dataclass(eq=False)
class Exchange:
    """One request and its answer, on whatever connection they pass.

    Attributes:
        meter: counts the answer.
        check: raises where an address of this zone must not be reached.
        zone: where the connection leads; of a proxied one the zone that its URL shows.
        connection: on which the answer is waited for.
        sent: whether all of the request was sent.
        body: where the body of the answer is read, once its header has come.
    """

    meter: Meter
    check: Callable[[Zone], None]
    zone: Zone = Zone.PUBLIC
    connection: HTTPConnection | None = None
    sent: bool = False
    body: Body = field(init=False)

    def abort(self) -> None:
        """Make a wait for the answer's header in another thread end at once."""
        sock = self.connection.sock if self.connection is not None else None
        if sock is not None:
            with suppress(OSError, ValueError):  # closed meanwhile
                sock.shutdown(socket.SHUT_RDWR)

    def reach(self, zone: Zone) -> None:
        """Say where a connection leads, before anything is sent on it."""
        self.check(zone)
        self.zone = zone


_current: ContextVar[Exchange] = ContextVar("exchange")


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether urllib3 may log it: not what strangers wrote in place of header fields, nor the signature of a URL."""
    return not str(record.msg).startswith("Failed to parse headers")


logging.getLogger("urllib3.connection").addFilter(_is_ours)


@contextmanager
def exchanging(exchange: Exchange) -> Iterator[None]:
    """Send what is sent in this block, by this thread, as this exchange."""
    token = _current.set(exchange)
    try:
        yield
    finally:
        _current.reset(token)


class Body(http.client.HTTPResponse):
    """An answer whose every byte is metered, the header's too."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        source = self.fp.detach()
        exchange = _current.get()
        self.fp = io.BufferedReader(MeteredFile(source, sock, exchange.meter))
        exchange.body = self

    def read_into(self, buffer: memoryview) -> int:
        """Put what has arrived of the body into a buffer, without waiting until that is full; 0 at the end.

        `urllib3` has nothing like it: its `read1` makes new bytes each time, whose memory the system has to clear.

        Raises:
            IncompleteRead: it ended early.
        """
        if self.fp is None:
            return 0
        if self.chunked:
            piece = self.read1(len(buffer))
            buffer[: len(piece)] = piece
            return len(piece)
        count = self.fp.readinto1(buffer if self.length is None else buffer[: self.length])
        if self.length is not None:
            if self.length and not count:
                raise http.client.IncompleteRead(b"", self.length)
            self.length -= count
        if not count or self.length == 0:
            self.close()
        return count


class _Guarded(HTTPConnection):
    """What both kinds of connections have in common."""

    response_class = Body
    zone: Zone | None = None

    def _new_conn(self) -> socket.socket:
        if self.proxy is not None:  # the proxy is ours, and where it goes nobody sees from here
            return super()._new_conn()
        failure: Exception | None = None
        for address in self._addresses():
            _current.get().reach(zone_of(address))
            try:
                return self._connect(address)
            except ConnectTimeoutError as error:  # a refused connection is one, too
                failure = error
        raise failure or NewConnectionError(self, "its name has no address")

    def request(self, *args: Any, **options: Any) -> None:
        """Send, when the connection leads to where it may."""
        exchange = _current.get()
        exchange.connection = self
        if self.zone is not None:  # kept from an earlier request
            exchange.reach(self.zone)
        super().request(*args, **options)
        exchange.sent = True

    def _addresses(self) -> list[str]:
        """The name resolved, once."""
        name = self._dns_host.strip("[]")
        try:
            found = socket.getaddrinfo(name, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            cause = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
            raise NameResolutionError(self.host, self, cause) from error
        return list(dict.fromkeys(str(address[0]) for *_, address in found))[:_MOST_ADDRESSES]

    def _connect(self, address: str) -> socket.socket:
        """Connect to an address, and to what its name resolves to by now."""
        name = self._dns_host
        self._dns_host = address
        try:
            connection = super()._new_conn()
        finally:
            self._dns_host = name
        self.zone = zone_of(connection.getpeername()[0])
        return connection


class _Plain(_Guarded):
    """Plain HTTP."""


class _Tls(_Guarded, HTTPSConnection):
    """HTTP over TLS."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _Tls


#: For `urllib3.PoolManager.pool_classes_by_scheme`.
POOLS: Final = {"http": _PlainPool, "https": _TlsPool}
