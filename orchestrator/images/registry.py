"""A client for the pull side of the OCI distribution API: manifests and blobs, nothing else.

Specification: OCI distribution-spec 1.1, "Pull"; redirects as Docker follows them. `oras` answers the challenges (see
`credentials`); its transport is not used, because it keeps one token for all repositories, retries neither on 429 nor
with Range, sends its headers along redirects, and has no time-outs.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from orchestrator.errors import TemporaryError
from orchestrator.images._answers import RangeRefused, connection_error, raise_for_status
from orchestrator.images.cache import host_name, is_loopback
from orchestrator.images.credentials import Authenticator
from orchestrator.images.digests import check_digest, digest_of
from orchestrator.images.interface import Broken, ManifestBytes, Untrusted, WrongBytes
from orchestrator.images.manifests import INDEX_TYPES, MANIFEST_TYPES
from orchestrator.images.patience import Patience
from orchestrator.model import Blob

#: Largest manifest accepted; the specification lets registries refuse larger ones to begin with.
MANIFEST_LIMIT = 4 * 1024 * 1024
#: Largest blob read into memory (configs).
SMALL_LIMIT = 16 * 1024 * 1024
_ACCEPT = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES, "application/vnd.docker.distribution.manifest.v1+prettyjws"))
_REDIRECTS = {301, 302, 303, 307, 308}
_REDIRECT_LIMIT = 5
_ANSWER_LIMIT = 3  # a token may be used up or expire between being given and being shown
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")

T = TypeVar("T")


class BlobStream:
    """A blob, or the rest of one, as it comes in.

    Attributes:
        start: offset in the blob of the first byte that will come; 0 where the server ignored the wish for a later one.
        promised: bytes that shall come, as the server says; None when it does not.
    """

    def __init__(self, response: requests.Response, start: int, host: str) -> None:
        self.start = start
        length = response.headers.get("Content-Length", "")
        self.promised = int(length) if length.isdecimal() else None
        self._response, self._host = response, host

    def abort(self) -> None:
        """Make a read in another thread end at once."""
        with suppress(OSError, RuntimeError, ValueError):  # already closed, or never connected
            self._response.raw.shutdown()

    def read(self, size: int) -> bytes:
        """What has come in, at most so many bytes; empty at the end.

        Raises:
            Broken: the connection failed.
        """
        try:
            data: bytes = self._response.raw.read1(size, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise connection_error(self._host, error) from error
        return data


class RegistryClient:
    """Reads manifests and blobs; one for many registries and threads.

    Credentials go to the host they are for, and never along a redirect to another one.

    Args:
        insecure: hosts (`host[:port]`) whose certificates are not verified, and with whom plain HTTP is tried where
            they do not speak TLS. HTTP is otherwise used for `http://` locations only.
        retries: further attempts after a 429, a 5xx or a broken connection.
        backoff: seconds before the first of them, doubled each time.
        timeout: seconds to wait for a connection, and for any next byte.
    """

    def __init__(
        self,
        insecure: Iterable[str] = (),
        retries: int = 4,
        *,
        backoff: float = 0.5,
        timeout: tuple[float, float] = (10, 60),
    ) -> None:
        self.retries, self.backoff = retries, backoff
        self._insecure = frozenset(host.lower() for host in insecure)
        self._timeout = timeout
        self._plain: set[str] = set()  # insecure hosts that turned out not to speak TLS
        self._session = _session()
        self._authenticator = Authenticator(_TokenSession(self), self._may_be_plain)
        if self._insecure:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)  # it was asked for, by name

    def __repr__(self) -> str:
        return f"RegistryClient(insecure={sorted(self._insecure)}, retries={self.retries})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all connections."""
        self._session.close()

    def manifest(self, location: str, reference: str, *, cancelled: threading.Event | None = None) -> ManifestBytes:
        """Read a manifest or an index.

        Args:
            location: `http(s)://host[:port]/repository`.
            reference: tag or digest.
            cancelled: ends any wait.

        Raises:
            NotFound, Denied, Untrusted, Unsupported: see there.
            WrongBytes: twice, it was not what its digest promises.
            Busy, Broken: the retries are used up.
        """
        path = f"manifests/{reference}"
        wanted = check_digest(reference, origin=location) if ":" in reference else ""

        def read() -> ManifestBytes:
            with self._get(location, path, {"Accept": _ACCEPT}) as response:
                data = _read_all(response, MANIFEST_LIMIT, f"{location}: {reference}")
                promised = wanted or response.headers.get("Docker-Content-Digest") or digest_of(data)
                kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
            return ManifestBytes(data, kind, promised)

        return self._twice(read, f"{location}: {reference}", cancelled)

    def blob(self, location: str, blob: Blob, *, cancelled: threading.Event | None = None) -> bytes:
        """Read a small blob, such as a config, whole.

        Raises:
            As `manifest` does.
        """
        origin = f"{location}: {check_digest(blob.digest, origin=location)}"

        def read() -> ManifestBytes:
            with self._get(location, f"blobs/{blob.digest}", {}) as response:
                return ManifestBytes(_read_all(response, SMALL_LIMIT, origin), "", blob.digest)

        return self._twice(read, origin, cancelled).data

    @contextmanager
    def open_blob(self, location: str, digest: str, offset: int = 0) -> Iterator[BlobStream]:
        """One attempt to read a blob from an offset on; the caller retries, and verifies.

        Raises:
            NotFound, Denied, Untrusted, Busy, Broken: as `manifest` does, but at once.
        """
        path, host = f"blobs/{digest}", urlsplit(location).netloc
        with ExitStack() as stack:
            try:
                headers = {"Range": f"bytes={offset}-"} if offset else {}
                response = stack.enter_context(self._get(location, path, headers))
                start = _start(response, offset)
            except RangeRefused:
                start = 0
                response = stack.enter_context(self._get(location, path, {}))
            yield BlobStream(response, start, host)

    def patience(self, cancelled: threading.Event | None = None) -> Patience:
        """How long to try one thing."""
        return Patience(self.retries, backoff=self.backoff, cancelled=cancelled)

    def _twice(
        self, read: Callable[[], ManifestBytes], origin: str, cancelled: threading.Event | None
    ) -> ManifestBytes:
        """Read something small; once more if it is not what it should be (a flipped bit on the way is no verdict)."""
        for _ in range(2):
            found = self.retry(read, cancelled)
            if digest_of(found.data, like=found.digest) == found.digest:
                return found
        raise WrongBytes(f"{origin}: the registry serves {digest_of(found.data)} where {found.digest} was promised")

    def retry(self, attempt: Callable[[], T], cancelled: threading.Event | None = None) -> T:
        """Attempt something until it succeeds, fails for good, or patience ends."""
        patience = self.patience(cancelled)
        while True:
            patience.check()
            try:
                return attempt()
            except TemporaryError as error:
                patience.pause(error)

    @contextmanager
    def _get(self, location: str, path: str, headers: dict[str, str]) -> Iterator[requests.Response]:
        """One GET, authenticated where the registry wants it; the answer is a good one."""
        origin, repository = _split(location)
        url = f"{origin}/v2/{repository}/{path}"
        shown = self._authenticator.header(origin, repository)
        response = self._follow(url, headers, shown)
        try:
            for _ in range(_ANSWER_LIMIT):
                challenge = response.headers.get("WWW-Authenticate", "")
                if response.status_code != requests.codes.unauthorized or not challenge:
                    break
                response.close()
                shown = self._authenticator.answer(origin, repository, challenge, shown)
                response = self._follow(url, headers, shown)
            raise_for_status(response, f"{location}: {path}", host=urlsplit(origin).netloc)
            yield response
        finally:
            response.close()

    def _follow(self, url: str, headers: dict[str, str], authorization: str | None) -> requests.Response:
        """Send, and follow redirects; Authorization stays with the origin it is for."""
        origin = urlsplit(url)[:2]
        for _ in range(_REDIRECT_LIMIT):
            mine = {"Authorization": authorization} if authorization and urlsplit(url)[:2] == origin else {}
            response = self.send(url, headers=headers | mine)
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            url = urljoin(url, response.headers["Location"])
            if urlsplit(url).scheme not in {"http", "https"}:
                break
        raise Broken(f"{origin[1]}: redirects without end, or to where we do not go")

    def send(self, url: str, **options: Any) -> requests.Response:
        """One GET as it is, TLS settled by the host.

        Raises:
            Broken: no connection, or it broke.
            Untrusted: no TLS, or a certificate that cannot be verified.
        """
        host = urlsplit(url).netloc.lower()
        plain = "http" + url.removeprefix("https") if host in self._plain else url
        verify = host not in self._insecure
        try:
            return self._session.get(
                plain, timeout=self._timeout, stream=True, allow_redirects=False, verify=verify, **options
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = connection_error(host, error)
            if isinstance(failure, Untrusted) and not verify and plain.startswith("https:"):
                self._plain.add(host)
                return self.send(url, **options)
            raise failure from error

    def _may_be_plain(self, host: str) -> bool:
        return host.lower() in self._insecure or is_loopback(host_name(host))


class _TokenSession:
    """Lets oras ask token servers through our transport: time-outs, retries, and errors that tell busy from denied."""

    def __init__(self, client: RegistryClient) -> None:
        self._client = client

    def get(self, url: str, /, **options: Any) -> requests.Response:
        return self.request("GET", url, **options)

    def request(self, _method: str, url: str, /, **options: Any) -> requests.Response:
        options.pop("verify", None)  # the transport decides by host

        def attempt() -> requests.Response:
            response = self._client.send(url, **options)
            if response.status_code not in {400, 401, 403, 404}:  # those mean no, which oras hands on as no token
                raise_for_status(response, "its token server", host=urlsplit(url).netloc)
            return response

        return self._client.retry(attempt)


def _session() -> requests.Session:
    session = requests.Session()
    session.headers.update({"User-Agent": "scanmatrix", "Accept-Encoding": "identity"})
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.auth = lambda request: request  # so that requests adds nothing out of ~/.netrc
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_connections=16, pool_maxsize=64))
    return session


def _split(location: str) -> tuple[str, str]:
    url = urlsplit(location)
    return f"{url.scheme}://{url.netloc}", url.path.strip("/")


def _start(response: requests.Response, offset: int) -> int:
    """Where in the blob an answer to a Range request begins: at the offset, or at 0 where Range was ignored."""
    if response.status_code != requests.codes.partial_content:
        return 0
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if not found or int(found[1]) != offset:
        raise RangeRefused(f"{urlsplit(response.url).netloc} answers with another range than was asked for")
    return offset


def _read_all(response: requests.Response, limit: int, origin: str) -> bytes:
    try:
        data: bytes = response.raw.read(limit + 1, decode_content=False)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise connection_error(urlsplit(response.url).netloc, error) from error
    if len(data) > limit:
        raise WrongBytes(f"{origin}: more than {limit} bytes where a small document belongs")
    return data
