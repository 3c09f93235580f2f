"""How a broker is reached, and what its errors mean to us."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

from orchestrator.config.secret import reveal
from orchestrator.errors import PermanentError, ScanmatrixError, TemporaryError
from orchestrator.kit.extras import needing

with needing("kafka", "queue.kind: kafka"):
    from confluent_kafka import KafkaError, KafkaException

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.config.loading import Config
    from orchestrator.config.queue import KafkaSection

#: The library's own lines; what matters of them is said by us, once.
library_log = logging.getLogger(f"{__name__}.librdkafka")
library_log.setLevel(logging.CRITICAL + 1)
#: What no waiting changes.
_REFUSALS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.POLICY_VIOLATION,
    KafkaError.INVALID_REPLICATION_FACTOR,
    KafkaError.INVALID_PARTITIONS,
    KafkaError.INVALID_CONFIG,
    KafkaError.TOPIC_EXCEPTION,
    KafkaError._AUTHENTICATION,  # noqa: SLF001 - so the library names its own errors
    KafkaError._SSL,  # noqa: SLF001
}


class BrokerError(ScanmatrixError):
    """The broker is of no use at the moment; no cell is lost by that."""


class BrokerGoneError(BrokerError, TemporaryError):
    """The broker does not answer."""


class BrokerRefusedError(BrokerError, PermanentError):
    """The broker refuses what it is asked; the message says what to change."""


class BrokerConnection:
    """What clients of a broker are made with.

    Args:
        section: of the configuration.
        base: folder that its paths are relative to.

    Raises:
        UnsetSecretError: the password is to come from a variable that is not set.
    """

    def __init__(self, section: KafkaSection, base: Path) -> None:
        self.section = section
        self._options = _options(section, base)

    @classmethod
    def of(cls, config: Config) -> BrokerConnection:
        """That of a configuration."""
        if config.queue.kafka is None:
            raise BrokerRefusedError("queue.kafka is missing in the configuration: it names the broker")
        return cls(config.queue.kafka, config.base)

    @property
    def place(self) -> str:
        """The servers, without secrets."""
        return ", ".join(self.section.servers)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r})"

    def options(self, **more: Any) -> dict[str, Any]:
        """Of a client, in the library's words; a secret may be in them."""
        return {**self._options, **{name.replace("_", "."): value for name, value in more.items()}}

    def judged(self, error: KafkaException, what: str) -> BrokerError:
        """An error of the library as ours.

        Args:
            error: as it was raised.
            what: was to be done.
        """
        reason = error.args[0] if error.args else None
        words = reason.str() if isinstance(reason, KafkaError) else str(error)
        if isinstance(reason, KafkaError) and reason.code() in _REFUSALS:
            return BrokerRefusedError(f"the broker {self.place} refuses {what}: {words}")
        return BrokerGoneError(f"the broker {self.place} does not do it now: {what}: {words}")


def _options(section: KafkaSection, base: Path) -> dict[str, Any]:
    protocol = ("SASL_" if section.user else "") + ("SSL" if section.tls else "PLAINTEXT")
    options: dict[str, Any] = {
        "bootstrap.servers": ",".join(section.servers),
        "client.id": "scanmatrix",
        "security.protocol": protocol,
        "reconnect.backoff.max.ms": 2000,
        "socket.keepalive.enable": True,
        "allow.auto.create.topics": False,
        "log_level": 0,
    }
    files = {
        "ssl.ca.location": section.ca,
        "ssl.certificate.location": section.certificate,
        "ssl.key.location": section.key,
    }
    options |= {name: str(base / os.path.expanduser(path)) for name, path in files.items() if path}  # noqa: PTH111
    if section.user and section.password:
        options["sasl.mechanisms"] = section.mechanism
        options["sasl.username"] = section.user
        options["sasl.password"] = reveal(section.password, os.environ, "queue.kafka.password")
    return options
