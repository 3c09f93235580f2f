"""One GET: pooled connections, TLS settled by the host, proxies of the environment, redirects without credentials.

urllib3 alone: requests, which is built on it, adds credentials of `~/.netrc` and would double what a pull pod needs to
start.
"""

import os
import ssl
import threading
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from urllib3.util import Timeout, parse_url

from orchestrator.images.answers import connection_error
from orchestrator.images.cache import host_name, is_loopback
from orchestrator.images.interface import Broken, Untrusted, WrongBytes

Response = urllib3.BaseHTTPResponse

_REDIRECTS = {301, 302, 303, 307, 308}
_REDIRECT_LIMIT = 5
_UNAUTHORIZED = 401
_DRAIN_LIMIT = 64 * 1024
_HEADERS = {"User-Agent": "scanmatrix", "Accept-Encoding": "identity"}
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


class Transport:
    """Sends requests; safe to use from several threads.

    Args:
        insecure: hosts (`host[:port]`) whose certificates are not verified, and with whom plain HTTP is tried where
            they do not speak TLS.
        timeout: seconds to wait for a connection, and for any next byte.
    """

    def __init__(self, insecure: Iterable[str], timeout: tuple[float, float]) -> None:
        self.insecure = frozenset(host.lower() for host in insecure)
        self._timeout = Timeout(connect=timeout[0], read=timeout[1])
        self._plain: set[str] = set()  # insecure hosts that turned out not to speak TLS
        self._pools: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._lock = threading.Lock()
        if self.insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # it was asked for, by name

    def close(self) -> None:
        """End all idle connections."""
        for pool in self._pools.values():
            pool.clear()

    def may_be_plain(self, host: str) -> bool:
        """Whether a host may be sent a password without TLS."""
        return host.lower() in self.insecure or is_loopback(host_name(host))

    def get(self, url: str, headers: dict[str, str], authorization: str | None = None) -> Response:
        """Send, and follow redirects; `authorization` stays with the origin it is for.

        Raises:
            Broken: no connection, or it broke.
            Untrusted: no TLS, or a certificate that cannot be verified.
        """
        origin = urlsplit(url)[:2]
        for _ in range(_REDIRECT_LIMIT):
            mine = {"Authorization": authorization} if authorization and urlsplit(url)[:2] == origin else {}
            response = self._send(url, _HEADERS | headers | mine)
            if response.status == _UNAUTHORIZED and urlsplit(url)[:2] != origin:
                finish(response)  # its challenge must not be answered: it could name a token server of its own
                raise Broken(f"{origin[1]}: redirects to {urlsplit(url).netloc}, which refuses access")
            if response.status not in _REDIRECTS or "Location" not in response.headers:
                return response
            finish(response)
            url = urljoin(url, response.headers["Location"])
            if urlsplit(url).scheme not in {"http", "https"}:
                break
        raise Broken(f"{origin[1]}: redirects without end, or to where we do not go")

    def _send(self, url: str, headers: dict[str, str]) -> Response:
        host = urlsplit(url).netloc.lower()
        verify = host not in self.insecure
        actual = "http" + url.removeprefix("https") if host in self._plain else url
        try:
            return self._pool(actual, verify=verify).request(
                "GET",
                actual,
                headers=headers,
                timeout=self._timeout,
                preload_content=False,
                decode_content=False,
                redirect=False,
                retries=False,
            )
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = connection_error(host, error)
            if isinstance(failure, Untrusted) and not verify and actual.startswith("https:"):
                self._plain.add(host)
                return self._send(url, headers)
            raise failure from error

    def _pool(self, url: str, *, verify: bool) -> urllib3.PoolManager:
        """The connections for a URL: one pool of them for plain HTTP and each way of TLS, and for each proxy."""
        kind = ("verified" if verify else "unverified") if url.startswith("https:") else "plain"
        proxy = proxy_for(url)
        with self._lock:
            if (kind, proxy) not in self._pools:
                context = None if kind == "plain" else tls_context(verify=verify)
                self._pools[kind, proxy] = make_pool(context, proxy)
            return self._pools[kind, proxy]


def pool_for(url: str, *, verify: bool = True, ca_file: str | None = None) -> urllib3.PoolManager:
    """Connections as this module makes them, for those who send more than GETs.

    Args:
        url: what will be asked; its proxy is the environment's.
        verify: whether to verify certificates.
        ca_file: certificates to trust instead of the system's.

    Raises:
        Untrusted: the file cannot be read.
    """
    return make_pool(tls_context(verify=verify, file=ca_file) if url.startswith("https:") else None, proxy_for(url))


def finish(response: Response) -> None:
    """Let go of an answer whose body does not matter, and keep its connection if that costs little."""
    length = response.headers.get("Content-Length", "")
    if length.isdecimal() and int(length) <= _DRAIN_LIMIT:
        response.drain_conn()
    response.close()


def read_all(response: Response, limit: int, origin: str) -> bytes:
    """The body of an answer.

    Raises:
        WrongBytes: it is larger than what belongs there may be.
        Broken: the connection failed.
    """
    try:
        data = response.read(limit + 1, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise connection_error(origin, error) from error
    if len(data) > limit:
        raise WrongBytes(f"{origin}: more than {limit} bytes where a small document belongs")
    return data


def make_pool(context: ssl.SSLContext | None, proxy: str) -> urllib3.PoolManager:
    """Connections with this TLS, through this proxy where there is one, logged in to as its URL says."""
    if not proxy:
        return urllib3.PoolManager(num_pools=16, maxsize=64, ssl_context=context)
    login = parse_url(proxy).auth
    headers = urllib3.make_headers(proxy_basic_auth=unquote(login)) if login else None
    return urllib3.ProxyManager(proxy, num_pools=16, maxsize=64, ssl_context=context, proxy_headers=headers)


def tls_context(*, verify: bool, file: str | None = None) -> ssl.SSLContext:
    """The system's certificates, or those of a file: this one, or the one that the usual variables name."""
    file = file or next((os.environ[name] for name in _CA_VARIABLES if os.environ.get(name)), None)
    try:
        context = ssl.create_default_context(cafile=file)
    except OSError as error:
        raise Untrusted(f"{file}: cannot be read as a file of CA certificates") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def proxy_for(url: str) -> str:
    """The proxy the environment names for a URL; empty for none, and always for this machine itself."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - slow to load, and rarely used

    parts = urlsplit(url)
    proxies = getproxies()
    name = parts.hostname or ""
    if is_loopback(name) or proxy_bypass(parts.netloc) or _in_network(name, proxies.get("no", "")):
        return ""
    return proxies.get(parts.scheme) or proxies.get("all") or ""


def _in_network(name: str, exceptions: str) -> bool:
    """Whether an address lies in one of the networks in NO_PROXY, as clusters write them (`10.0.0.0/8`)."""
    for exception in exceptions.split(","):
        try:
            if ip_address(name) in ip_network(exception.strip(), strict=False):
                return True
        except ValueError:
            continue
    return False
