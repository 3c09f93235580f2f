"""The keys of an OpenID provider: found by its discovery document, fetched again when they change, within bounds."""

from __future__ import annotations

import threading
import time
import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from orchestrator.errors import TemporaryError
from orchestrator.kit.hosts import is_loopback
from orchestrator.net.errors import ImageError
from orchestrator.net.transport import Asking, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joserfc.jwk import Key

_DISCOVERY = "/.well-known/openid-configuration"
_MOST_BYTES, _MOST_KEYS = 256 * 1024, 100
_CONNECT_SECONDS, _ANSWER_SECONDS, _WHOLE_SECONDS = 5.0, 5.0, 10.0
#: Seconds for which keys are used before they are fetched again; between two tries, for any key; and
#: for which old keys are used while the provider is away.
_FRESH, _PAUSE, _STALE = 600.0, 30.0, 24 * 3600.0
_OK = 200
_SMALLEST_RSA = 2048


class ProviderError(TemporaryError):
    """The OpenID provider does not answer, or not as one does."""


class ProviderKeys:
    """The public keys of a provider, by id; safe to use from several threads, of which one fetches."""

    def __init__(self, issuer: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, Key] = {}
        self._fetched = self._tried = -_STALE
        self._trouble = ""

    def find(self, id_: str) -> Key | None:
        """The key of an id; without an id the only one there is. None where there is none.

        An id that nobody knows has the keys fetched again, for they may have been changed; but not more often than
        every half a minute, so that made-up ids cost the provider nothing.

        Raises:
            ProviderError: there are no keys yet, or only very old ones, and the provider does not give any.
        """
        found = self._known(id_)
        age = self._clock() - self._fetched
        if found is None or age >= _FRESH:
            # Who has a key that is known needs not wait while another request fetches.
            self._refresh(wait=found is None or age >= _STALE)
            found = self._known(id_)
        if self._clock() - self._fetched >= _STALE:
            raise ProviderError(
                f"the keys of {self._issuer} cannot be fetched: {self._trouble or 'it was just tried'}",
                retry_after=_PAUSE,
            )
        return found

    def _known(self, id_: str) -> Key | None:
        keys = self._keys
        if not id_:
            return next(iter(keys.values())) if len(keys) == 1 else None
        return keys.get(id_)

    def _refresh(self, *, wait: bool) -> None:
        if not self._lock.acquire(blocking=wait):
            return
        try:
            self._fetch()
        finally:
            self._lock.release()

    def _fetch(self) -> None:
        if self._clock() - self._tried < _PAUSE:
            return
        self._tried = self._clock()
        try:
            self._keys = _usable_keys(_get(self._find_keys()))
            self._fetched, self._trouble = self._clock(), ""
        except (ImageError, ProviderError) as error:
            self._trouble = str(error)

    def _find_keys(self) -> str:
        document = _get(self._issuer.rstrip("/") + _DISCOVERY)
        if document.get("issuer") != self._issuer:
            raise ProviderError(f"{self._issuer}: its discovery document is of another issuer")
        found = document.get("jwks_uri")
        if not isinstance(found, str) or not is_safe_url(found):
            raise ProviderError(f"{self._issuer}: its discovery document names no https URL of keys")
        return found


def is_safe_url(url: str) -> bool:
    """Whether what comes from a URL is what its host says: by TLS, or from this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def _get(url: str) -> Mapping[str, Any]:
    host = urlsplit(url).netloc
    with closing(Transport((), (_CONNECT_SECONDS, _ANSWER_SECONDS))) as transport:
        asking = Asking(until=time.monotonic() + _WHOLE_SECONDS)
        with closing(transport.send("GET", url, {"Accept": "application/json"}, asking=asking)) as answer:
            if answer.status != _OK:
                raise ProviderError(f"{host} answers {answer.status}")
            data = answer.read_all(_MOST_BYTES, host)
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProviderError(f"{host}: its answer is no JSON") from error
    if not isinstance(found, dict):
        raise ProviderError(f"{host}: its answer is no JSON object")
    return found


def _usable_keys(document: Mapping[str, Any]) -> dict[str, Key]:
    """Public keys for signatures, by id; what else is among them is left out, as the standard says."""
    given = document.get("keys")
    if not isinstance(given, list) or len(given) > _MOST_KEYS:
        raise ProviderError(f"the provider has no list of keys, or one of more than {_MOST_KEYS}")
    found: dict[str, Key] = {}
    for place, each in enumerate(given):
        if not isinstance(each, dict) or each.get("use", "sig") != "sig":
            continue
        try:
            with warnings.catch_warnings(action="ignore", category=SecurityWarning):  # weak ones are left out below
                [key] = KeySet.import_key_set({"keys": [each]}).keys
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        # Never a key that is also a secret: with it anybody who reads the list could sign.
        if not isinstance(key, (RSAKey, ECKey, OKPKey)) or key.is_private:
            continue
        if isinstance(key, RSAKey) and key.public_key.key_size < _SMALLEST_RSA:
            continue
        found[str(each.get("kid") or f"#{place}")] = key
    return found
