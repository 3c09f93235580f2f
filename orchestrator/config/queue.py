"""The section `queue`: how the engine `queue` hands cells to workers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from orchestrator.config.described import OrOne, ValueKind
from orchestrator.config.kinds import Duration, Host, PathText, Text
from orchestrator.config.section import CelRule, Section, WrongKey

#: What Kafka accepts in names of topics and groups; a topic has the name of a scan behind its prefix.
_KAFKA_NAME = r"^[A-Za-z0-9._-]{1,120}$"


class KafkaSection(Section):
    """The broker of `kind: kafka`, and how it is reached; it only says that cells wait, which is in the store.

    Attributes:
        servers: brokers to ask first, as `host:port`
        prefix: before the name of a scan, in the name of its topic
        group: the consumer group of all workers
        partitions: of each topic: the most workers of a scan that are woken, so at least as many as there will be; a
            topic that is missing is made with that many, and one that has fewer gets more
        replication: copies of each topic that is made; without it, what the broker has as default
        tls: speak TLS, by the authorities that this machine trusts or those of `ca`; certificates are always verified
        ca: file of the authorities that the brokers' certificates are of (PEM)
        certificate: file of a certificate to log in with (PEM), with `key`
        key: file of its key
        mechanism: of SASL, for `user`
        user: to log in with, with `password`
        password: beside it, masked wherever it is shown
    """

    servers: Annotated[tuple[Host, ...], Field(min_length=1), OrOne()]
    prefix: Annotated[str, Field(pattern=_KAFKA_NAME), ValueKind("text", plural="text")] = "scanmatrix."
    group: Annotated[str, Field(pattern=_KAFKA_NAME), ValueKind("name")] = "scanmatrix"
    partitions: Annotated[int, Field(ge=1, le=1000)] = 16
    replication: Annotated[int, Field(ge=1, le=10)] | None = None
    tls: bool = False
    ca: PathText | None = None
    certificate: PathText | None = None
    key: PathText | None = None
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    user: Text | None = None
    password: Annotated[SecretStr, ValueKind("text, or `${NAME}`")] | None = None

    across = (
        CelRule("has(self.user) == has(self.password)", "a login needs both, user and password"),
        CelRule("has(self.certificate) == has(self.key)", "a certificate to log in with needs its key, both are files"),
        CelRule(
            "self.tls || !has(self.ca) && !has(self.certificate)",
            "certificates are for TLS; write tls: true",
        ),
        CelRule(
            "self.tls || !has(self.password) || self.mechanism != 'PLAIN'",
            "a password is not sent without TLS; write tls: true, or another mechanism",
        ),
    )

    def topic(self, scan: str) -> str:
        """Name of the topic of a scan; the lag of `group` there is the number of its cells that wait."""
        return f"{self.prefix}{scan}"

    @model_validator(mode="after")
    def _login(self) -> KafkaSection:
        if (self.user is None) != (self.password is None):
            raise WrongKey(("password" if self.user else "user",), "a login needs both, user and password")
        if (self.certificate is None) != (self.key is None):
            missing = "key" if self.certificate else "certificate"
            raise WrongKey((missing,), "a certificate to log in with needs its key, both are files")
        if not self.tls and (self.ca or self.certificate):
            raise WrongKey(("tls",), "certificates are for TLS; write tls: true")
        if not self.tls and self.password and self.mechanism == "PLAIN":
            raise WrongKey(("tls",), "a password is not sent without TLS; write tls: true, or another mechanism")
        return self


class QueueSection(Section):
    """How the engine `queue` hands cells to workers.

    Attributes:
        kind: what wakes workers: `store`, the database of all results, which they then ask again and again, so that
            there is nothing else to run; or `kafka`, for which `queue.kafka` names the broker
        lease: a cell is handed to another worker when the one that has it is silent for one and a half times as long
        attempts: workers that may be lost with a cell; then it fails, and is handed to nobody
        kafka: the broker, for `kind: kafka`
    """

    kind: Literal["store", "kafka"] = "store"
    lease: Annotated[Duration, Field(ge=2, le=3600)] = 60
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    kafka: KafkaSection | None = None

    across = (CelRule("self.kind != 'kafka' || has(self.kafka)", "kind: kafka needs the broker: kafka: {servers: …}"),)

    @model_validator(mode="after")
    def _broker_is_named(self) -> QueueSection:
        if self.kind == "kafka" and self.kafka is None:
            raise WrongKey(("kafka",), "kind: kafka needs the broker: kafka: {servers: …}")
        return self
