"""Files by HTTP, for kinds of databases that are not in a registry: bounded in bytes and time, resumed when cut."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, TypeVar
from urllib.parse import urlunsplit

from orchestrator.databases.interface import DatabaseRefused
from orchestrator.kit.http_headers import range_start, whole_number
from orchestrator.kit.retrying import Patience
from orchestrator.kit.urls import judge_web_url, split_url
from orchestrator.model import ReadBudget
from orchestrator.net.allowance import Allowance
from orchestrator.net.answers import Answer, RangeRefused, raise_for_status
from orchestrator.net.errors import Broken, OverBudget
from orchestrator.net.transport import Asking, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.databases.interface import Order

_CHUNK = 1024 * 1024
_TIMEOUT = (10.0, 60.0)
_PARTIAL = 206

T = TypeVar("T")


def allowance(order: Order) -> Allowance:
    """What all requests for one part of a database may cost: the time that is left, and each attempt the limit."""
    attempts = order.retries + 1
    seconds = max(0, int(order.watch.seconds_left()) + 1)
    return Allowance(ReadBudget(bytes=2 * attempts * order.limit + _CHUNK * 64, seconds=seconds), "database")


class Web:
    """GETs files of one mirror.

    The transport judges where a mirror redirects to: never out of TLS, nor from the internet to an inside address.

    Args:
        order: says how long, how often, and where TLS is not verified.
        headers: further ones for each request.
    """

    def __init__(self, order: Order, headers: dict[str, str] | None = None) -> None:
        self._order = order
        self._headers = headers or {}
        self._transport = Transport(order.insecure, _TIMEOUT)
        self._allowance = allowance(order)

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
            with self._get(url, wanted) as answer:
                while len(data) < most + (not first) and (piece := self._piece(answer)):
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
            with self._get(url, resumed.headers(), large=True) as answer:
                resumed.begin(answer)
                if resumed.promised > limit:
                    raise DatabaseRefused(f"{shown(url)}: {resumed.promised} bytes, more than the limit of {limit}")
                while piece := self._piece(answer):
                    if resumed.at + len(piece) > limit:
                        raise DatabaseRefused(f"{shown(url)}: more than the limit of {limit} bytes")
                    resumed.write(piece)
        except RangeRefused:
            resumed.reset()
            raise
        if resumed.promised and resumed.at < resumed.promised:
            raise Broken(f"{shown(url)}: ended after {resumed.at} of {resumed.promised} bytes")

    def _piece(self, answer: Answer) -> bytes:
        """The next bytes, as soon as there are any."""
        self._order.watch.check()
        return answer.read_some(_CHUNK)

    @contextmanager
    def _get(self, url: str, headers: dict[str, str], *, large: bool = False) -> Iterator[Answer]:
        self._order.watch.check()
        answer = self._transport.get(url, self._headers | headers, asking=Asking(self._allowance, large=large))
        try:
            raise_for_status(answer, shown(url), partial="Range" in headers)
            yield answer
        finally:
            answer.close()

    def _retry(self, attempt: Callable[[], T]) -> T:
        try:
            return Patience(self._order.retries, left=self._allowance.seconds_left).retry(attempt)
        except OverBudget:
            self._order.watch.check()  # time says better what is over
            raise


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

    def begin(self, answer: Answer) -> None:
        """Go to where an answer begins.

        Raises:
            Broken: it is another part than was asked for.
        """
        if answer.status != _PARTIAL:
            self.reset()
        elif range_start(answer.headers.get("Content-Range")) != self.at:
            self.reset()
            raise Broken(f"{answer.host}: answers with another range than was asked for")
        version = answer.headers.get("ETag", "")
        self._version = "" if version.startswith("W/") else version
        self.promised = self.at + (whole_number(answer.headers.get("Content-Length")) or 0)

    def write(self, data: bytes) -> None:
        """Put the next bytes."""
        self._file.write(data)
        self.at += len(data)

    def reset(self) -> None:
        """Begin again."""
        self._file.seek(0)
        self._file.truncate()
        self.at = self.promised = 0
        self._version = ""


def shown(url: str) -> str:
    """A URL for messages and records: without a login, and without a query, which may hold a signature."""
    parts = split_url(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")) if parts else ""


def check_url(url: str) -> str:
    """The URL itself, if it is one of a mirror.

    Raises:
        DatabaseRefused: it is not HTTP, or holds a login.
    """
    login = "it must not hold a login, which plans and logs would show"
    if mistake := judge_web_url(url, written="https://host/folder", login=login):
        # What is no URL may have a login anywhere.
        raise DatabaseRefused(f"the URL of a mirror{f' ({shown(url)})' if mistake == login else ''}: {mistake}")
    return url
