"""Secrets of the configuration as they are used: what is missing is why a message is not delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.config import secret as secrets
from orchestrator.config.secret import UnsetSecretError, url_mistake, variable_of
from orchestrator.notifications.interface import DeliveryRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr


def reveal(secret: SecretStr, environment: Mapping[str, str], key: str) -> str:
    """The secret itself, as `orchestrator.config.secret` reads it.

    Raises:
        DeliveryRefusedError: its variable is not set.
    """
    try:
        return secrets.reveal(secret, environment, key)
    except UnsetSecretError as error:
        raise DeliveryRefusedError(str(error)) from error


def reveal_url(secret: SecretStr, environment: Mapping[str, str], key: str) -> str:
    """The URL of a webhook.

    Raises:
        DeliveryRefusedError: the variable is not set, or holds no such URL.
    """
    url = reveal(secret, environment, key)
    if mistake := url_mistake(url):
        raise DeliveryRefusedError(f"{key}, from the environment variable {variable_of(secret)}: {mistake}")
    return url
