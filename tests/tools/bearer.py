"""The token server of a registry: hands out bearer tokens, and knows the ones it gave."""

import base64
import binascii
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs


@dataclass
class _Grant:
    scopes: frozenset[str]
    expires: float
    uses: int | None


class Bearer:
    """Bearer token flow as registries do it (GET on the realm with service and scope).

    Args:
        users: name → password; None lets anybody have a token.
        lifetime: seconds a token lives; also told to the client.
        uses: requests one token is good for, so that a test can make it expire in the middle of a pull.
        field: the answer's member that holds the token; registries use `token`, `access_token` or both.
    """

    SERVICE = "scanmatrix-test"

    def __init__(
        self,
        users: Mapping[str, str] | None = None,
        *,
        lifetime: int = 300,
        uses: int | None = None,
        field: str = "token",
    ) -> None:
        self.users = users
        self.lifetime = lifetime
        self.uses = uses
        self.field = field
        self.issued = 0
        self._grants: dict[str, _Grant] = {}
        self._lock = threading.Lock()

    def issue(self, query: str, authorization: str) -> tuple[int, bytes]:
        """Answer of the token endpoint: status and JSON body."""
        if self.users is not None and not self._knows(authorization):
            return 401, _error("UNAUTHORIZED", "incorrect user name or password")
        scopes = frozenset(scope for value in parse_qs(query).get("scope", []) for scope in value.split())
        token = secrets.token_urlsafe(24)
        with self._lock:
            self.issued += 1
            self._grants[token] = _Grant(scopes, time.monotonic() + self.lifetime, self.uses)
        return 200, json.dumps({self.field: token, "expires_in": self.lifetime}).encode()

    def admits(self, authorization: str, repository: str, action: str) -> bool:
        """Whether this Authorization header lets its bearer do this; a use of the token is counted."""
        kind, _, token = authorization.partition(" ")
        with self._lock:
            grant = self._grants.get(token) if kind.lower() == "bearer" else None
            if grant is None or grant.expires < time.monotonic() or grant.uses == 0:
                return False
            if repository and not any(_allows(scope, repository, action) for scope in grant.scopes):
                return False
            if grant.uses is not None:
                grant.uses -= 1
        return True

    def revoke_all(self) -> None:
        """Every token handed out so far stops working."""
        with self._lock:
            self._grants.clear()

    def challenge(self, realm: str, repository: str, action: str) -> str:
        """The WWW-Authenticate header of a refusal."""
        scope = f',scope="repository:{repository}:{action}"' if repository else ""
        return f'Bearer realm="{realm}",service="{self.SERVICE}"{scope}'

    def _knows(self, authorization: str) -> bool:
        kind, _, encoded = authorization.partition(" ")
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        return kind.lower() == "basic" and self.users is not None and self.users.get(name) == password


def wanted(method: str, path: str) -> tuple[str, str]:
    """Repository and action a request is about; an empty repository for `/v2/` itself."""
    for part in ("/manifests/", "/blobs/", "/tags/", "/referrers/"):
        name, found, _ = path.removeprefix("/v2/").partition(part)
        if found:
            return name, "pull" if method in {"GET", "HEAD"} else "pull,push"
    return "", "pull"


def _allows(scope: str, repository: str, action: str) -> bool:
    # The repository's name may itself hold a colon only in its host part, which a scope never has.
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return kind == "repository" and name == repository and set(action.split(",")) <= set(actions.split(","))


def _error(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()
