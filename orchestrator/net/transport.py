"""The HTTP client of everything here: pooled connections, TLS settled by the host, proxies of the environment.

A GET follows redirects, without credentials. What sends something, or is asked of a service with credentials, follows
none. Nothing is attempted twice for a failure: that is `orchestrator.kit.retrying`'s.

urllib3 alone: requests, which is built on it, adds credentials of `~/.netrc` and would double what a pull pod needs to
start.
"""

import io
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

import urllib3
from urllib3.util import Timeout

from orchestrator.kit.addresses import Zone, literal_zone, may_lead
from orchestrator.kit.http_headers import FIELD_LIMIT
from orchestrator.net import guarded
from orchestrator.net.allowance import Allowance
from orchestrator.net.answers import STALE, Answer, connection_error, is_late
from orchestrator.net.errors import Denied, Misdirected, NoAnswer, TooSlow, Untrusted
from orchestrator.net.meter import Meter
from orchestrator.net.pools import make_pool, proxy_for, tls_context

_REDIRECTS = {301, 302, 303, 307, 308}
_REDIRECT_LIMIT = 5
_UNAUTHORIZED = 401
#: Seconds in which nothing comes of a small answer that has begun.
_SMALL_PAUSE = 20.0
_HEADERS = {"User-Agent": "scanmatrix", "Accept-Encoding": "identity"}
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Asking:
    """What a request may do.

    Attributes:
        allowance: that it is counted against; None for none.
        source: zone of the stranger that named its URL, if any: it then leads to no address that is nearer.
        large: whether a blob is asked for: it may pause longer than a document that fits one packet.
        until: moment of `time.monotonic` at which it must be over, the sending included.
    """

    allowance: Allowance | None = None
    source: Zone | None = None
    large: bool = False
    until: float = math.inf


class _Request(NamedTuple):
    """What is sent."""

    method: str
    headers: dict[str, str]
    body: bytes | None = None


