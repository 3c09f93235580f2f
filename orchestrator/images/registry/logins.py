"""One login as it stands in Docker's config.json, or as a credential helper gives it.

Sources: `types.AuthConfig` of docker/cli, of which docker, podman, skopeo and crane read the same members; RFC 7617 for
what a user name and a password may hold. Whatever is wrong is said with the place to fix, and without the secret.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final

from orchestrator.net.errors import Denied

#: The user name with which helpers hand out an identity token (docker-credential-helpers, "Development").
_IDENTITY_USER: Final = b"<token>"
_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/=\r\n]")
#: RFC 7617, 2: neither user name nor password may hold any.
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
#: User of Google's registries whose password is a whole key file, JSON with its line breaks.
_KEY_FILE_USER: Final = b"_json_key"
_NOT_VISIBLE: Final = re.compile(r"[^!-~]")
_SPOKEN: Final = {"\n": "a line break", "\r": "a line break", " ": "a space", "\t": "a tab"}


@dataclass(frozen=True)
class RegistryLogin:
    """What may be shown to one registry.

    Attributes:
        origin: where it stands, for messages.
        basic: `user:password` in base64, as a Basic header has it; empty for none.
        identity: token that only a token server takes, for a token of the registry (OAuth's `refresh_token`).
        token: token that the registry itself takes.
        remark: what is odd about it, to be said when it is refused.
    """

    origin: str
    basic: str = field(default="", repr=False)
    identity: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    remark: str = ""

    @property
    def has_password(self) -> bool:
        """Whether `basic` is more than a user name, which stands beside the identity tokens of some clouds."""
        return bool(base64.b64decode(self.basic).partition(b":")[2])

    @property
    def identity_as_password(self) -> str:
        """Like `basic`, for token servers that take an identity token as the password of its user only."""
        user = base64.b64decode(self.basic).partition(b":")[0]
        return _encode(user, self.identity.encode())

    @property
    def described(self) -> str:
        """Where it stands and what is odd about it."""
        return f"{self.origin} ({self.remark})" if self.remark else self.origin


def read_entry(entry: object, origin: str) -> RegistryLogin | None:
    """A member of `auths`; None for one without a login, as docker writes it for those that a helper knows.

    `auth` counts before `username` and `password`, as for docker; a user name of `<token>` has an identity token for
    its password.

    Args:
        entry: its value.
        origin: which it is, in which file.

    Raises:
        Denied: it cannot be a login.
    """
    if entry is None or entry == {}:
        return None
    if not isinstance(entry, dict):
        raise Denied(f"{origin} is no mapping of `auth`, `identitytoken` and the like; log in again")
    texts = {name: _text(entry, name, origin) for name in ("auth", "username", "password")}
    tokens = {name: _token(entry, name, origin) for name in ("identitytoken", "registrytoken")}
    apart = (texts["username"].encode(), texts["password"].encode())
    whole = apart[0] and apart[1]
    user, password, remark = b"", b"", ""
    if texts["auth"].strip():
        try:
            user, password = _decoded(texts["auth"], origin)
            if {"\n", "\r"} & set(texts["auth"].strip()):
                remark = "its `auth` has line breaks, which are skipped"
            if whole and apart != (user, password):
                remark = "its `username` and `password` say something else than its `auth`, which counts"
        except Denied:
            if not whole:
                raise
            user, password = apart
    elif whole:
        user, password = apart
    return make_login(user, password, origin, remark, identity=tokens["identitytoken"], token=tokens["registrytoken"])


def make_login(
    user: bytes, password: bytes, origin: str, remark: str = "", *, identity: str = "", token: str = ""
) -> RegistryLogin | None:
    """A login of its parts; None when all of them are empty.

    Raises:
        Denied: no Basic header can have this user name and password (RFC 7617, 2; Google's key files are taken so by
            everybody nevertheless).
    """
    if user == _IDENTITY_USER:
        user, password, identity = b"", b"", identity or password.decode("utf-8", "replace")
    for what, value in (("user name", user), ("password", b"" if user == _KEY_FILE_USER else password)):
        if found := _CONTROL.search(value):
            kind = _SPOKEN.get(found[0].decode(), "a control character")
            where = "at its end (`echo` adds one; use `printf %s`)" if found.end() == len(value) else "in it"
            raise Denied(f"the {what} of {origin} has {kind} {where}, which no login may have; write it again")
    if b":" in user:
        raise Denied(f"the user name of {origin} has a colon, which no login may have (RFC 7617); write it again")
    if not (user or password or identity or token):
        return None
    if not remark and not (identity or token) and not (user and password):
        remark = f"its {'password' if user else 'user name'} is empty"
    return RegistryLogin(origin, _encode(user, password) if user or password else "", identity, token, remark)


def _encode(user: bytes, password: bytes) -> str:
    return base64.b64encode(user + b":" + password).decode()


def _text(entry: dict[str, object], name: str, origin: str) -> str:
    value = entry.get(name)
    if value is not None and not isinstance(value, str):
        raise Denied(f"`{name}` of {origin} is not text; log in again")
    return value or ""


def _token(entry: dict[str, object], name: str, origin: str) -> str:
    """A token, which stands in a header or a form and so holds nothing that cannot be seen."""
    value = _text(entry, name, origin).strip()
    if found := _NOT_VISIBLE.search(value):
        raise Denied(f"`{name}` of {origin} has {_spoken(found)}, which no token has; log in again")
    return value


def _decoded(text: str, origin: str) -> tuple[bytes, bytes]:
    """User name and password in `auth`. Line breaks between are skipped and padding may be missing, as Go does."""
    stripped = text.strip()
    if found := _NOT_BASE64.search(stripped):
        raise Denied(f"`auth` of {origin} is not base64: it has {_spoken(found)}; write it again, or log in again")
    packed = stripped.replace("\r", "").replace("\n", "").rstrip("=")
    try:
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Denied(
            f"`auth` of {origin} is not whole base64; was it cut off? write it again, or log in again"
        ) from None
    user, colon, password = data.partition(b":")
    if not colon:
        raise Denied(
            f"`auth` of {origin} is base64, but of no `user:password`: the colon is missing; write it again, or log in "
            "again"
        )
    return user, password.strip(b"\0")


def _spoken(found: re.Match[str]) -> str:
    """What an unexpected character is, and where; of others than blanks only that, for it may be part of a secret."""
    character, place = found[0], found.start() + 1
    if character == ":":
        return f"a colon at character {place} (is it `user:password` itself, not encoded?)"
    if character in "-_":
        return f"a character of the other, URL-safe alphabet at character {place}"
    return f"{_SPOKEN.get(character, 'something else')} at character {place}"
