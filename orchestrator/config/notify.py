"""The section `notify` of the configuration: who is notified of what."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from orchestrator import model
from orchestrator.config.described import OrOne, ValueKind
from orchestrator.config.kinds import Duration, Glob, Text
from orchestrator.config.secret import SecretUrl, SecretWord
from orchestrator.config.section import CelRule, OneOf, Section, WrongKey

#: What there is to tell, in the order of messages; of `differences`, the status of the same name.
About = Literal["new", "fixed", "no longer scanned", "failed", "policy"]
#: Stands for the address or channel that an owner names in the inventory (annotation `scanmatrix/contact`).
CONTACT = "{contact}"
#: Among a route's owners: what nobody owns.
UNOWNED = "-"
#: The kinds of routes, by their keys.
CHANNELS = ("slack", "webhook", "email")
#: Ports of SMTP by the way of encryption (RFC 6409, RFC 8314, RFC 5321).
PORTS = {"starttls": 587, "tls": 465, "none": 25}

_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOMAIN = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
_ADDRESS = re.compile(rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_LOCAL}(\.{_LOCAL})*@{_DOMAIN}")
#: As the CEL of the custom resource can say it, which knows no addresses.
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_address(text: str) -> bool:
    """Whether a text is one plain e-mail address: RFC 5321 without quotes, literals and SMTPUTF8."""
    return _ADDRESS.fullmatch(text) is not None


def _address(value: str) -> str:
    if not is_address(value):
        raise ValueError("write one plain e-mail address, such as security@example.com")
    return value


def _recipient(value: str) -> str:
    return value if value == CONTACT else _address(value)


_ADDRESS_PATTERN = rf"^{_LOCAL}(\.{_LOCAL})*@{_DOMAIN}$"
Address = Annotated[
    str,
    AfterValidator(_address),
    ValueKind("address", {"type": "string", "pattern": _ADDRESS_PATTERN}, plural="addresses"),
]
Recipient = Annotated[
    str,
    AfterValidator(_recipient),
    ValueKind(
        "address",
        {"type": "string", "anyOf": [{"const": CONTACT}, {"pattern": _ADDRESS_PATTERN}]},
        plural="addresses",
    ),
]


class SlackRoute(Section):
    """An incoming webhook as Slack has them.

    Attributes:
        url: of the webhook; who knows it may post, so it is masked wherever it is shown
        channel: instead of the webhook's own, or `{contact}`; Mattermost supports it, Slack's own webhooks do not
    """

    url: SecretUrl
    channel: Annotated[str, Field(pattern=r"^([#@]?[A-Za-z0-9._-]{1,80}|\{contact\})$")] | None = None


class WebhookRoute(Section):
    """Any other receiver of JSON.

    Attributes:
        url: where it is posted to; masked likewise
        secret: key of the signature, 16 characters or more; masked likewise
    """

    url: SecretUrl
    secret: SecretWord


class EmailRoute(Section):
    """E-mail.

    Attributes:
        to: e-mail addresses; `{contact}` for the owner of what changed
        sender: instead of `notify.smtp.from`
        domains: domains that `{contact}` may lead to; none for that of the sender
    """

    to: Annotated[tuple[Recipient, ...], Field(min_length=1), OrOne()]
    sender: Annotated[Address | None, Field(alias="from")] = None
    domains: tuple[Glob, ...] = ()


class Route(OneOf):
    """Who is notified of what: exactly one of `slack`, `webhook` and `email`.

    Attributes:
        name: for logs, and to know the route again when its destination changes
        owners: of which an owner must match one; `*` for everything, `-` for what nobody owns
        severity: only findings of this severity or above
        about: what to tell: `new`, `fixed` and `no longer scanned` findings, cells that fail now (`failed`), rules that
            are broken now or met again (`policy`)
        slack: an incoming webhook as Slack has them
        webhook: any other receiver of JSON
        email: e-mail; needs `notify.smtp`
    """

    choices = CHANNELS

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"), ValueKind("name")] | None = None
    owners: Annotated[tuple[Glob, ...], Field(min_length=1), OrOne()] = ("*",)
    severity: model.Severity | None = None
    about: Annotated[tuple[About, ...], Field(min_length=1), OrOne()] = (
        "new",
        "fixed",
        "no longer scanned",
        "failed",
        "policy",
    )
    slack: SlackRoute | None = None
    webhook: WebhookRoute | None = None
    email: EmailRoute | None = None

    @property
    def channel(self) -> Literal["slack", "webhook", "email"]:
        """The kind of the route."""
        return "slack" if self.slack else "webhook" if self.webhook else "email"


class Smtp(Section):
    """The server that takes e-mail.

    Attributes:
        host: its name
        port: without it 587 for `starttls`, 465 for `tls`, 25 for `none`
        tls: insist on STARTTLS, speak TLS from the first byte on, or do without; certificates are always verified
        user: to log in with, with `password`; not without TLS
        password: beside it, masked wherever it is shown
        sender: that messages are from
    """

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: Text | None = None
    password: Annotated[SecretStr, ValueKind("text, or `${NAME}`")] | None = None
    sender: Annotated[Address | None, Field(alias="from")] = None

    across = (
        CelRule("has(self.user) == has(self.password)", "a login needs both, user and password"),
        CelRule(
            f"!has(self.password) || self.tls != 'none' || self.host in {sorted(_LOOPBACK)!r}",
            "a password is not sent without TLS; write starttls or tls",
        ),
    )

    @model_validator(mode="after")
    def _login(self) -> Smtp:
        if (self.user is None) != (self.password is None):
            raise WrongKey(("password" if self.user else "user",), "a login needs both, user and password")
        if self.password is not None and self.tls == "none" and self.host not in _LOOPBACK:
            raise WrongKey(("tls",), "a password is not sent without TLS; write starttls or tls")
        return self


class NotifySection(Section):
    """Whom to tell of what changed.

    Attributes:
        routes: who is notified; each route gets everything that it matches, whether others match it too or not, and is
            exactly one of `slack`, `webhook` and `email`
        smtp: the server that takes e-mail
        deadline: all messages of a run may take this long together, retries included
    """

    routes: tuple[Route, ...] = ()
    smtp: Smtp | None = None
    deadline: Annotated[Duration, Field(ge=1, le=3600)] = 120

    across = (
        CelRule(
            "self.routes.all(a, !has(a.name) || self.routes.exists_one(b, has(b.name) && b.name == a.name))",
            "more than one route has the same name; give each a name of its own",
        ),
        CelRule(
            "has(self.smtp) || !self.routes.exists(one, has(one.email))",
            "an email route needs the server that takes e-mail: smtp: {host: …, from: …}",
        ),
        CelRule(
            "!has(self.smtp) || has(self.smtp.from)"
            " || !self.routes.exists(one, has(one.email) && !has(one.email.from))",
            "e-mail needs the address that it is from, in smtp or in each email route",
        ),
    )

    @field_validator("routes")
    @classmethod
    def _names_differ(cls, value: tuple[Route, ...]) -> tuple[Route, ...]:
        names = [route.name for route in value if route.name]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"more than one route is named {', '.join(twice)}; give each a name of its own")
        return value

    @model_validator(mode="after")
    def _mail_can_be_sent(self) -> NotifySection:
        mails = [route.email for route in self.routes if route.email]
        if mails and self.smtp is None:
            message = "an email route needs the server that takes e-mail: smtp: {host: …, from: …}"
            raise WrongKey(("smtp",), message)
        if self.smtp and self.smtp.sender is None and any(mail.sender is None for mail in mails):
            message = "e-mail needs the address that it is from, here or in each email route"
            raise WrongKey(("smtp", "from"), message)
        return self