class Transport:
    """Sends requests; safe to use from several threads.

    Args:
        insecure: hosts (`host[:port]`) whose certificates are not verified, and with whom plain HTTP is tried where
            they do not speak TLS; they are then never shown credentials.
        timeout: seconds to wait for a connection, and for any next byte.
        verify: whether to verify the certificates of the other hosts.
        ca_file: certificates to trust instead of the system's.
        strange: hosts (`host[:port]`) that a stranger on the internet names: they are reached at public addresses
            alone, and lead nowhere else.
    """

    def __init__(
        self,
        insecure: Iterable[str],
        timeout: tuple[float, float],
        *,
        verify: bool = True,
        ca_file: str | None = None,
        strange: Iterable[str] = (),
    ) -> None:
        self._verify, self._ca_file = verify, ca_file
        self.insecure = frozenset(host.lower() for host in insecure)
        self._strange = frozenset(host.lower() for host in strange)
        self._timeout = timeout
        self._first, self._pause = timeout[1], min(timeout[1], _SMALL_PAUSE)
        self._plain: set[str] = set()  # insecure hosts that turned out not to speak TLS
        self._pools: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._open: set[Answer | guarded.Exchange] = set()
        self._lock = threading.Lock()
        if self.insecure or not verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # it was asked for, by name

    def close(self) -> None:
        """End all connections; who reads from one in another thread gets an error."""
        with self._lock:
            for each in self._open:
                each.abort()
        for pool in self._pools.values():
            # Cleared, it would only let go of them, and they stay open for as long as anything else knows them.
            hosts = pool.pools.keys()
            for host in hosts:
                if (connections := pool.pools.get(host)) is not None:
                    connections.close()
            pool.clear()

    def get(self, url: str, headers: dict[str, str], authorization: str | None = None, *, asking: Asking) -> Answer:
        """Send, and follow redirects; `authorization` stays with the origin it is for.

        Where that leads to a refusal, all is asked once more: signed URLs of storage run out.

        Raises:
            Broken: no connection, or it broke.
            Misdirected: it redirects without end, or to where nobody may lead us.
            Untrusted: no TLS, or a certificate that cannot be verified.
            Denied: credentials would be sent in the clear.
            OverBudget: the allowance is used up.
        """
        answer = self._get(url, headers, authorization, asking)
        if answer.redirected and answer.status in STALE and not answer.may_work_later:
            answer.finish()
            answer = self._get(url, headers, authorization, asking)
        return answer

    def _get(self, url: str, headers: dict[str, str], authorization: str | None, asking: Asking) -> Answer:
        here = urlsplit(url)
        origin, source = here[:2], self._source(here, asking)
        meter = self._meter(here, asking)
        for hop in range(_REDIRECT_LIMIT):
            mine = {"Authorization": authorization} if authorization else {}
            request = _Request("GET", _HEADERS | headers | mine)
            answer = self._send(here, request, meter, _Rule(asking, source, self._proves if hop else None))
            location = answer.headers.get("Location", "")
            if answer.status not in _REDIRECTS or not location:
                if answer.status == _UNAUTHORIZED and here[:2] != origin:
                    answer.finish()  # its challenge must not be answered: it could name a token server of its own
                    raise Misdirected(f"{origin[1]}: redirects to {_host(here)}, which refuses access")
                answer.redirected, answer.elsewhere = hop > 0, here[:2] != origin
                return answer
            answer.finish()
            here = self._follow(here, location)
            source = answer.zone if source is None else min(source, answer.zone)
            if here[:2] != origin:
                authorization = None  # and never again, should it lead back: the path would be somebody else's
        raise Misdirected(f"{origin[1]}: redirects without end")

    def post(self, url: str, form: Mapping[str, str], *, asking: Asking) -> Answer:
        """Send a form, which holds a secret and so follows no redirect.

        Raises:
            As `send` does.
        """
        return self.send("POST", url, _FORM, urlencode(form).encode(), asking=asking)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, *, asking: Asking
    ) -> Answer:
        """Send a request as it is; an answer that redirects is the answer.

        Raises:
            NoAnswer: a body was sent whole, and no answer came in time.
            Broken, Untrusted, Denied, OverBudget: as `get` does.
        """
        here = urlsplit(url)
        meter = self._meter(here, asking)
        request = _Request(method, _HEADERS | dict(headers), body)
        return self._send(here, request, meter, _Rule(asking, self._source(here, asking), None))

    def _source(self, here: SplitResult, asking: Asking) -> Zone | None:
        """The zone of the stranger that named a URL, if any."""
        return Zone.PUBLIC if here.netloc.lower() in self._strange else asking.source

    def _meter(self, here: SplitResult, asking: Asking) -> Meter:
        """What an answer may cost, with all redirects that lead to it."""
        pause = self._first if asking.large else self._pause
        return Meter(_host(here), first=self._first, pause=pause, allowance=asking.allowance, until=asking.until)

    def _follow(self, here: SplitResult, location: str) -> SplitResult:
        """Where a redirect leads."""
        try:
            there = urlsplit(urljoin(here.geturl(), location)) if len(location) <= FIELD_LIMIT else urlsplit("")
            good = there.scheme in {"http", "https"} and there.hostname and there.username is None
            _ = there.port
        except ValueError:
            good = False
        if not good:
            raise Misdirected(f"{_host(here)}: redirects to where we do not go")
        if here.scheme == "https" and there.scheme == "http" and there.netloc.lower() not in self.insecure:
            raise Misdirected(
                f"{_host(here)}: redirects from TLS to plain HTTP, to {_host(there)}; if that is meant, add that host "
                "to `insecure`"
            )
        return there

    def _send(self, url: SplitResult, request: "_Request", meter: Meter, rule: "_Rule") -> Answer:
        headers, body = request.headers, request.body
        host = url.netloc.lower()
        verify = self._verify and host not in self.insecure
        plain = url.scheme == "https" and host in self._plain
        if plain and ("Authorization" in headers or body is not None):
            raise Denied(
                f"{_host(url)}: speaks plain HTTP where https is meant, so it is shown no credentials; if they may go "
                "in the clear, name it as a cache with an http:// URL"
            )
        actual = (url._replace(scheme="http") if plain else url).geturl()
        rule.begin(url)
        exchange = guarded.Exchange(meter, rule.check, rule.literal)
        meter.begin()
        self._opened(exchange)
        try:
            with guarded.exchanging(exchange):
                response = self._pool(actual, verify=verify).request(
                    request.method,
                    actual,
                    body=None if body is None else _Upload(body, rule.until),
                    # As a file it is sent piece by piece, each in its own time, and needs its length said.
                    headers=headers if body is None else headers | {"Content-Length": str(len(body))},
                    timeout=rule.bound(*self._timeout),
                    preload_content=False,
                    decode_content=False,
                    redirect=False,
                    retries=False,
                )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = connection_error(_host(url), error)
            if isinstance(failure, Untrusted) and host in self.insecure and url.scheme == "https" and not plain:
                self._plain.add(host)
                return self._send(url, request, meter, rule)
            if body is not None and exchange.sent and is_late(error):
                raise NoAnswer(f"{_host(url)}: did not answer in time; it may have taken what was sent") from error
            raise failure from error
        except TooSlow as error:
            if body is None or not exchange.sent:
                raise
            raise NoAnswer(f"{_host(url)}: did not answer in time; it may have taken what was sent") from error
        finally:
            self._closed(exchange)
        answer = Answer(
            response, exchange.body, meter, _host(url), zone=exchange.zone, plain=plain, closed=self._closed
        )
        self._opened(answer)
        return answer

    def _opened(self, what: Answer | guarded.Exchange) -> None:
        with self._lock:
            self._open.add(what)

    def _proves(self, url: SplitResult) -> bool:
        """Whether who answers at a URL has proven to be who it names."""
        return url.scheme == "https" and url.netloc.lower() not in self.insecure

    def _closed(self, what: Answer | guarded.Exchange) -> None:
        with self._lock:
            self._open.discard(what)

    def _pool(self, url: str, *, verify: bool) -> urllib3.PoolManager:
        """The connections for a URL: one pool of them for plain HTTP and each way of TLS, and for each proxy."""
        kind = ("verified" if verify else "unverified") if url.startswith("https:") else "plain"
        proxy = proxy_for(url)
        with self._lock:
            if (kind, proxy) not in self._pools:
                context = None if kind == "plain" else tls_context(verify=verify, file=self._ca_file)
                pool = make_pool(context, proxy)
                pool.pool_classes_by_scheme = guarded.POOLS
                self._pools[kind, proxy] = pool
            return self._pools[kind, proxy]


