"""The section `auth`: who may ask the service."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from orchestrator.config.kinds import IssuerUrl, PathText, Text
from orchestrator.config.section import Section, WrongKey
from orchestrator.kit.hosts import is_loopback

#: Signatures by a key pair; one by a shared secret could be made with the provider's public keys.
Signature: TypeAlias = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"
]


class OidcRoles(Section):
    """Which values of the claim give which role; of several the highest counts.

    Attributes:
        read: may read
        submit: may also submit, retry and cancel runs, and put reports
        admin: may also delete, and sees the targets of all owners
    """

    read: tuple[Text, ...] = ()
    submit: tuple[Text, ...] = ()
    admin: tuple[Text, ...] = ()


class OidcSection(Section):
    """The OpenID provider whose tokens the service accepts.

    Attributes:
        issuer: its URL, exactly as its tokens name it; its keys are found by `/.well-known/openid-configuration`
        audience: that tokens must name
        algorithms: of signatures; others are refused
        role_claim: claim with the role: a text or a list; `realm_access.roles` for one within another
        roles: which of its values give which role; without any of them a caller is refused
        owner_claim: claim with the owners whose targets a caller sees, unless an admin; without it, everybody sees all
    """

    issuer: IssuerUrl
    audience: Text
    algorithms: Annotated[tuple[Signature, ...], Field(min_length=1)] = ("RS256", "ES256")
    role_claim: Text = "roles"
    roles: OidcRoles = OidcRoles()
    owner_claim: Text | None = None

    @model_validator(mode="after")
    def _is_believable(self) -> OidcSection:
        parts = urlsplit(self.issuer)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise WrongKey(("issuer",), "must begin with https://, so that nobody else can answer in its place")
        if not (self.roles.read or self.roles.submit or self.roles.admin):
            raise WrongKey(("roles",), "names no value, so nobody could do anything")
        return self


class AuthSection(Section):
    """Who may ask the service; without any, it listens on loopback alone ([service-security.md](service-security.md)).

    Attributes:
        tokens: file of tokens, which `scanmatrix token` writes; read again when it changes
        oidc: an OpenID provider whose tokens hold as well
    """

    tokens: PathText | None = None
    oidc: OidcSection | None = None
