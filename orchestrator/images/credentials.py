"""What we show to registries so that they let us read, in answer to their challenges.

A registry gets the login that Docker's config.json has for exactly its host, or a token that this login, or nobody's,
is good for: one for each of its repositories.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.images.interface import Broken, Denied
from orchestrator.images.logins import find_login
from orchestrator.kit.http_headers import Challenge, HeaderError, challenges

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.images.answers import Answer

    #: Asks a token server: the challenge, and the login (`user:password` in base64, or empty).
    Ask = Callable[[Challenge, str], str]

Key = tuple[str, str]


class Authenticator:
    """Knows which Authorization header to show to which registry; safe to use from several threads."""

    def __init__(self) -> None:
        self._headers: dict[Key, str] = {}
        self._locks: defaultdict[Key, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def __repr__(self) -> str:
        return f"Authenticator({len(self._headers)} repositories)"

    def header(self, origin: str, repository: str) -> str | None:
        """The header to show at once, when an earlier challenge was answered; None otherwise."""
        return self._headers.get((origin, repository))

    def answer(
        self, origin: str, repository: str, refusal: Answer, refused: str | None, *, ask: Ask, patience: float | None
    ) -> str:
        """Answer a challenge.

        Args:
            origin: `scheme://host[:port]` of the registry.
            repository: within it.
            refusal: its answer with the challenge.
            refused: the Authorization header it gave that answer to; None if there was none.
            ask: asks a token server.
            patience: seconds to wait for another thread that answers the same; None for as long as that takes.

        Returns:
            The header to show now.

        Raises:
            Denied: there is nothing (else) to show, or nothing that may be shown.
            Busy, Broken: the token server did not answer.
        """
        key = (origin, repository)
        with self._guard:
            lock = self._locks[key]
        if not lock.acquire(timeout=-1 if patience is None else patience):
            raise Broken(f"{urlsplit(origin).netloc}: its token server does not answer in time")
        try:
            known = self._headers.get(key)
            if known is None or known == refused:  # otherwise another thread has answered it meanwhile
                known = _answer(origin, repository, refusal, refused, ask)
                self._headers[key] = known
            return known
        finally:
            lock.release()


def _answer(origin: str, repository: str, refusal: Answer, refused: str | None, ask: Ask) -> str:
    host = urlsplit(origin).netloc
    if refusal.plain:
        raise Denied(
            f"{host}: wants credentials, but speaks plain HTTP where https is meant, so it is shown none; if they may "
            "go in the clear, name it as a cache with an http:// URL"
        )
    offered = _offered(refusal, host)
    basic = find_login(host)
    if "bearer" in offered:
        if token := ask(offered["bearer"], basic):
            return f"Bearer {token}"
        tried = "the credentials it was shown" if basic else "anonymous access"
        raise Denied(f"{host} refuses {tried} to {repository}; {_hint(host)}")
    if "basic" not in offered:
        raise Denied(f"{host} wants {', '.join(sorted(offered))[:80]!r} authentication, which we do not speak")
    header = f"Basic {basic}"
    if not basic:
        raise Denied(f"{host} wants a user name and password for {repository}; {_hint(host)}")
    if header == refused:
        raise Denied(f"{host} refuses our user name and password for {repository}; {_hint(host)}")
    return header


def _offered(refusal: Answer, host: str) -> dict[str, Challenge]:
    """The challenges of an answer by scheme, of each the first."""
    found: dict[str, Challenge] = {}
    try:
        for challenge in challenges(refusal.fields("WWW-Authenticate")):
            found.setdefault(challenge.scheme, challenge)
    except HeaderError as error:
        raise Denied(f"{host}: its WWW-Authenticate header cannot be read: {error}") from error
    return found


def _hint(host: str) -> str:
    return f"does the image exist, and is there a login for {host} in Docker's config.json?"
