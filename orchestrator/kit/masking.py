"""Secrets found in text, and taken out of it before it is shown or written down.

One grammar of what a secret looks like serves both: `mask` for messages and logs (what a scanner prints is a
stranger's), `find` for what must not be written into a cluster. Every expression here takes linear time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = "***"
_STOP = r"\s\"'<>"
# RFC 3986, 3.2.1: all between `//` and the last `@` before the path.
_USERINFO = re.compile(rf"://([^/?#{_STOP}]*)@")
_WEB = ("http", "https")
# RFC 3986, 3.4, as forms spell it; `;` too, which some programs take for `&`.
_PARAMETER = re.compile(rf"(?<=[?&;])([^=&;?#{_STOP}]{{1,128}})=([^&;#{_STOP}]+)")
# `password=…` as drivers of databases and command lines have it, `Authorization: Basic …` as HTTP has.
_SETTING = re.compile(
    rf"(?i)\b[\w-]{{0,40}}(?:password|passwd|passphrase|secret|token|api[_-]?key)\s{{0,3}}=\s{{0,3}}([^&;,{_STOP}]+)"
    rf"|\bauthorization:\s{{0,9}}\w{{1,20}}\s{{1,9}}([^{_STOP}]+)"
)
# As their issuers make them, so that they can be found: GitHub, GitLab, Bitbucket, Slack, Google, npm, Docker, Vault,
# AWS (access key ids), JSON Web Tokens (RFC 7519).
_TOKEN = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|gl(?:pat|oas|dt|ptt)-[\w-]{20,}|ATBB\w{20,}"
    r"|xox[abeoprs]-[\w-]{10,}|AIza[\w-]{35}|npm_\w{30,}|dckr_pat_[\w-]{20,}|hvs\.[\w-]{20,}|(?:AKIA|ASIA)[A-Z0-9]{16}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})"
)
# Who knows the URL of such a hook may post to it.
_HOOK = re.compile(
    rf"(?i)(?:\bhooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/|\bdiscord(?:app)?\.com/api/webhooks/"
    rf"|\.webhook\.office\.com/|\boutlook\.office(?:365)?\.com/webhook/)([^{_STOP}]+)"
)
_PRIVATE_KEY = re.compile(r"BEGIN [A-Z ]{0,30}PRIVATE KEY-----([^-]{1,20000})")

_WORDS = re.compile(r"[^a-z0-9]+")
_SECRET_NAME = re.compile(
    r"(?:password|passwd|passphrase|pwd|secret|token|credentials?|signature|authorization|bearer|webhook(?:url)?)\Z"
    r"|\A(?:pass|sig|auth)\Z|(?<!public)(?<!kms)(?<!cache)(?<!sort)(?<!primary)(?<!foreign)(?<!host)keys?\Z"
)
_FILE_NAME = re.compile(r"(?i)(?:keys?|credentials?)\Z")
# What stands for a value and is none: a variable, a placeholder, what was masked before.
_STANDS_FOR = ("$", "{", "…", _SHOWN)


def mask(text: str, *known: str) -> str:
    """Text without secrets: those that are known, and what looks like one.

    Args:
        text: to be shown or written down; a URL, a message, a log.
        known: secrets that it might hold, in any spelling of a URL.
    """
    spellings = {each for one in known if one for each in (one, quote(one, safe=""), unquote(one))}
    for secret in sorted(spellings, key=len, reverse=True):
        text = text.replace(secret, _SHOWN)
    shown, end = [], 0
    for start, stop in sorted(_spans(text)):
        if start >= end:
            shown += [text[end:start], _SHOWN]
        end = max(end, stop)
    return "".join([*shown, text[end:]])


def find(text: str) -> tuple[str, ...]:
    """What in a text looks like a secret, decoded where a URL has it percent-encoded; in the order of the text."""
    return tuple(unquote(text[start:stop]) for start, stop in sorted(_spans(text)))


def is_secret_name(name: str) -> bool:
    """Whether a value of this name is a secret by custom: `sslpassword`, `GITHUB_TOKEN`, `apiKey`, `X-Amz-Signature`.

    Args:
        name: of a parameter, a variable or a key; words in any spelling.
    """
    return _SECRET_NAME.search(_WORDS.sub("", name.lower())) is not None


def is_secret(name: str, value: str) -> bool:
    """Whether a value is a secret by its name; the path of a file with a key, or what stands for another, is none."""
    if not is_secret_name(name) or not stands_for_itself(value):
        return False
    return not (unquote(value).startswith("/") and _FILE_NAME.search(name))


def stands_for_itself(value: str) -> bool:
    """Whether a value is what it says, and neither empty nor the name of something else: `${NAME}`, `{parameter.x}`."""
    return bool(value) and not value.startswith(_STANDS_FOR)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where secrets stand in a text; they may overlap."""
    yield from filter(None, map(_of_userinfo, _USERINFO.finditer(text)))
    for found in _PARAMETER.finditer(text):
        if is_secret(unquote_plus(found[1]), found[2]):
            yield found.span(2)
    for pattern in (_SETTING, _HOOK, _PRIVATE_KEY):
        for found in pattern.finditer(text):
            if stands_for_itself(found[found.lastindex or 0]):
                yield found.span(found.lastindex or 0)
    yield from (found.span() for found in _TOKEN.finditer(text))


def _of_userinfo(found: re.Match[str]) -> tuple[int, int] | None:
    """Where the secret stands before a URL's host."""
    user, colon, password = found[1].partition(":")
    if found.string[max(0, found.start() - 5) : found.start()].lower().endswith(_WEB):
        # Either of the two may be the token; hosts of git differ in that.
        return found.span(1) if stands_for_itself(password or user) else None
    return (found.start(1) + len(user + colon), found.end(1)) if stands_for_itself(password) else None
