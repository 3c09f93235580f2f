"""Kafka as the queue: a message wakes a worker, which then takes by the store's own order.

    handing over        rows in the store, then a message for each cell that waits
    a worker            is woken by a message, and asks the store which cell is its
    offsets             committed up to the first message whose cell still waits, so that lag is the number of those
    sweeping            sends again what got lost: never fewer messages than cells that wait

Whatever the broker does, the rows are there: without it workers look for themselves, every few seconds.

    hints.py        the message
    connection.py   how a broker is reached, and what its errors mean
    topics.py       topics, and the lag of the group
    sending.py      messages to the broker
    hearing.py      messages from it, and offsets
    queue.py        the queue
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from orchestrator.queues.kafka.queue import KafkaQueue
from orchestrator.queues.kafka.topics import Topics

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.queues.interface import CellQueue


def make(config: Config) -> CellQueue:
    """See `QueueModule`.

    Raises:
        MissingExtraError: the extra `kafka` is not installed.
        UnsetSecretError: the password is to come from a variable that is not set.
    """
    return KafkaQueue.of(config)


def look(config: Config) -> str:
    """What answers at the configured servers, in words, for `scanmatrix doctor`.

    Raises:
        MissingExtraError: the extra `kafka` is not installed.
        UnsetSecretError: the password is to come from a variable that is not set.
        BrokerError: nothing answers there, or it lets us not in.
    """
    with closing(Topics.of(config)) as topics:
        return topics.describe()
