"""A client for the reading side of the OCI distribution API: manifests, blobs, and the names of what there is.

Specification: OCI distribution-spec 1.1, "Pull" and "Content Discovery"; the catalogue is that of Docker's registry.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypeVar

from orchestrator.images.digests import DIGEST, check_digest, digest_of
from orchestrator.images.manifests import INDEX_TYPES, MANIFEST_TYPES, OCI_INDEX
from orchestrator.images.registry.blob_stream import BlobStream, start_of
from orchestrator.images.registry.cache import CacheRule, is_within, remedy
from orchestrator.images.registry.credentials import Authenticator
from orchestrator.images.registry.hearsay import confirmed, reach_upstream, witnessed
from orchestrator.images.registry.listing import PAGE, Referrer, read_catalogue, read_referrers, read_tags
from orchestrator.images.registry.session import Session
from orchestrator.kit.retrying import Patience
from orchestrator.model import LISTING_BUDGET, Blob
from orchestrator.net.allowance import Allowance
from orchestrator.net.answers import RangeRefused
from orchestrator.net.errors import Damaged, ManifestBytes, NotFound, WrongBytes
from orchestrator.net.pages import refuse_page
from orchestrator.net.transport import Asking, Transport

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from orchestrator.net.answers import Answer

    #: A page of a list, and the `Link` fields beside it.
    _Page = tuple[bytes, list[str]]

#: Largest manifest accepted; the specification lets registries refuse larger ones to begin with.
MANIFEST_LIMIT: Final = 4 * 1024 * 1024
#: Largest blob read into memory (configs).
SMALL_LIMIT: Final = 16 * 1024 * 1024
_ACCEPT = ", ".join((*MANIFEST_TYPES, *INDEX_TYPES, "application/vnd.docker.distribution.manifest.v1+prettyjws"))

T = TypeVar("T")


def _plainly(ask: Callable[[], T]) -> T:
    return ask()


class RegistryClient:
    """Reads manifests and blobs; one for many registries and threads.

    Credentials go to the host they are for, and never along a redirect to another one.

    Args:
        insecure: hosts (`host[:port]`) whose certificates are not verified, and with whom plain HTTP is tried where
            they do not speak TLS; those are then shown no credentials. HTTP is otherwise used for `http://` locations
            only.
        retries: further attempts of each request after a 429, a 5xx, a broken connection or damaged bytes, those at
            its token server included.
        caches: pull-through caches; what they say of names counts only while they reach their upstream.
        backoff: seconds before the first of them, doubled each time.
        timeout: seconds to wait for a connection, and for any next byte.
        strange: hosts (`host[:port]`) that strangers name: as for `Transport`.
    """

    def __init__(
        self,
        insecure: Iterable[str] = (),
        retries: int = 4,
        *,
        caches: Iterable[CacheRule] = (),
        backoff: float = 0.5,
        timeout: tuple[float, float] = (10, 60),
        strange: Iterable[str] = (),
    ) -> None:
        self.retries, self.backoff = retries, backoff
        self._caches = tuple(caches)
        self._transport = Transport(insecure, timeout, strange=strange)
        self._authenticator = Authenticator()
        self._session = Session(self._transport, self._authenticator)

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

    def manifest(
        self,
        location: str,
        reference: str,
        *,
        cancelled: threading.Event | None = None,
        allowance: Allowance | None = None,
    ) -> ManifestBytes:
        """Read a manifest or an index.

        Args:
            location: `http(s)://host[:port]/repository`.
            reference: tag or digest.
            cancelled: ends any wait.
            allowance: what it may cost; None for whatever one manifest does.

        Raises:
            NotFound, Denied, Untrusted, Unsupported: see there. A cache's word that there is no such tag counts only
                while it reaches its upstream.
            WrongBytes: twice, it was not what its digest promises.
            OverBudget: the allowance is used up.
            Busy, Broken: the retries are used up.
        """
        path = f"manifests/{reference}"
        wanted = check_digest(reference, origin=location) if ":" in reference else ""

        def read() -> ManifestBytes:
            with self._session.get(location, path, {"Accept": _ACCEPT}, Asking(allowance)) as answer:
                data = answer.read_all(MANIFEST_LIMIT, f"{location}: {reference}")
                refuse_page(data, f"{location}: {reference}")
                promised = wanted or _promised(answer, location) or digest_of(data)
                kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()[:255]
            return ManifestBytes(data, kind, promised)

        ask = read if wanted else partial(self._of_names(confirmed, location, path, allowance), read)
        return self._read(ask, f"{location}: {reference}", cancelled, allowance)

    def blob(
        self,
        location: str,
        blob: Blob,
        *,
        cancelled: threading.Event | None = None,
        allowance: Allowance | None = None,
    ) -> bytes:
        """Read a small blob, such as a config, whole.

        Raises:
            As `manifest` does.
        """
        origin = f"{location}: {check_digest(blob.digest, origin=location)}"

        def read() -> ManifestBytes:
            with self._session.get(location, f"blobs/{blob.digest}", {}, Asking(allowance)) as answer:
                data = answer.read_all(SMALL_LIMIT, origin)
                if digest_of(data, like=blob.digest) != blob.digest:  # an artifact may hold pages
                    refuse_page(data, origin)
                return ManifestBytes(data, "", blob.digest)

        return self._read(read, origin, cancelled, allowance).data

    def tags(self, location: str, *, allowance: Allowance | None = None) -> list[str]:
        """Every tag of a repository, in the registry's order.

        Args:
            location: `http(s)://host[:port]/repository`.
            allowance: what it may cost; by default as much as `limits.listing` grants without a configuration.

        Raises:
            As `manifest` does; ForeignJsonError or WrongBytes where what is served is no list, or one without end.
        """
        spent = allowance or _listing_allowance()
        page = self._pages(location, "tags/list", spent, self._of_names(witnessed, location, "tags/list", spent))
        return read_tags(page, spent, f"{location}: tags/list", size=PAGE)

    def referrers(self, location: str, digest: str, *, allowance: Allowance | None = None) -> list[Referrer] | None:
        """What says that it is about a manifest: signatures, attestations, SBOMs; in the registry's order.

        Args:
            location: `http(s)://host[:port]/repository`.
            digest: of the manifest.
            allowance: as for `tags`.

        Returns:
            None where the registry knows no such question (distribution-spec 1.1 came in 2024).

        Raises:
            As `tags` does; Unsupported where what is served is no index.
        """
        spent = allowance or _listing_allowance()
        path = f"referrers/{check_digest(digest, origin=location)}"
        try:
            return read_referrers(
                self._pages(location, path, spent, headers={"Accept": OCI_INDEX}), spent, f"{location}: {path}"
            )
        except NotFound:
            return None

    def greet(self, origin: str) -> None:
        """See that a registry answers, and takes the login that there is for all of it.

        Args:
            origin: `http(s)://host[:port]`.

        Raises:
            Denied: it takes no login, or not this one.
            Untrusted, Busy, Broken: as `manifest` does.
        """
        with self._session.get(origin, "", {}, Asking(None)):
            return

    def catalogue(self, origin: str, *, allowance: Allowance | None = None) -> list[str]:
        """Every repository of a registry, where it tells.

        Args:
            origin: `http(s)://host[:port]`.
            allowance: as for `tags`.

        Raises:
            As `tags` does.
        """
        spent = allowance or _listing_allowance()
        return read_catalogue(self._pages(origin, "_catalog", spent), spent, f"{origin}: _catalog", size=PAGE)

    def _pages(
        self,
        location: str,
        path: str,
        allowance: Allowance,
        asked: Callable[[Callable[[], _Page]], _Page] = _plainly,
        *,
        headers: dict[str, str] | None = None,
    ) -> Callable[[str], _Page]:
        def read(query: str) -> _Page:
            def attempt() -> _Page:
                with self._session.get(location, f"{path}{query}", headers or {}, Asking(allowance)) as answer:
                    data = answer.read_all(MANIFEST_LIMIT, f"{location}: {path}")
                    refuse_page(data, f"{location}: {path}")
                    return data, answer.fields("Link")

            return self.patience(allowance=allowance).retry(lambda: asked(attempt))

        return read

    def _of_names(
        self, rule: Callable[..., T], location: str, path: str, allowance: Allowance | None
    ) -> Callable[[Callable[[], T]], T]:
        """How an answer about names is asked for: of a cache, so that its upstream is seen to be asked."""
        if not any(is_within(cache, location) for cache in self._caches):
            return _plainly
        headers, asking, what = {"Accept": _ACCEPT}, Asking(allowance), f"{location}: {path}"
        return partial(rule, reach=partial(reach_upstream, self._session, location, headers, asking, what=what))

    @contextmanager
    def open_blob(self, location: str, digest: str, offset: int = 0) -> Iterator[BlobStream]:
        """One attempt to read a blob from an offset on; the caller retries, and verifies.

        Raises:
            NotFound, Denied, Untrusted, Busy, Broken: as `manifest` does, but at once.
        """
        path, asking = f"blobs/{digest}", Asking(large=True)
        with ExitStack() as stack:
            try:
                headers = {"Range": f"bytes={offset}-"} if offset else {}
                answer = stack.enter_context(self._session.get(location, path, headers, asking))
                start = start_of(answer, offset)
            except RangeRefused:
                start = 0
                answer = stack.enter_context(self._session.get(location, path, {}, asking))
            yield BlobStream(answer, start)

    def patience(self, cancelled: threading.Event | None = None, *, allowance: Allowance | None = None) -> Patience:
        """How long to try one thing."""
        left = None if allowance is None else allowance.seconds_left
        return Patience(self.retries, backoff=self.backoff, cancelled=cancelled, left=left)

    def _read(
        self,
        read: Callable[[], ManifestBytes],
        origin: str,
        cancelled: threading.Event | None,
        allowance: Allowance | None,
    ) -> ManifestBytes:
        """Read something small; once more if it is not what it should be (a flipped bit on the way is no verdict)."""

        def attempt() -> ManifestBytes:
            found = read()
            if (served := digest_of(found.data, like=found.digest)) != found.digest:
                raise Damaged(
                    f"{origin}: the registry serves {served} where {found.digest} was promised; {remedy(found.digest)}"
                )
            return found

        try:
            return self.patience(cancelled, allowance=allowance).retry(attempt)
        except Damaged as error:
            raise WrongBytes(str(error)) from error


def _listing_allowance() -> Allowance:
    return Allowance(LISTING_BUDGET, "limits.listing")


def _promised(answer: Answer, location: str) -> str:
    """The digest that the registry says its answer has; empty where it says nothing.

    Raises:
        WrongBytes: what it says is none that could be verified.
    """
    digest = answer.headers.get("Docker-Content-Digest", "").strip()
    if digest and not DIGEST.fullmatch(digest):
        raise WrongBytes(f"{location}: its Docker-Content-Digest {digest[:80]!r} is not a sha256 or sha512 digest")
    return digest
