"""Whose token is whose: each belongs to one git host (and port), and nothing else ever gets it.

Who may write a list of targets names hosts. So a token without the host that it is for would go to whatever host a row
names; such a token is refused. The pairs come from our environment:

* `SCANMATRIX_GIT_HOST`, `SCANMATRIX_GIT_TOKEN` and, where the host wants a particular one, `SCANMATRIX_GIT_USERNAME`;
* `SCANMATRIX_GIT_TOKENS`, several hosts as YAML or JSON:
  `{github.com: ghp_…, "git.example:8443": {username: bot, token: …}}`.

A host is written as URLs have it (RFC 3986, 3.2.2): `name`, or `name:port` where that is not 443. Case and one dot at
its end do not matter; a name outside ASCII is written in its ASCII form (RFC 5890, `xn--…`), so that one which only
looks like another can never equal it.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from orchestrator.errors import UsageError
from orchestrator.kit.urls import split_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HOST, TOKEN, USERNAME = "SCANMATRIX_GIT_HOST", "SCANMATRIX_GIT_TOKEN", "SCANMATRIX_GIT_USERNAME"
TOKENS = "SCANMATRIX_GIT_TOKENS"

#: What GitHub, GitLab and Bitbucket take beside a token.
_ANY_USER = "x-access-token"
_AUTHORITY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
# What a Secret of Kubernetes may have as a key, for hosts that are a name or an IPv4 address.
_KEY = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(_[0-9]{1,5})?")
_DEFAULT_PORTS = {"https": ":443", "http": ":80"}
#: Stands for a repository whose host has no key of its own (ssh, a file, IPv6); no Secret has anything under it.
NO_KEY = "none"


class GitLogin(NamedTuple):
    """What one host gets.

    Attributes:
        username: beside the token.
        token: or password.
    """

    username: str
    token: str

    def __repr__(self) -> str:
        return f"Login({self.username!r}, '***')"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The token in every spelling that git, curl or a host might print."""
        pair = base64.b64encode(f"{self.username}:{self.token}".encode()).decode()
        return (pair, self.token, quote(self.token, safe=""))


def login_for(url: str, environment: Mapping[str, str]) -> GitLogin | None:
    """What the host of a URL gets; None when there is nothing for it.

    Args:
        url: of a repository, already judged by `orchestrator.git.url.judge_url`.
        environment: with the variables above.

    Raises:
        UsageError: a token stands without its host, or a host is written wrong; the message shows no token.
    """
    # Looked at whatever the URL: a token without a host is a mistake, whether this repository would get it or not.
    return logins(environment).get(authority(url))


def logins(environment: Mapping[str, str]) -> dict[str, GitLogin]:
    """All pairs by `authority`.

    Raises:
        UsageError: as `login_for`.
    """
    found: dict[str, GitLogin] = {}
    token, host = environment.get(TOKEN, ""), environment.get(HOST, "")
    if token:
        if not host:
            raise UsageError(
                f"{TOKEN} is set without the host that it is for, so any host that a list of targets names would get"
                f" it: set {HOST} beside it (such as github.com, or git.example:8443), or {TOKENS} for several"
            )
        _add(found, host, GitLogin(environment.get(USERNAME) or _ANY_USER, token), HOST)
    for name, login in _several(environment.get(TOKENS, "")):
        _add(found, name, login, TOKENS)
    return found


def authority(url: str) -> str:
    """Host and port of an http or https URL as `logins` has them; empty for any other."""
    parts = split_url(url)
    if parts is None or parts.scheme not in _DEFAULT_PORTS or parts.hostname is None:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.removesuffix(".")
    port = f":{parts.port}" if parts.port is not None else _DEFAULT_PORTS[parts.scheme]
    return host.lower() + port.removesuffix(":443")


def secret_key(url: str) -> str:
    """Under which key a Secret has what a repository's host gets, without `.password`: `git.example_8443`."""
    found = authority(url).replace(":", "_")
    return found if _KEY.fullmatch(found) else NO_KEY


def as_variable(values: Iterable[tuple[str, str]]) -> dict[str, dict[str, str]]:
    """Files of a mounted Secret, as `SCANMATRIX_GIT_TOKENS` has them.

    Args:
        values: name (`git.example_8443.password`, `git.example_8443.username`) and content.
    """
    found: dict[str, dict[str, str]] = {}
    for name, text in values:
        key, _, what = name.rpartition(".")
        found.setdefault(key.replace("_", ":"), {})["token" if what == "password" else what] = text
    return {host: login for host, login in found.items() if "token" in login}


def _several(text: str) -> Iterable[tuple[str, GitLogin]]:
    if not text.strip():
        return
    from orchestrator.kit.sources import SourceError  # noqa: PLC0415 - most pods have no tokens
    from orchestrator.kit.yaml_source import parse_yaml  # noqa: PLC0415 - most pods have no tokens

    try:
        data = parse_yaml(text, TOKENS).data
    except SourceError:  # its message may quote a token
        data = None
    if not isinstance(data, dict):
        raise UsageError(f"{TOKENS} is no mapping of hosts to tokens; write it like {{github.com: ghp_…}}")
    for host, value in data.items():
        given = value if isinstance(value, dict) else {"token": value}
        token, username = given.get("token"), given.get("username", _ANY_USER)
        if set(given) - {"token", "username"} or not isinstance(token, str) or not isinstance(username, str):
            raise UsageError(
                f"{TOKENS}: what stands beside {host!r} is neither a token nor {{username: …, token: …}};"
                " a token of digits alone wants quotes"
            )
        yield str(host), GitLogin(username, token)


def _add(found: dict[str, GitLogin], host: str, login: GitLogin, variable: str) -> None:
    name = _judge(host, variable)
    if not login.token or any(re.search(r"[\x00-\x1f\x7f]", part) for part in login):
        # A line break would be a second answer to git (gitcredentials(7)).
        raise UsageError(f"{variable}: the token or user name for {name} is empty or has a control character in it")
    if found.setdefault(name, login) != login:
        raise UsageError(f"{variable}: there are two tokens for {name}; leave one of them out")


def _judge(host: str, variable: str) -> str:
    """A host as `authority` has it.

    Raises:
        UsageError: it is a URL, a pattern, or has a name outside ASCII.
    """
    name, colon, port = host.strip().lower().rpartition(":") if _ends_in_port(host) else (host.strip().lower(), "", "")
    name = name.removesuffix(".")
    found = f"{name}{colon}{port}".removesuffix(":443")
    if not _AUTHORITY.fullmatch(found) or (port and not 0 < int(port) < 2**16):
        raise UsageError(
            f"{variable}: {host!r} is no host; write host or host:port as in the URLs of its repositories, without"
            " https://, user, path or pattern, and a name outside ASCII as xn--…"
        )
    return found


def _ends_in_port(host: str) -> bool:
    return re.search(r"[^:]:[0-9]+\s*\Z", host) is not None and not re.search(r"\[[^\]]*\Z", host)
