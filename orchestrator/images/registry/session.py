"""Authenticated reading: one GET at a registry, which is logged in to as it wants and as often as it wants."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from orchestrator.images.registry.credentials import Authenticator, Refusal
from orchestrator.images.registry.tokens import TokenServers
from orchestrator.net.answers import Answer, raise_for_status
from orchestrator.net.errors import Denied, Misdirected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.images.registry.logins import RegistryLogin
    from orchestrator.kit.http_headers import Challenge
    from orchestrator.net.transport import Asking, Transport

_UNAUTHORIZED: Final = 401
#: How a registry answers the anonymous about what it would show to others.
_HIDING: Final = {401, 403, 404}
_ANSWER_LIMIT: Final = 3  # a token may be used up or expire between being given and being shown


@dataclass(frozen=True)
class _Request:
    """One GET.

    Attributes:
        origin: `scheme://host[:port]` of the registry.
        repository: within it; empty for its catalogue.
        url: what is asked for.
        headers: sent beside Authorization.
        asking: what it may do.
    """

    origin: str
    repository: str
    url: str
    headers: dict[str, str]
    asking: Asking


class Session:
    """Reads from registries; safe to use from several threads.

    Args:
        transport: sends the requests.
        authenticator: knows what to show.
    """

    def __init__(self, transport: Transport, authenticator: Authenticator) -> None:
        self._transport, self._authenticator = transport, authenticator
        self._token_servers = TokenServers(transport)
        self._pings: dict[str, Answer] = {}

    @contextmanager
    def get(self, location: str, path: str, headers: dict[str, str], asking: Asking) -> Iterator[Answer]:
        """One GET, authenticated where the registry wants it; the answer is a good one. The caller retries.

        Args:
            location: `http(s)://host[:port]/repository`.
            path: within it; empty for the registry's own greeting.
            headers: sent beside Authorization.
            asking: what it may do.

        Raises:
            ImageError: the answer is another one, or there is none.
        """
        where = urlsplit(location)
        origin, repository = f"{where.scheme}://{where.netloc}", where.path.strip("/")
        url = "/".join(part for part in (origin, "v2", repository, path) if part) + ("" if path else "/")
        request = _Request(origin, repository, url, headers, asking)
        shown, failure = self._authenticator.header(origin, repository), ""
        if shown is None and not repository:
            shown = self._greet(request)
        answer = self._ask(request, shown)
        try:
            for attempt in range(_ANSWER_LIMIT):
                try:
                    header = self._log_in(request, answer, shown, attempt)
                except Denied as error:
                    if _is_challenge(answer):
                        raise
                    header, failure = None, str(error)  # what it answered to nobody stands
                if header is None:
                    break
                answer.finish()
                shown = header
                answer = self._ask(request, shown)
            advice = failure or self._authenticator.advice(origin, repository, shown)
            raise_for_status(answer, f"{location}: {path}", partial="Range" in headers, login=advice)
            yield answer
        finally:
            answer.close()

    def _ask(self, request: _Request, shown: str | None) -> Answer:
        return self._transport.get(request.url, request.headers, shown, asking=request.asking)

    def _greet(self, request: _Request) -> str | None:
        """What to show before anything is asked: of the catalogue, the anonymous are given a part without a word.

        Raises:
            Denied: there is a login, and the registry does not take it.
        """
        if self._authenticator.login(request.origin, request.repository) is None:
            return None
        answer = self._ping(request)
        if answer is None or answer.plain:
            return None
        return self._authenticate(request, _refusal(answer))

    def _log_in(self, request: _Request, answer: Answer, shown: str | None, attempt: int) -> str | None:
        """What to show to a registry now that it has answered so; None where its answer stands.

        A registry may refuse without a challenge, or hide what the anonymous, or those without a token, may not see.
        Then it is asked how it wants to be logged in to, as crane asks it to begin with.

        Raises:
            Denied: there is nothing (else) that may be shown.
        """
        if answer.elsewhere or answer.may_work_later or answer.status not in _HIDING:
            return None
        refusal = _refusal(answer, shown, attempt)
        if _is_challenge(answer) and refusal.usable:
            return self._authenticate(request, refusal)
        ran_out = answer.status == _UNAUTHORIZED and (shown or "").startswith("Bearer ")
        if answer.plain or not (shown is None or ran_out):
            return None
        said = self._ping(request)
        if said is not None and said.fields("WWW-Authenticate"):
            refusal = _refusal(said, shown, attempt)
        login = self._authenticator.login(request.origin, request.repository)
        return self._authenticate(request, refusal) if login or refusal.challenges else None

    def _ping(self, request: _Request) -> Answer | None:
        """What a registry says to the anonymous (distribution-spec, "Determining Support"); None if nothing usable.

        It is asked once: what it says of itself does not change while it is read.

        Raises:
            Busy, Broken: it says nothing for now. That must not pass for an answer: it would be shown a login that it
                does not ask for, or give the anonymous the part of its catalogue that they may see.
        """
        if request.origin in self._pings:
            return self._pings[request.origin]
        try:
            answer = self._transport.get(f"{request.origin}/v2/", {}, asking=request.asking)
        except Misdirected:  # it redirects to somewhere odd; its repositories may still be read
            return None
        if answer.may_work_later:
            with closing(answer):
                raise_for_status(answer, f"{request.origin}/v2/")
        answer.finish()
        if answer.elsewhere:
            return None
        self._pings[request.origin] = answer
        return answer

    def _authenticate(self, request: _Request, refusal: Refusal) -> str:
        """What to show to a registry that refused."""
        allowance = request.asking.allowance

        def ask(challenge: Challenge, login: RegistryLogin | None) -> str:
            return self._token_servers.ask(
                challenge,
                login,
                origin=request.origin,
                repository=request.repository,
                zone=refusal.zone,
                allowance=allowance,
            )

        patience = None if allowance is None else allowance.seconds_left()
        return self._authenticator.answer(request.origin, request.repository, refusal, ask=ask, patience=patience)


def _is_challenge(answer: Answer) -> bool:
    """Whether a registry itself says how it wants to be logged in to."""
    return answer.status == _UNAUTHORIZED and not answer.elsewhere and bool(answer.fields("WWW-Authenticate"))


def _refusal(answer: Answer, shown: str | None = None, attempt: int = 0) -> Refusal:
    return Refusal(answer.fields("WWW-Authenticate"), answer.plain, answer.zone, shown, attempt)