class _Rule:
    """Where one request may go.

    A redirect may lead from the internet to a private network only where TLS proves that the one who answers there is
    the one who was named: clouds give the storage behind a public registry private addresses (S3 interface endpoints).
    """

    def __init__(self, asking: Asking, source: Zone | None, proves: Callable[[SplitResult], bool] | None) -> None:
        self._allowance, self._source, self._proves = asking.allowance, source, proves
        self.until = asking.until
        self._host, self._proven = "", False
        self.literal = Zone.PUBLIC

    def begin(self, url: SplitResult) -> None:
        """Set out for a URL; of one that goes through a proxy, no more than this is ever known."""
        self._host, self.literal = _host(url), literal_zone(url.hostname or "")
        self._proven = self._proves is not None and self._proves(url) and self.literal is Zone.PUBLIC
        if self._allowance is not None:
            self._allowance.spend(requests=1)
        self.check(self.literal)

    def bound(self, connect: float, read: float) -> Timeout:
        """The time-outs of one connection, within what time is left."""
        left = max(0.001, self.until - time.monotonic())
        return Timeout(connect=min(left, connect), read=min(left, read))

    def check(self, zone: Zone) -> None:
        """Raise where an address of this zone must not be reached."""
        if self._allowance is not None:
            self._allowance.check()
        if time.monotonic() > self.until:
            raise TooSlow(f"{self._host}: no connection in time")
        if self._source is None or may_lead(self._source, zone) or (self._proven and zone is Zone.PRIVATE):
            return
        raise Denied(
            f"{self._host}: is a {zone.name.lower().replace('_', '-')} address, and who named it has none; not "
            "asked, because strangers must not lead to where only insiders reach"
        )


class _Upload(io.BytesIO):
    """A body that stops being sent when its time is over."""

    def __init__(self, data: bytes, until: float) -> None:
        super().__init__(data)
        self._until = until

    def read(self, size: int | None = -1, /) -> bytes:
        if time.monotonic() > self._until:
            raise TimeoutError
        return super().read(size)


def _host(url: SplitResult) -> str:
    """Host and port of a URL for messages, without what else may stand there."""
    return url.netloc.rpartition("@")[2][:260]
