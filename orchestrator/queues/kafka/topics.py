"""Topics of a broker, one for each scan; and how many messages workers have not done with."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.kit.extras import needing
from orchestrator.queues.kafka.connection import BrokerConnection, BrokerError, BrokerRefusedError

with needing("kafka", "queue.kind: kafka"):
    from confluent_kafka import (
        Consumer,
        KafkaError,
        KafkaException,
        TopicCollection,
        TopicPartition,
    )
    from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic, OffsetSpec

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from concurrent.futures import Future

    from orchestrator.config.loading import Config

_log = logging.getLogger(__name__)
T = TypeVar("T")
#: Seconds that one answer may take.
_PATIENCE = 4.0
#: For how long messages are kept, in milliseconds. A cell that waits longer gets another one; and the broker forgets
#: the offsets of a group without members later than that (7 days), so none of the old messages counts then.
_KEPT = 3 * 86400 * 1000


class Topics:
    """The topics of a broker, as far as they are ours.

    Args:
        connection: to the broker.
    """

    def __init__(self, connection: BrokerConnection) -> None:
        self._connection, self._section = connection, connection.section
        self._client: AdminClient | None = None
        self._consumer: Consumer | None = None
        self._is_kept = False
        #: Partitions of each topic that was seen.
        self.partitions: dict[str, int] = {}

    @classmethod
    def of(cls, config: Config) -> Topics:
        """Those of a configuration."""
        return cls(BrokerConnection.of(config))

    def describe(self) -> str:
        """What answers, in words.

        Raises:
            BrokerError: nothing does, or it lets us not in.
        """
        found = self._result(self._admin.describe_cluster(request_timeout=_PATIENCE), "saying what it is")
        count = len(found.nodes)
        return f"{self._connection.place}: {count} broker{'' if count == 1 else 's'} of cluster {found.cluster_id}"

    def make_sure(self, scans: Collection[str]) -> None:
        """Make sure that there is a topic for each scan, with enough partitions.

        Raises:
            BrokerRefusedError: it may not be made.
            BrokerGoneError: the broker does not answer.
        """
        wanted = sorted({self._section.topic(scan) for scan in scans} - self.partitions.keys())
        if not wanted:
            return
        described = self._admin.describe_topics(TopicCollection(wanted), request_timeout=_PATIENCE)
        for topic in wanted:
            try:
                found = len(described[topic].result(_PATIENCE).partitions)
            except (KafkaException, TimeoutError) as error:
                if _code(error) != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise self._judged(error, f"saying what it has of topic {topic}") from error
                found = self._make(topic)
            if found < self._section.partitions:
                found = self._enlarge(topic, found)
            self.partitions[topic] = found

    def _make(self, topic: str) -> int:
        section = self._section
        new = NewTopic(
            topic,
            num_partitions=section.partitions,
            replication_factor=section.replication or -1,
            config={"cleanup.policy": "delete", "retention.ms": str(_KEPT)},
        )
        try:
            self._result(self._admin.create_topics([new], request_timeout=_PATIENCE)[topic], f"making topic {topic}")
        except BrokerError as error:
            if _code(error.__cause__) == KafkaError.TOPIC_ALREADY_EXISTS:
                return section.partitions
            if isinstance(error, BrokerRefusedError):
                raise BrokerRefusedError(f"{error}; {self._by_hand('create', topic)}") from error
            raise
        self._begin(topic)
        return section.partitions

    def _begin(self, topic: str) -> None:
        """Give the group its first offsets, because without any what scales workers cannot tell the lag of a topic.

        The first worker of the scan does it, too; this one may not while workers of others are in the group.
        """
        first = [TopicPartition(topic, number, 0) for number in range(self._section.partitions)]
        self._is_kept = False
        self._group.commit(offsets=first, asynchronous=True)
        end = time.monotonic() + _PATIENCE
        while not self._is_kept and time.monotonic() < end:
            self._group.poll(0.05)

    def _note_commit(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:  # noqa: ARG002 - as it is called
        self._is_kept = True

    def _enlarge(self, topic: str, found: int) -> int:
        """Add partitions; without them some workers are not woken, but look for themselves."""
        more = self._admin.create_partitions(
            [NewPartitions(topic, self._section.partitions)], request_timeout=_PATIENCE
        )
        try:
            self._result(more[topic], f"adding partitions to topic {topic}")
        except BrokerError as error:
            advice = self._by_hand("alter", topic)
            _log.warning(
                "topic %s has %d partitions, so no more workers are woken: %s; %s", topic, found, error, advice
            )
            return found
        return self._section.partitions

    def _by_hand(self, verb: str, topic: str) -> str:
        make = f"kafka-topics.sh --{verb} --topic {topic} --partitions {self._section.partitions}"
        return f"do it by `{make}`, or let {self._section.user or 'this client'} do so"

    def lag(self, scan: str) -> int:
        """How many messages of a scan the workers have not done with.

        Raises:
            BrokerError: the broker does not say it.
        """
        topic = self._section.topic(scan)
        self.make_sure([scan])
        places = [TopicPartition(topic, number) for number in range(self.partitions[topic])]
        try:
            done = {each.partition: each.offset for each in self._group.committed(places, _PATIENCE)}
        except KafkaException as error:
            raise self._judged(error, "saying its offsets") from error
        ends = self._offsets(places, OffsetSpec.latest())
        missing = [place for place in places if done.get(place.partition, -1) < 0]
        done |= self._offsets(missing, OffsetSpec.earliest())
        return sum(max(0, end - done[partition]) for partition, end in ends.items())

    def _offsets(self, places: Collection[TopicPartition], spec: OffsetSpec) -> dict[int, int]:
        if not places:
            return {}
        answers = self._admin.list_offsets(dict.fromkeys(places, spec), request_timeout=_PATIENCE)
        return {place.partition: self._result(each, "saying its offsets").offset for place, each in answers.items()}

    def close(self) -> None:
        """End the connection: left to the end of Python, the library's threads would wait for it, and it for them."""
        if (client := self._client) is not None:
            self._client = None
            client.__exit__(None, None, None)
        if (consumer := self._consumer) is not None:
            self._consumer = None
            consumer.close()

    def forget(self) -> None:
        """Look at the topics again when they are next needed: somebody may have removed them."""
        self.partitions.clear()

    @property
    def _admin(self) -> AdminClient:
        if self._client is None:
            self._client = AdminClient(self._connection.options())
        return self._client

    @property
    def _group(self) -> Consumer:
        """Asks for the group's offsets without being in it; librdkafka 2.16's own call for that can end the process."""
        if self._consumer is None:
            options = self._connection.options(group_id=self._section.group, enable_auto_commit=False)
            self._consumer = Consumer({**options, "on_commit": self._note_commit})
        return self._consumer

    def _result(self, answer: Future[Any], what: str) -> Any:
        try:
            return answer.result(_PATIENCE + 1)
        except (KafkaException, TimeoutError) as error:
            raise self._judged(error, what) from error

    def _judged(self, error: KafkaException | TimeoutError, what: str) -> BrokerError:
        if isinstance(error, TimeoutError):
            error = KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - so the library names its own
        if _code(error) == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self.forget()
        return self._connection.judged(error, what)


def _code(error: BaseException | None) -> int | None:
    reason = error.args[0] if isinstance(error, KafkaException) and error.args else None
    return reason.code() if isinstance(reason, KafkaError) else None
