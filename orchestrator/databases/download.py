"""Files by HTTP, for kinds of databases that are not in a registry: bounded in bytes and time, resumed when cut."""

from __future__ import annotations

import ipaddress
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, TypeVar
from urllib.parse import urlsplit, urlunsplit

import urllib3

from orchestrator.databases.interface import DatabaseRefused
from orchestrator.errors import TemporaryError
from orchestrator.images.answers import RangeRefused, connection_error, raise_for_status
from orchestrator.images.cache import host_name, is_loopback
from orchestrator.images.interface import Broken, Untrusted
from orchestrator.images.patience import Patience
from orchestrator.images.transport import Response, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.databases.interface import Order

_CHUNK = 1024 * 1024
_TIMEOUT = (10.0, 60.0)
_PARTIAL = 206
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(?:\d{1,18}|\*)")

T = TypeVar("T")


class Web:
    """GETs files of one mirror.

    Args:
        order: says how long, how often, and where TLS is not verified.
        headers: further ones for each request.
    """

    def __init__(self, order: Order, headers: dict[str, str] | None = None) -> None:
        self._order = order
        self._headers = headers or {}
        self._transport = Transport(order.insecure, _TIMEOUT)

    def close(self) -> None:
        """End all connections."""
        self._transport.close()

    def small(self, url: str, limit: int, *, first: int = 0) -> bytes:
        """A small document whole, or the first bytes of a file.

        Args:
            url: of it.
            limit: most bytes it may have; with `first` no more are read, however many there are.
            first: this many bytes at its start are enough.

        Raises:
            DatabaseRefused: it is larger.
            ImageError: it cannot be read.
        """
        wanted = {"Range": f"bytes=0-{first - 1}"} if first else {}
        most = first or limit

        def attempt() -> bytes:
            data = bytearray()
            with self._get(url, wanted) as response:
                while len(data) < most + (not first) and (piece := self._piece(response, url)):
                    data += piece
            return bytes(data)

        data = self._retry(attempt)
        if len(data) > most and not first:
            raise DatabaseRefused(f"{shown(url)}: more than {limit} bytes where a small document belongs")
        return data[:most]

    def file(self, url: str, path: Path, limit: int) -> None:
        """A file, into a new one of ours, durable when this returns; it is the caller's to verify.

        Raises:
            DatabaseRefused: it is larger than the limit.
            ImageError: it cannot be read.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            resumed = _Resumed(file)
            self._retry(lambda: self._receive(url, resumed, limit))
            file.flush()
            os.fsync(file.fileno())

    def _receive(self, url: str, resumed: _Resumed, limit: int) -> None:
        """One attempt, from where the one before was cut if the server has still the same file."""
        try:
            with self._get(url, resumed.headers()) as response:
                resumed.begin(response)
                if resumed.promised > limit:
                    raise DatabaseRefused(f"{shown(url)}: {resumed.promised} bytes, more than the limit of {limit}")
                while piece := self._piece(response, url):
                    if resumed.at + len(piece) > limit:
                        raise DatabaseRefused(f"{shown(url)}: more than the limit of {limit} bytes")
                    resumed.write(piece)
        except RangeRefused:
            resumed.reset()
            raise
        if resumed.promised and resumed.at < resumed.promised:
            raise Broken(f"{shown(url)}: ended after {resumed.at} of {resumed.promised} bytes")

    def _piece(self, response: Response, url: str) -> bytes:
        """The next bytes, as soon as there are any; no longer than the deadline."""
        self._order.watch.check()
        try:
            data: bytes = response.read1(_CHUNK, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise connection_error(urlsplit(url).netloc, error) from error
        return data

    @contextmanager
    def _get(self, url: str, headers: dict[str, str]) -> Iterator[Response]:
        self._order.watch.check()
        response = self._transport.get(url, self._headers | headers, follow=judge_redirect)
        try:
            raise_for_status(response, shown(url), host=urlsplit(url).netloc)
            yield response
        finally:
            response.close()

    def _retry(self, attempt: Callable[[], T]) -> T:
        patience = Patience(self._order.retries)
        while True:
            self._order.watch.check()
            try:
                return attempt()
            except TemporaryError as error:
                patience.pause(error)


class _Resumed:
    """A file that grows, over several attempts."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._version = ""
        self.at = 0
        self.promised = 0

    def headers(self) -> dict[str, str]:
        """Those that ask for the rest, of the very same file only (RFC 9110, 13.1.5); none at the start."""
        if not self.at or not self._version:
            self.reset()
            return {}
        return {"Range": f"bytes={self.at}-", "If-Range": self._version}

    def begin(self, response: Response) -> None:
        """Go to where an answer begins.

        Raises:
            Broken: it is another part than was asked for.
        """
        if response.status != _PARTIAL:
            self.reset()
        elif not (found := _RANGE.fullmatch(response.headers.get("Content-Range", ""))) or int(found[1]) != self.at:
            self.reset()
            raise Broken(f"{urlsplit(response.url or '').netloc}: answers with another range than was asked for")
        version = response.headers.get("ETag", "")
        self._version = "" if version.startswith("W/") else version
        length = response.headers.get("Content-Length", "")
        self.promised = self.at + int(length) if re.fullmatch(r"[0-9]{1,18}", length) else 0

    def write(self, data: bytes) -> None:
        """Put the next bytes."""
        self._file.write(data)
        self.at += len(data)

    def reset(self) -> None:
        """Begin anew."""
        self._file.seek(0)
        self._file.truncate()
        self.at = self.promised = 0
        self._version = ""


def judge_redirect(origin: str, target: str) -> None:
    """Follow a mirror elsewhere only where that is as safe: never out of TLS, never from outside to an inside address.

    A name that resolves to an inside address is up to the network policy, which alone sees what is connected to.

    Raises:
        Untrusted: it is not.
    """
    before, after = urlsplit(origin), urlsplit(target)
    if before.scheme == "https" and after.scheme != "https":
        raise Untrusted(
            f"{before.netloc}: redirects out of TLS, to {after.scheme}://{after.netloc}; that is not followed"
        )
    if _is_inside(after.netloc) and not _is_inside(before.netloc):
        raise Untrusted(
            f"{before.netloc}: redirects to {after.netloc}, an address inside; if that is the mirror, configure its URL"
        )


def shown(url: str) -> str:
    """A URL for messages and records: without a login, and without a query, which may hold a signature."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def check_url(url: str) -> str:
    """The URL itself, if it is one of a mirror.

    Raises:
        DatabaseRefused: it is not HTTP, or holds a login.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise DatabaseRefused(f"{shown(url)!r} is not the URL of a mirror; write it as https://host/folder")
    if "@" in parts.netloc:
        raise DatabaseRefused(
            f"{shown(url)}: the URL of a mirror must not hold a login, which plans and logs would show"
        )
    return url


def _is_inside(host: str) -> bool:
    """Whether a host is written as an address that is not one of the Internet's."""
    name = host_name(host.rpartition("@")[2])
    if is_loopback(name):
        return True
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        return False
