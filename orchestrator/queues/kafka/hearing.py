"""Messages from the broker: they wake a worker, and offsets say how many cells still wait.

A thread of its own listens, also while the worker is busy, so a long scan does not cost its place in the group. Offsets
are committed up to the first message whose cell still waits, no matter who has taken the others: a message that comes
twice, or whose cell was taken long ago, is done with at once, and the lag of the group is the number of cells that
wait. That a partition changes hands costs nothing: what was not committed comes to the other worker.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import ScanmatrixError
from orchestrator.kit.extras import needing
from orchestrator.kit.retrying import Backoff
from orchestrator.queues.kafka.connection import BrokerConnection, BrokerGoneError, library_log
from orchestrator.queues.kafka.hints import HintError, decode_hint

with needing("kafka", "queue.kind: kafka"):
    from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from confluent_kafka import Message

    from orchestrator.queues.kafka.topics import Topics

_log = logging.getLogger(__name__)
#: Seconds that one look for messages takes at most, and between two looks at what still waits.
_LOOK, _SETTLE = 0.2, 1.0
#: Messages that are remembered before no more are fetched, and of which the store is asked at once.
_REMEMBERED, _ASKED = 2000, 500
#: Seconds that it may take to leave the group.
_LEAVE = 5.0
#: Stands for a message that says nothing to us.
_NOTHING = 0


class _Heard(NamedTuple):
    offset: int
    cell: int


class _Place:
    """A partition that is ours: what was heard and is not done with, and up to where offsets are committed."""

    def __init__(self, committed: int, done: int) -> None:
        self.heard: deque[_Heard] = deque()
        self.committed, self.done = committed, done

    def first(self, number: int) -> Iterator[_Heard]:
        """At most this many messages, at least one where there is one."""
        return islice(self.heard, max(1, number))


class HintListener:
    """Listens for messages until it is closed.

    Args:
        connection: to the broker.
        topics: of the broker.
        scans: names of those that are listened for.
        still_waiting: says of numbers of cells which of them wait for this worker.

    Attributes:
        came: set when a message comes.
        skipped: messages that said nothing to this program.
    """

    def __init__(
        self,
        connection: BrokerConnection,
        topics: Topics,
        scans: Collection[str],
        still_waiting: Callable[[Collection[int]], frozenset[int]],
    ) -> None:
        self.came = threading.Event()
        self.skipped = 0
        self._connection, self._topics, self._scans = connection, topics, scans
        self._still_waiting = still_waiting
        self._places: dict[tuple[str, int], _Place] = {}
        self._closing = threading.Event()
        self._protocol, self._is_paused, self._is_away = "consumer", False, False
        self._thread = threading.Thread(target=self._listen, name="scanmatrix.hints", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the group."""
        self._closing.set()
        self._thread.join(_LEAVE)

    def _listen(self) -> None:
        pace = Backoff(0.5, 10)
        while not self._closing.is_set():
            try:
                self._topics.make_sure(self._scans)
                self._hear()
                pace.reset()
            except (KafkaException, ScanmatrixError) as error:
                self._complain(error)
                self._closing.wait(pace.pause())

    def _hear(self) -> None:
        """Be a member of the group; ends with an error where that is over."""
        options = self._connection.options(
            group_id=self._connection.section.group,
            group_protocol=self._protocol,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            queued_max_messages_kbytes=1024,
        )
        options |= {"error_cb": self._learn, "on_commit": self._note_commit}
        consumer = Consumer(options, logger=library_log)
        settled = 0.0
        try:
            topics = [self._connection.section.topic(scan) for scan in sorted(self._scans)]
            consumer.subscribe(topics, on_assign=self._begin, on_revoke=self._leave, on_lost=self._leave)
            while not self._closing.is_set():
                if (first := consumer.poll(_LOOK)) is not None:
                    self._note([first, *consumer.consume(_ASKED, timeout=0)])
                if time.monotonic() >= settled:
                    self._settle(consumer)
                    settled = time.monotonic() + _SETTLE
            self._settle(consumer)
        finally:
            self._places.clear()
            consumer.close()

    def _begin(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        """A partition is ours. One that nobody has committed anything of gets its first offset, or it has no lag."""
        committed = {(each.topic, each.partition): each.offset for each in consumer.committed(list(partitions), _LEAVE)}
        for each in partitions:
            key = (each.topic, each.partition)
            done = committed.get(key, -1)
            if done < 0:
                done = consumer.get_watermark_offsets(each, _LEAVE)[0]
            self._places[key] = _Place(committed.get(key, -1), done)
        self._is_away = self._is_paused = False

    def _leave(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:  # noqa: ARG002 - see `subscribe`
        for each in partitions:
            self._places.pop((each.topic, each.partition), None)

    def _note(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if (error := message.error()) is not None:
                self._judge(error)
            elif (place := self._places.get((message.topic() or "", message.partition() or 0))) is not None:
                place.heard.append(_Heard(message.offset() or 0, self._cell_of(message)))
        self.came.set()

    def _cell_of(self, message: Message) -> int:
        try:
            return decode_hint(message.value()).cell
        except HintError as error:
            self.skipped += 1
            where = f"{message.topic()}/{message.partition()} at {message.offset()}"
            _log.warning("a message is skipped, as were %d before: %s: %s", self.skipped - 1, where, error)
            return _NOTHING

    def _judge(self, error: KafkaError) -> None:
        """What came instead of a message.

        Raises:
            BrokerError: this consumer is of no use any more.
        """
        if error.code() == KafkaError._FATAL and "not supported" in error.str():  # noqa: SLF001
            _log.info("the broker lacks the new protocol of consumer groups: the classic one is used")
            self._protocol = "classic"
            raise BrokerGoneError("the broker lacks the new protocol of consumer groups")
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            self._topics.forget()
        if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART or error.fatal() or error.code() == KafkaError._FATAL:  # noqa: SLF001
            raise self._connection.judged(KafkaException(error), "handing out messages")
        self._learn(error)

    def _settle(self, consumer: Consumer) -> None:
        """Commit what is done with, and fetch no more than what can be remembered."""
        try:
            while self._forget_some():
                pass
        except ScanmatrixError as error:
            _log.info("which cells wait cannot be asked: %s", error)
        due = [
            TopicPartition(topic, partition, place.done)
            for (topic, partition), place in self._places.items()
            if place.done > place.committed
        ]
        if due:
            consumer.commit(offsets=due, asynchronous=True)
        self._hold_back(consumer)

    def _forget_some(self) -> bool:
        """Forget the first messages of each partition whose cells do not wait; whether there may be more."""
        heads = {each.cell for place in self._places.values() for each in place.first(_ASKED // len(self._places))}
        if not heads:
            return False
        gone = heads - self._still_waiting(heads - {_NOTHING})
        before = sum(len(place.heard) for place in self._places.values())
        for place in self._places.values():
            while place.heard and place.heard[0].cell in gone:
                place.done = place.heard.popleft().offset + 1
        return before > sum(len(place.heard) for place in self._places.values())

    def _hold_back(self, consumer: Consumer) -> None:
        remembered = sum(len(place.heard) for place in self._places.values())
        if remembered >= _REMEMBERED:
            consumer.pause(consumer.assignment())
            self._is_paused = True
        elif self._is_paused:
            consumer.resume(consumer.assignment())
            self._is_paused = False

    def _note_commit(self, error: KafkaError | None, partitions: Sequence[TopicPartition]) -> None:
        """What the broker has kept; the rest is committed again."""
        for each in partitions:
            place = self._places.get((each.topic, each.partition))
            if error is None and each.error is None and place is not None:
                place.committed = max(place.committed, each.offset)

    def _learn(self, error: KafkaError) -> None:
        """Of what is wrong with the connection; the library tries again by itself."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN or error.code() in _WRONG:  # noqa: SLF001
            self._complain(self._connection.judged(KafkaException(error), "handing out messages"))
        else:
            _log.debug("%s", error)

    def _complain(self, error: Exception) -> None:
        """Once for each outage."""
        if not self._is_away and not self._closing.is_set():
            _log.warning("cells are looked for every few seconds, as nobody says that they wait: %s", error)
        self._is_away = True


#: What the library reports as an error of the connection, and does not end by itself.
_WRONG = {KafkaError._AUTHENTICATION, KafkaError._SSL}  # noqa: SLF001
