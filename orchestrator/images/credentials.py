"""Credentials for registries: Docker's config.json, and the answers to their challenges.

`oras` does what it does well: credential helpers and stores, challenges, token requests. Done here, because it does
not: one token per repository and registry (it keeps a single one for all), `DOCKER_CONFIG` and Docker Hub's old key in
config.json, retries and time-outs of token requests (through the `session` given to it), and the refusal to send a
password in the clear where the registry itself was reached by TLS.
"""

import base64
import binascii
import json
import os
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from oras.auth import TokenAuth
from oras.auth.utils import authHeader, get_basic_auth, parse_auth_header

from orchestrator.images.interface import Denied

_HUB_SERVER = "https://index.docker.io/v1/"
_HUB_HOSTS = {"docker.io", "index.docker.io", "registry-1.docker.io"}
_SECRET_USER = b"<token>"

Key = tuple[str, str]


class TokenSession(Protocol):
    """What oras needs to ask for tokens: two methods of a `requests.Session`."""

    def get(self, url: str, /, **options: Any) -> Any:
        """GET with `headers` and `params`."""

    def request(self, method: str, url: str, /, **options: Any) -> Any:
        """The same for any method."""


class Authenticator:
    """Knows which Authorization header to show to which registry; safe to use from several threads.

    Args:
        session: asks token servers.
        may_be_plain: whether a host (`host[:port]`) may be sent a password without TLS.
    """

    def __init__(self, session: TokenSession, may_be_plain: Callable[[str], bool]) -> None:
        self._session, self._may_be_plain = session, may_be_plain
        self._headers: dict[Key, str] = {}
        self._locks: defaultdict[Key, threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def __repr__(self) -> str:
        return f"Authenticator({len(self._headers)} repositories)"

    def header(self, origin: str, repository: str) -> str | None:
        """The header to show at once, when an earlier challenge was answered; None otherwise."""
        return self._headers.get((origin, repository))

    def answer(self, origin: str, repository: str, challenge: str, refused: str | None) -> str:
        """Answer a challenge.

        Args:
            origin: `scheme://host[:port]` of the registry.
            repository: within it.
            challenge: its WWW-Authenticate header.
            refused: the Authorization header it answered with the challenge to; None if there was none.

        Returns:
            The header to show now.

        Raises:
            Denied: there is nothing (else) to show.
            Busy, Broken: the token server did not answer.
        """
        key = (origin, repository)
        with self._guard:
            lock = self._locks[key]
        with lock:
            known = self._headers.get(key)
            if known is None or known == refused:  # otherwise another thread has answered it meanwhile
                known = self._answer(origin, repository, challenge, refused)
                self._headers[key] = known
            return known

    def _answer(self, origin: str, repository: str, challenge: str, refused: str | None) -> str:
        host = urlsplit(origin).netloc
        keyring = _Keyring(host, origin, self._session)
        if "bearer" in challenge.lower().split():
            asked = parse_auth_header(challenge)
            self._check_realm(asked.realm or "", origin, keyring)
            token = keyring.ask_for_token(asked)
            if token:
                return f"Bearer {token}"
            tried = "the credentials it was shown" if keyring.basic else "anonymous access"
            raise Denied(f"{host} refuses {tried} to {repository}; {_login(host)}")
        header = f"Basic {keyring.basic}"
        if not keyring.basic:
            raise Denied(f"{host} wants a user name and password for {repository}; {_login(host)}")
        if header == refused:
            raise Denied(f"{host} refuses our user name and password for {repository}; {_login(host)}")
        return header

    def _check_realm(self, realm: str, origin: str, keyring: "_Keyring") -> None:
        url = urlsplit(realm)
        if (
            keyring.basic
            and url.scheme == "http"
            and origin.startswith("https:")
            and not self._may_be_plain(url.netloc)
        ):
            raise Denied(f"{urlsplit(origin).netloc} wants its password sent to {url.netloc} without TLS; refused")


class _Keyring(TokenAuth):  # type: ignore[misc] # oras has no types
    """oras's token authentication for one host, with the credentials that are for exactly this host."""

    def __init__(self, host: str, origin: str, session: TokenSession) -> None:
        super().__init__()
        server = _HUB_SERVER if host in _HUB_HOSTS else host
        self._auth_config = load_docker_config()
        self._tls_verify = True  # the session decides by host
        self.session = session
        self.prefix = urlsplit(origin).scheme
        try:
            self._load_auth(server)
        except (ValueError, KeyError, OSError) as error:
            raise Denied(f"the credential helper for {host} does not work: {type(error).__name__}") from error
        if self.basic and _user(self.basic) == _SECRET_USER:
            raise Denied(f"the login to {host} is an identity token, which is not supported; log in by password or PAT")

    @property
    def basic(self) -> str:
        """`user:password` in base64; empty for anonymous."""
        return getattr(self, "_basic_auth", "") or ""

    def ask_for_token(self, asked: authHeader) -> str:
        """Ask the realm for a token; empty when refused."""
        if not asked.realm:
            return ""
        return (self.request_token(asked) if self.basic else self.request_anonymous_token(asked)) or ""


def load_docker_config() -> dict[str, Any]:
    """`auths`, `credHelpers` and `credsStore` of Docker's config.json, servers by their bare host.

    The file is `$DOCKER_CONFIG/config.json`, by default `~/.docker/config.json`; none is as good as an empty one.

    Raises:
        Denied: there is one that cannot be read.
    """
    folder = os.environ.get("DOCKER_CONFIG")
    path = (Path(folder) if folder else Path("~/.docker").expanduser()) / "config.json"
    try:
        content = json.loads(path.read_bytes())
        auths = {_server(key): {"auth": _inline(entry)} for key, entry in (content.get("auths") or {}).items()}
        helpers = {_server(key): name for key, name in (content.get("credHelpers") or {}).items()}
    except (FileNotFoundError, NotADirectoryError):
        return {"auths": {}, "credHelpers": {}, "credsStore": None}
    except (OSError, ValueError, AttributeError) as error:
        raise Denied(f"{path} cannot be read as Docker's config.json: {type(error).__name__}") from error
    return {"auths": auths, "credHelpers": helpers, "credsStore": content.get("credsStore")}


def _server(key: str) -> str:
    """`https://host/v1/` and `host` are the same server; Docker Hub has one special name."""
    host = key.partition("://")[2] or key
    host = host.partition("/")[0]
    return _HUB_SERVER if host in _HUB_HOSTS else host


def _inline(entry: dict[str, str]) -> str:
    if entry.get("username") and entry.get("password"):
        return str(get_basic_auth(entry["username"], entry["password"]))
    return entry.get("auth") or ""


def _user(basic: str) -> bytes:
    try:
        return base64.b64decode(basic).partition(b":")[0]
    except binascii.Error:
        return b""


def _login(host: str) -> str:
    return f"does the image exist, and is there a login for {host} in Docker's config.json?"
