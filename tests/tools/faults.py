"""What can go wrong between a client and a registry, as rules for the proxy.

A rule applies to the requests it matches, lets the first `after` of them pass, then takes effect `times` times
(None: forever). The first rule with something left to do wins, so a sequence of answers is a list of rules.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from fnmatch import fnmatchcase

ANYTHING = "*"
BLOBS = "/v2/*/blobs/*"
MANIFESTS = "/v2/*/manifests/*"
READS = ("GET", "HEAD")


@dataclass(kw_only=True)
class Fault:
    """One rule; the functions below make the usual ones.

    Attributes:
        path: glob over the request's path, or a digest: then every path that ends with it.
        methods: request methods it applies to.
        times: how often it takes effect; None forever.
        after: matching requests let through before it starts.
        status: answer with this instead of asking the registry; None forwards the request.
        headers: set on the answer; a None value removes the header.
        body: the answer's body when `status` is set.
        delay: seconds to wait before answering.
        reset_after: bytes of the body after which the connection is reset (RST).
        stop_after: bytes after which it is closed politely, though Content-Length promised more.
        stall_after: bytes after which nothing more comes, the connection staying open.
        corrupt_at: offset of one byte of the body to change, the length staying right.
        rate: bytes per second.
        ignore_range: forward without the Range header, so the answer is a 200 with the whole blob.
        drop_length: no Content-Length; the end of the body is the end of the connection.
        upload_corrupt_at: offset of one byte of the request's body to change on its way.
        upload_reset_after: bytes of the request's body after which the connection is reset.
        upload_rate: bytes per second at which the request's body is taken.
    """

    path: str = ANYTHING
    methods: tuple[str, ...] = READS
    times: int | None = 1
    after: int = 0
    status: int | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0
    reset_after: int | None = None
    stop_after: int | None = None
    stall_after: int | None = None
    corrupt_at: int | None = None
    rate: int | None = None
    ignore_range: bool = False
    drop_length: bool = False
    upload_corrupt_at: int | None = None
    upload_reset_after: int | None = None
    upload_rate: int | None = None

    def matches(self, method: str, path: str) -> bool:
        """Whether the rule is about this request, however often it took effect."""
        if method not in self.methods:
            return False
        return path.endswith(self.path) if self.path.startswith("sha256:") else fnmatchcase(path, self.path)

    @property
    def cut(self) -> int | None:
        """Bytes of the body that are sent at all; None for the whole."""
        limits = [n for n in (self.reset_after, self.stop_after, self.stall_after) if n is not None]
        return min(limits) if limits else None


class Faults:
    """The rules of one proxy; safe to change while requests are under way."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, *rules: Fault) -> None:
        """Append rules; earlier ones win while they have something left to do."""
        with self._lock:
            self._rules.extend(rules)

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self._rules.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The rule for this request, counted as used."""
        with self._lock:
            for rule in self._rules:
                if rule.times == 0 or not rule.matches(method, path):
                    continue
                if rule.after > 0:
                    rule.after -= 1
                    continue
                if rule.times is not None:
                    rule.times -= 1
                return rule
        return None


def answer(
    status: int,
    path: str = ANYTHING,
    *,
    times: int | None = 1,
    after: int = 0,
    retry_after: int | datetime | None = None,
    body: bytes = b"",
    headers: Mapping[str, str | None] | None = None,
) -> Fault:
    """Answer with this status (401, 403, 404, 429, 500, 503, …); Retry-After in seconds or as an HTTP date (UTC)."""
    extra: dict[str, str | None] = dict(headers or {})
    if retry_after is not None:
        extra["Retry-After"] = (
            format_datetime(retry_after, usegmt=True) if isinstance(retry_after, datetime) else str(retry_after)
        )
    return Fault(path=path, times=times, after=after, status=status, headers=extra, body=body)


def reset(path: str = BLOBS, *, after_bytes: int = 0, times: int | None = 1, after: int = 0) -> Fault:
    """Reset the connection after this many bytes of the body."""
    return Fault(path=path, methods=("GET",), times=times, after=after, reset_after=after_bytes)


def short(path: str = BLOBS, *, after_bytes: int = 0, times: int | None = 1, after: int = 0) -> Fault:
    """Close the connection politely before the promised end."""
    return Fault(path=path, methods=("GET",), times=times, after=after, stop_after=after_bytes)


def stall(path: str = BLOBS, *, after_bytes: int = 0, times: int | None = 1, after: int = 0) -> Fault:
    """Send this many bytes, then nothing, without closing (until the proxy is closed)."""
    return Fault(path=path, methods=("GET",), times=times, after=after, stall_after=after_bytes)


def corrupt(path: str = BLOBS, *, at: int = 0, times: int | None = 1, after: int = 0) -> Fault:
    """Change one byte of the body."""
    return Fault(path=path, methods=("GET",), times=times, after=after, corrupt_at=at)


def slow(path: str = BLOBS, *, rate: int | None = None, delay: float = 0, times: int | None = None) -> Fault:
    """Answer late (`delay` seconds), or slowly (`rate` bytes per second)."""
    return Fault(path=path, times=times, rate=rate, delay=delay)


def ignore_range(path: str = BLOBS, *, times: int | None = None) -> Fault:
    """Answer a Range request with 200 and the whole blob."""
    return Fault(path=path, times=times, ignore_range=True)


def no_length(path: str = BLOBS, *, times: int | None = None) -> Fault:
    """Leave out Content-Length."""
    return Fault(path=path, times=times, drop_length=True)


def rewrite(headers: Mapping[str, str | None], path: str = MANIFESTS, *, times: int | None = None) -> Fault:
    """Forward, but change the answer's headers (for example a Docker-Content-Digest that lies)."""
    return Fault(path=path, times=times, headers=headers)
