"""Secrets that people write: as they are, or `${NAME}` for the value of an environment variable."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, SecretStr

from orchestrator.config.described import ValueKind
from orchestrator.errors import UsageError
from orchestrator.kit.urls import WEB_URL, judge_web_url

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SHORTEST = 16
_PATTERN = f"^{_VARIABLE.pattern}$"


class UnsetSecretError(UsageError):
    """An environment variable that the configuration takes a secret from is not set."""


def variable_of(secret: SecretStr) -> str:
    """Name of the environment variable that a secret is read from (`${NAME}`); empty where it stands for itself."""
    found = _VARIABLE.fullmatch(secret.get_secret_value())
    return found[1] if found else ""


def reveal(secret: SecretStr, environment: Mapping[str, str], key: str) -> str:
    """The secret itself.

    Args:
        secret: as configured.
        environment: variable to value.
        key: of the configuration, for the message.

    Raises:
        UnsetSecretError: the variable is not set.
    """
    variable = variable_of(secret)
    if not variable:
        return secret.get_secret_value()
    if not (value := environment.get(variable, "").strip()):
        raise UnsetSecretError(f"{key} is to come from the environment variable {variable}, which is not set")
    return value


def reveal_word(secret: SecretStr, environment: Mapping[str, str], key: str) -> str:
    """The same of a secret that is to be long enough, wherever it comes from.

    Raises:
        UnsetSecretError: the variable is not set.
        UsageError: it is too short.
    """
    word = reveal(secret, environment, key)
    if len(word) < _SHORTEST:
        raise UsageError(f"{key} is too short to be a secret; it needs {_SHORTEST} characters or more")
    return word


def url_mistake(url: str) -> str:
    """What is wrong with the URL of a webhook, without naming it; empty for nothing."""
    return judge_web_url(url, written=f"{WEB_URL}, or as ${{NAME}} for that of an environment variable")


def _url(value: SecretStr) -> SecretStr:
    if not variable_of(value) and (mistake := url_mistake(value.get_secret_value())):
        raise ValueError(mistake)
    return value


def _secret(value: SecretStr) -> SecretStr:
    if not variable_of(value) and len(value.get_secret_value()) < _SHORTEST:
        raise ValueError(f"it is too short to be a secret; write {_SHORTEST} characters or more, or ${{NAME}}")
    return value


SecretUrl = Annotated[
    SecretStr,
    AfterValidator(_url),
    ValueKind(
        "URL, or `${NAME}`",
        {"type": "string", "anyOf": [{"pattern": _PATTERN}, {"pattern": r"^https?://[^/?#@\s]+([/?#]\S*)?$"}]},
    ),
]
"""A URL that who knows it may post to, so it is masked wherever it is shown."""

SecretWord = Annotated[
    SecretStr,
    AfterValidator(_secret),
    ValueKind(
        "text, or `${NAME}`",
        {"type": "string", "anyOf": [{"pattern": _PATTERN}, {"minLength": _SHORTEST}]},
    ),
]
"""A secret of 16 characters or more, masked likewise."""
