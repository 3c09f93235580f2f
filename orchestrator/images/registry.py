"""A client for the reading side of the OCI distribution API: manifests, blobs, and the names of what there is.

Specification: OCI distribution-spec 1.1, "Pull" and "Content Discovery"; the catalogue is that of Docker's registry.
`oras` answers the challenges (see `credentials`); its transport is not used, because it keeps one token for all
repositories, retries neither on 429 nor with Range, and has no time-outs.
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import msgspec
import urllib3

from orchestrator.errors import TemporaryError
from orchestrator.images.answers import RangeRefused, connection_error, raise_for_status
from orchestrator.images.digests import check_digest, digest_of
from orchestrator.images.interface import Broken, ManifestBytes, WrongBytes
from orchestrator.images.manifests import INDEX_TYPES, MANIFEST_TYPES
from orchestrator.images.patience import Patience
from orchestrator.images.transport import Response, Transport, finish, read_all
from orchestrator.model import Blob

if TYPE_CHECKING:
    from orchestrator.images.credentials import Authenticator

#: Largest manifest accepted; the specification lets registries refuse larger ones to begin with.
MANIFEST_LIMIT = 4 * 1024 * 1024
#: Largest blob read into memory (configs).
SMALL_LIMIT = 16 * 1024 * 1024
_ACCEPT = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES, "application/vnd.docker.distribution.manifest.v1+prettyjws"))
_PARTIAL, _UNAUTHORIZED = 206, 401
_ANSWER_LIMIT = 3  # a token may be used up or expire between being given and being shown
#: Names asked for at once.
PAGE = 1000
_MOST_PAGES = 10_000
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")

T = TypeVar("T")


class BlobStream:
    """A blob, or the rest of one, as it comes in.

    Attributes:
        start: offset in the blob of the first byte that will come; 0 where the server ignored the wish for a later one.
        promised: bytes that shall come, as the server says; None when it does not.
    """

    def __init__(self, response: Response, start: int, host: str) -> None:
        self.start = start
        length = response.headers.get("Content-Length", "")
        self.promised = int(length) if length.isdecimal() else None
        self._response, self._host = response, host

    def abort(self) -> None:
        """Make a read in another thread end at once."""
        with suppress(OSError, RuntimeError, ValueError):  # already closed, or never connected
            self._response.shutdown()

    def read(self, size: int) -> bytes:
        """What has come in, at most so many bytes; empty at the end.

        Raises:
            Broken: the connection failed.
        """
        try:
            data: bytes = self._response.read1(size, decode_content=False)
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
        self._transport = Transport(insecure, timeout)
        self._challenged = False

    @cached_property
    def _authenticator(self) -> "Authenticator":
        # Loads requests, which takes longer than most manifests; most caches ask for no credentials.
        from orchestrator.images.credentials import Authenticator  # noqa: PLC0415
        from orchestrator.images.tokens import TokenSession  # noqa: PLC0415

        return Authenticator(TokenSession(self._transport, self.retry), self._transport.may_be_plain)

    def __repr__(self) -> str:
        return f"RegistryClient(insecure={sorted(self._transport.insecure)}, retries={self.retries})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all connections."""
        self._transport.close()

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
                data = read_all(response, MANIFEST_LIMIT, f"{location}: {reference}")
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
                return ManifestBytes(read_all(response, SMALL_LIMIT, origin), "", blob.digest)

        return self._twice(read, origin, cancelled).data

    def tags(self, location: str) -> list[str]:
        """Every tag of a repository, in the registry's order.

        Args:
            location: `http(s)://host[:port]/repository`.

        Raises:
            As `manifest` does; Broken also where the registry lists without end.
        """
        return self._names(location, "tags/list", "tags")

    def catalogue(self, origin: str) -> list[str]:
        """Every repository of a registry, where it tells.

        Args:
            origin: `http(s)://host[:port]`.

        Raises:
            As `tags` does.
        """
        return self._names(origin, "_catalog", "repositories")

    def _names(self, location: str, path: str, key: str) -> list[str]:
        """A list in pages, each of which links to the next (RFC 8288)."""
        found: dict[str, None] = {}
        query: str | None = f"?n={PAGE}"
        for _ in range(_MOST_PAGES):
            here = f"{path}{query}"

            def read(here: str = here) -> tuple[bytes, str]:
                with self._get(location, here, {}) as response:
                    return read_all(response, MANIFEST_LIMIT, f"{location}: {path}"), response.headers.get("Link", "")

            data, link = self.retry(read)
            try:
                found |= dict.fromkeys(msgspec.json.decode(data, type=dict[str, Any]).get(key) or ())
            except (msgspec.DecodeError, TypeError) as error:
                raise Broken(f"{location}: {path}: the answer is no list: {error}") from error
            following = _NEXT.search(link)
            query = f"?{urlsplit(following[1]).query}" if following else None
            if query is None:
                return list(found)
        raise Broken(f"{location}: {path}: more than {_MOST_PAGES} pages")

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
    def _get(self, location: str, path: str, headers: dict[str, str]) -> Iterator[Response]:
        """One GET, authenticated where the registry wants it; the answer is a good one."""
        origin, repository = _split(location)
        url = "/".join(part for part in (origin, "v2", repository, path) if part)
        shown = self._authenticator.header(origin, repository) if self._challenged else None
        response = self._transport.get(url, headers, shown)
        try:
            for _ in range(_ANSWER_LIMIT):
                challenge = response.headers.get("WWW-Authenticate", "")
                if response.status != _UNAUTHORIZED or not challenge:
                    break
                finish(response)
                self._challenged = True
                shown = self._authenticator.answer(origin, repository, challenge, shown)
                response = self._transport.get(url, headers, shown)
            raise_for_status(response, f"{location}: {path}", host=urlsplit(origin).netloc)
            yield response
        finally:
            response.close()


def _split(location: str) -> tuple[str, str]:
    url = urlsplit(location)
    return f"{url.scheme}://{url.netloc}", url.path.strip("/")


def _start(response: Response, offset: int) -> int:
    """Where in the blob an answer to a Range request begins: at the offset, or at 0 where Range was ignored."""
    if response.status != _PARTIAL:
        return 0
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if not found or int(found[1]) != offset:
        raise RangeRefused(f"{urlsplit(response.url or '').netloc} answers with another range than was asked for")
    return offset
