"""A folder in which a broker wakes the workers of the engine `queue`."""

import itertools
from contextlib import closing, contextmanager, suppress

from confluent_kafka import Producer

from orchestrator import queues
from orchestrator.queues.kafka.connection import BrokerGoneError
from orchestrator.queues.kafka.topics import Topics
from tests.integration.engine import wait_for
from tests.integration.queue_place import QueuePlace

_NUMBERS = itertools.count()


class KafkaPlace(QueuePlace):
    """A folder whose workers a broker wakes; with topics of its own, in a group of its own."""

    def __init__(self, folder, broker, *, kafka=None, queue=None, **more) -> None:
        own = {
            "servers": broker.server,
            "prefix": f"t{next(_NUMBERS)}.",
            "group": f"g{next(_NUMBERS)}",
            "partitions": 4,
        }
        queue = {"kind": "kafka", "lease": "2s", "kafka": own | (kafka or {}), **(queue or {})}
        super().__init__(folder, queue=queue, **more)

    def lag(self, scan="first"):
        """-1 while a broker that was away is not itself yet."""
        with closing(Topics.of(self.config)) as topics, suppress(BrokerGoneError):
            return topics.lag(scan)
        return -1

    @contextmanager
    def queue(self):
        with queues.make(self.config) as opened:
            opened.migrate()
            yield opened

    def produce(self, *values, scan="first"):
        section = self.config.queue.kafka
        with Producer({"bootstrap.servers": section.servers[0]}) as producer:
            for value in values:
                producer.produce(section.topic(scan), value)
            assert producer.flush(30) == 0

    def follow(self, run="r1"):
        """Look at a run until it has ended, as the scheduler does."""
        engine = self.engine()
        wait_for(lambda: engine.finish_left() or engine.status(run).ended)
        return engine.fetch(run)


def listening(workers):
    """Wait until each has its place in the group."""
    wait_for(lambda: all(each._queue._listener and each._queue._listener._places for each in workers))
