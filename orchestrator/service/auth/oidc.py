"""Tokens of an OpenID provider: whether they hold, and what their claims allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.errors import JoseError

from orchestrator.service.auth.provider import ProviderKeys
from orchestrator.service.rest.caller import Caller, Role
from orchestrator.service.rest.problems import RefusedError, UnauthenticatedError
from orchestrator.store.scope import checked_owners

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from joserfc.jwk import Key

    from orchestrator.config.auth import OidcSection

_LONGEST_TOKEN = 16 * 1024
#: Seconds by which clocks may differ.
_LEEWAY = 30
_MOST_VALUES = 1000
_LONGEST_NAME = 200


class OidcTokens:
    """The tokens of one provider.

    Args:
        section: of the configuration.
        keys: of the provider; found by its issuer where none are given.
        clock: seconds since 1970; the clock of the machine where none is given.
    """

    def __init__(
        self, section: OidcSection, keys: ProviderKeys | None = None, *, clock: Callable[[], int] | None = None
    ) -> None:
        self._section = section
        self._keys = keys or ProviderKeys(section.issuer)
        self._clock = clock

    def caller(self, token: str) -> Caller:
        """Who has a token.

        Raises:
            UnauthenticatedError: it does not hold.
            RefusedError: it does, and its claims give no role.
            ProviderError: the provider's keys cannot be fetched.
        """
        claims = self._claims(token)
        name = str(claims.get("preferred_username") or claims["sub"])[:_LONGEST_NAME]
        role = self._role(claims)
        if role is None:
            raise RefusedError(
                f"{name} has no role here: the claim {self._section.role_claim!r} of the token has none of the values"
                " that auth.oidc.roles names"
            )
        owners = None
        if self._section.owner_claim and role < Role.ADMIN:
            owners = frozenset(checked_owners(_values(claims, self._section.owner_claim)))
        return Caller(f"oidc:{name}", role, owners)

    def _claims(self, token: str) -> Mapping[str, Any]:
        # Five parts would be an encrypted one, which nobody sends us.
        if len(token) > _LONGEST_TOKEN or token.count(".") != 2:  # noqa: PLR2004 - header, claims, signature
            raise UnauthenticatedError("this is no token of this service, nor of its OpenID provider")
        section = self._section
        rules = jwt.JWTClaimsRegistry(
            now=self._clock,
            leeway=_LEEWAY,
            iss={"essential": True, "value": section.issuer},
            aud={"essential": True, "value": section.audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        try:
            found = jwt.decode(token, self._key, algorithms=list(section.algorithms))
            rules.validate(found.claims)
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise UnauthenticatedError(f"the token does not hold: {_why(error)}") from error
        return found.claims

    def _key(self, token: Any) -> Key:
        """The key that a token says it is signed with, if the provider has it, and it is for that algorithm."""
        header = token.headers()
        key = self._keys.find(str(header.get("kid") or ""))
        if key is None:
            raise UnauthenticatedError("the token does not hold: its key is none of the provider's")
        if key.alg not in {None, header["alg"]}:
            raise UnauthenticatedError("the token does not hold: its key is for another algorithm")
        return key

    def _role(self, claims: Mapping[str, Any]) -> Role | None:
        """The most that any of the claim's values allows."""
        has = set(_values(claims, self._section.role_claim))
        given = self._section.roles
        allowed = ((Role.ADMIN, given.admin), (Role.SUBMIT, given.submit), (Role.READ, given.read))
        return next((role for role, values in allowed if has.intersection(values)), None)


def _values(claims: Mapping[str, Any], path: str) -> list[str]:
    """The texts of a claim, which is one or a list of them, perhaps within others (`realm_access.roles`)."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    given = found if isinstance(found, list) else [found]
    return [each for each in given[:_MOST_VALUES] if isinstance(each, str)]


def _why(error: Exception) -> str:
    """What is wrong, without anything that the token itself says."""
    return str(getattr(error, "description", "") or getattr(error, "error", "") or type(error).__name__)
