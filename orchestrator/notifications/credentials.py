"""Secrets of the configuration as they are used: read from the environment where they say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.config.notify import url_mistake, variable_of
from orchestrator.notifications.interface import DeliveryRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr


def reveal(secret: SecretStr, environment: Mapping[str, str], key: str) -> str:
    """The secret itself.

    Args:
        secret: as configured; `${NAME}` for the value of a variable.
        environment: variable to value.
        key: of the configuration, for the message.

    Raises:
        DeliveryRefusedError: the variable is not set.
    """
    variable = variable_of(secret)
    if not variable:
        return secret.get_secret_value()
    if not (value := environment.get(variable, "").strip()):
        raise DeliveryRefusedError(f"{key} is to come from the environment variable {variable}, which is not set")
    return value


def reveal_url(secret: SecretStr, environment: Mapping[str, str], key: str) -> str:
    """The URL of a webhook.

    Raises:
        DeliveryRefusedError: the variable is not set, or holds no such URL.
    """
    url = reveal(secret, environment, key)
    if mistake := url_mistake(url):
        raise DeliveryRefusedError(f"{key}, from the environment variable {variable_of(secret)}: {mistake}")
    return url
