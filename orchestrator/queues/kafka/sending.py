"""Messages to the broker: one for each cell that waits, spread over the partitions of its scan's topic."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from orchestrator.kit.extras import needing
from orchestrator.queues.kafka.hints import encode_hint

with needing("kafka", "queue.kind: kafka"):
    from confluent_kafka import KafkaError, KafkaException, Producer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Message

    from orchestrator.queues.kafka.connection import BrokerConnection
    from orchestrator.store.cell_queue.hinted import WaitingCell

#: Messages that are under way at once: fewer than the library's own buffer takes.
_AT_ONCE = 20_000
#: Partition of a topic whose partitions are not known: the library chooses.
_ANY = -1


class HintSender:
    """Sends messages.

    Args:
        connection: to the broker.

    Attributes:
        why: the broker did not take the last message that it did not take.
    """

    def __init__(self, connection: BrokerConnection) -> None:
        self._connection = connection
        self._producer: Producer | None = None
        self._turn = random.randrange(1000)  # noqa: S311 - so that not everybody begins with the same partition
        self.why = ""

    def send(self, cells: Sequence[WaitingCell], partitions: Mapping[str, int], *, patience: float) -> int:
        """Send a message for each cell, as far as the broker takes them; returns how many it did not take.

        Args:
            cells: that wait.
            partitions: of each topic.
            patience: seconds to wait for it to take any more.
        """
        for start in range(0, len(cells), _AT_ONCE):
            some = cells[start : start + _AT_ONCE]
            if lost := self._send(some, partitions, patience):
                return lost + len(cells) - start - len(some)
        return 0

    def _send(self, cells: Sequence[WaitingCell], partitions: Mapping[str, int], patience: float) -> int:
        producer, taken = self._made(), 0

        def learn(error: KafkaError | None, message: Message) -> None:  # noqa: ARG001 - as the library calls it
            nonlocal taken
            if error is None:
                taken += 1
            else:
                self.why = error.str()

        for cell in cells:
            topic = self._connection.section.topic(cell.scan)
            self._turn += 1
            partition = self._turn % partitions[topic] if partitions.get(topic) else _ANY
            try:
                producer.produce(topic, encode_hint(cell), partition=partition, on_delivery=learn)
            except (KafkaException, BufferError) as error:
                self.why = str(error)
                break
        left, before = len(producer), len(producer) + 1
        while 0 < left < before:
            before, left = left, producer.flush(patience)
        if left:
            producer.purge()
            producer.flush(patience)
            self.why = "it does not answer"
        return len(cells) - taken

    def close(self) -> None:
        """End the connection, see `Topics.close`."""
        if (producer := self._producer) is not None:
            self._producer = None
            producer.close()

    def _made(self) -> Producer:
        if self._producer is None:
            # A message that comes twice, or before another one, changes nothing; and `flush` waits for no more of them.
            options = self._connection.options(
                acks="all", linger_ms=100, sticky_partitioning_linger_ms=0, message_timeout_ms=60_000
            )
            self._producer = Producer(options)
        return self._producer
