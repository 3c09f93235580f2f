"""What we show to registries so that they let us read, in answer to their challenges.

A registry gets the login that the user's files have for its host and the repository, or a token that this login, or
nobody's, is good for: one for each of its repositories.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from orchestrator.images.registry.keychain import Keychain
from orchestrator.kit.http_headers import Challenge, HeaderError, challenges
from orchestrator.net.errors import Broken, Denied

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.images.registry.logins import RegistryLogin
    from orchestrator.kit.addresses import Zone

    #: Asks a token server: the challenge, and the login (None to ask as nobody).
    Ask = Callable[[Challenge, RegistryLogin | None], str]

Key = tuple[str, str]

#: Longest field that holds nothing but names of schemes.
_NAMES = 64
#: Refused tokens after which a password is tried, where the registry offers both ways.
_TOKENS = 2


class Refusal(NamedTuple):
    """How a registry wants to be logged in to.

    Attributes:
        challenges: its `WWW-Authenticate` fields; none where it does not say.
        plain: whether it speaks plain HTTP where https is meant.
        zone: of the address at which it says so.
        shown: the Authorization header that it refuses; None if there was none.
        attempt: how often the same request was refused before.
    """

    challenges: list[str]
    plain: bool
    zone: Zone
    shown: str | None = None
    attempt: int = 0

    @property
    def usable(self) -> bool:
        """Whether a challenge says more than the names of schemes."""
        return any("=" in field or len(field) > _NAMES for field in self.challenges)


class Authenticator:
    """Knows which Authorization header to show to which registry; safe to use from several threads."""

    def __init__(self) -> None:
        self._headers: dict[Key, str] = {}
        self._logins: dict[Key, RegistryLogin | None] = {}
        self._locks: defaultdict[Key, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()
        self._keychain = Keychain()

    def __repr__(self) -> str:
        return f"Authenticator({len(self._headers)} repositories)"

    def header(self, origin: str, repository: str) -> str | None:
        """The header to show at once, when an earlier challenge was answered; None otherwise."""
        return self._headers.get((origin, repository))

    def login(self, origin: str, repository: str) -> RegistryLogin | None:
        """The user's login for a repository.

        Raises:
            Denied: a file, an entry or a helper that would count does not work.
        """
        found = self._keychain.find(urlsplit(origin).netloc, repository)
        self._logins[origin, repository] = found
        return found

    def advice(self, origin: str, repository: str, shown: str | None) -> str:
        """For messages: which login a registry was shown, or why none; empty where none was looked for."""
        host = urlsplit(origin).netloc
        if (origin, repository) not in self._logins:
            return ""
        login = self._logins[origin, repository]
        if login is None:
            return f"{self._keychain.missing(host)}; log in to {host} if it is not for everybody"
        return f"check {login.described}" + ("" if shown else ", which could not be shown to it")

    def answer(self, origin: str, repository: str, refusal: Refusal, *, ask: Ask, patience: float | None) -> str:
        """Answer a refusal.

        Args:
            origin: `scheme://host[:port]` of the registry.
            repository: within it.
            refusal: with a challenge or without.
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
            if known is None or known == refusal.shown:  # otherwise another thread has answered it meanwhile
                known = self._answer(origin, repository, refusal, ask)
                self._headers[key] = known
            return known
        finally:
            lock.release()

    def _answer(self, origin: str, repository: str, refusal: Refusal, ask: Ask) -> str:
        host, what = urlsplit(origin).netloc, repository or "its catalogue"
        if refusal.plain:
            raise Denied(
                f"{host}: wants credentials, but speaks plain HTTP where https is meant, so it is shown none; if they "
                "may go in the clear, name it as a cache with an http:// URL"
            )
        login = self.login(origin, repository)
        if login is not None and login.token:
            return _unless_refused(f"Bearer {login.token}", refusal, f"{host} refuses the token of {login.described}")
        offered = _offered(refusal.challenges, host)
        if not offered.keys() & {"basic", "bearer"}:
            raise Denied(f"{host} wants {', '.join(sorted(offered))[:80]!r} authentication, which we do not speak")
        basic = _password(login) if "basic" in offered else ""
        failure = f"{host} wants a user name and password for {what}"
        if "bearer" in offered and not (basic and refusal.attempt >= _TOKENS):
            try:
                if token := ask(offered["bearer"], login):
                    return f"Bearer {token}"
                failure = f"the token server of {host} gives no token for {what}"
            except Denied as error:
                if not basic:
                    raise
                failure = str(error)
        if login is not None and basic:
            return _unless_refused(f"Basic {basic}", refusal, f"{failure}, and refuses {login.described}")
        raise Denied(f"{failure}{self._lacking(login, host, tokens='bearer' in offered)}")

    def _lacking(self, login: RegistryLogin | None, host: str, *, tokens: bool) -> str:
        """The end of a message: why what there is was not enough."""
        if login is None:
            return f"; does the image exist? {self._keychain.missing(host)}"
        if tokens:
            return f" to {login.described}; does the image exist? if so, fix that login"
        return (
            f", and {login.described} is an identity token, which only a token server takes; log in by password or "
            "access token"
        )


def _password(login: RegistryLogin | None) -> str:
    """User name and password of a login; not the mere user name that stands beside an identity token."""
    return login.basic if login and (login.has_password or not login.identity) else ""


def _unless_refused(header: str, refusal: Refusal, otherwise: str) -> str:
    if header == refusal.shown:
        raise Denied(f"{otherwise}; does the image exist? if so, fix that login")
    return header


def _offered(fields: list[str], host: str) -> dict[str, Challenge]:
    """The challenges of a registry by scheme, of each the first, or the first that names a realm.

    One without any is taken for Basic, as curl and crane do.
    """
    if not fields:
        return {"basic": Challenge("basic")}
    found: dict[str, Challenge] = {}
    try:
        for challenge in challenges(fields):
            before = found.setdefault(challenge.scheme, challenge)
            if not before.parameters.get("realm"):
                found[challenge.scheme] = challenge
    except HeaderError as error:
        raise Denied(f"{host}: its WWW-Authenticate header cannot be read: {error}") from error
    return found
