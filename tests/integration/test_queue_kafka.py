"""The queue with a real Kafka broker: messages wake workers; whatever becomes of them, no cell is lost or doubled."""

import json
import logging
from collections import Counter
from contextlib import closing

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

from orchestrator.config.loading import load_config
from orchestrator.queues.kafka import queue as module
from orchestrator.queues.kafka import topics as topics_module
from orchestrator.queues.kafka.connection import BrokerRefusedError
from orchestrator.queues.kafka.queue import KafkaQueue
from orchestrator.queues.kafka.topics import Topics
from orchestrator.store.cell_queue.store import QueueStore
from tests.integration.engine import wait_for
from tests.integration.kafka_place import KafkaPlace, listening
from tests.integration.test_queue_kills import KILLS, judge, kills
from tests.queue_suite import *  # noqa: F403
from tests.queue_suite import TimedQueue, order, take
from tests.tools.kafka import start_kafka
from tests.tools.postgres import start_postgres

#: Long enough that a test which waits for it fails.
NEVER = 3600.0


@pytest.fixture(scope="module")
def broker():
    with start_kafka() as started:
        yield started


class TimedKafkaQueue(KafkaQueue, TimedQueue):
    """With a clock that a test sets."""


@pytest.fixture
def queue(broker, tmp_path):
    """Of `tests.queue_suite`; its tests share topics, as runs do."""
    with TimedKafkaQueue.of(config_of(broker, tmp_path, prefix="suite.", partitions=2)) as opened:
        opened.migrate()
        yield opened


def config_of(broker, folder, **more):
    text = json.dumps({
        "engine": "queue", "volume": {"path": str(folder / "volume")},
        "store": {"url": f"sqlite:///{folder / 'queue.sqlite3'}"},
        "queue": {"kind": "kafka", "kafka": {"servers": broker.server, **more}},
    })  # fmt: skip
    (folder / "config.yaml").write_text(text)
    return load_config(folder / "config.yaml", environment={})


@pytest.fixture
def place(broker, tmp_path):
    return KafkaPlace(tmp_path, broker)


@pytest.fixture
def only_messages(monkeypatch):
    """No worker looks for itself."""
    monkeypatch.setattr(module, "_SELF", NEVER)


def test_a_message_wakes_workers_and_lag_is_what_waits(place, only_messages):
    plan = place.plan()
    with place.workers(2) as workers:
        listening(workers)
        place.engine().submit(plan)
        judge(place, plan, place.follow())
        wait_for(lambda: place.lag("first") == place.lag("second") == 0)


def test_lag_follows_what_is_taken_and_given_back(place):
    with place.queue() as queue:
        queue.hand_over(order(targets="abcdef", scans=("first",)))
        assert place.lag() == 6
        leases = [take(queue, "first") for _ in range(4)]
        wait_for(lambda: place.lag() == 2)
        assert queue.give_back(leases.pop())
        # Its message is behind those of cells that wait for longer.
        wait_for(lambda: place.lag() == 3)
        for lease in leases:
            queue.finish(lease)
        # Nobody takes the others any more.
        queue.cancel("r1", "the run was cancelled")
        wait_for(lambda: place.lag() == 0)


def test_the_next_batch_has_its_messages(place):
    with place.queue() as queue:
        queue.hand_over(order(targets="abc", scans=("first",), batch=lambda number: number // 2))
        assert place.lag() == 2
        for _ in range(2):
            queue.finish(take(queue, "first"))
        wait_for(lambda: place.lag() == 0)
        assert queue.begin_next_batch("r1")
        assert place.lag() == 1


def test_messages_that_got_lost_are_sent_again(place, only_messages, monkeypatch):
    """As of one that was killed between rows and messages; of a worker that was lost; and each only once."""
    monkeypatch.setattr(module, "_YOUNG", -1)
    monkeypatch.setattr(module, "_REPAIR", 0)
    plan = place.plan()
    with place.workers(1) as workers, monkeypatch.context() as patch:
        listening(workers)
        patch.setattr(KafkaQueue, "hand_over", QueueStore.hand_over)
        place.engine().submit(plan)
        judge(place, plan, place.follow())
    with place.queue() as queue:
        queue.hand_over(order(targets="abc", scans=("first",)))
        for _ in range(3):
            queue.sweep(lease=60, most_attempts=3)
        assert place.lag() == 3


def test_cells_of_a_version_that_no_worker_here_has_wake_nobody(place):
    with place.queue() as queue:
        queue.hand_over(order(targets="ab", scans=("first",)))
        assert take(queue, "first", version=2) is None
        wait_for(lambda: place.lag() == 0)


def test_messages_of_other_schemas_and_garbage_are_skipped(place, caplog):
    caplog.set_level(logging.WARNING)
    known = {"cell": 1, "run": "r0", "target": "t", "scan": "first"}
    foreign = [
        json.dumps(known | more).encode() for more in ({"version": 0}, {"version": 2, "new": []}, {"version": "1"})
    ]
    foreign += [b"", b"\xff\xfe", b"null", b"[" * 4000, b"x" * 10_000, json.dumps(known).encode()]
    # Of a run that nobody knows: nothing is wrong with it.
    foreign.append(json.dumps(known | {"version": 1, "cell": 10**6}).encode())
    plan = place.plan()
    with closing(Topics.of(place.config)) as topics:
        topics.make_sure(["first", "second"])
    place.produce(*foreign)
    with place.workers(1) as workers:
        listening(workers)
        wait_for(lambda: workers[0]._queue._listener.skipped == len(foreign) - 1)
        place.engine().submit(plan)
        judge(place, plan, place.follow())
        wait_for(lambda: place.lag() == 0)
        place.produce(*foreign)
        wait_for(lambda: workers[0]._queue._listener.skipped == 2 * (len(foreign) - 1) and place.lag() == 0)
    assert "its schema is version 2, and this program reads version 1" in caplog.text


def test_partitions_change_hands_in_the_middle_of_a_long_scan(broker, tmp_path, only_messages):
    script = "until = log + '.until'\nwhile not os.path.exists(until): time.sleep(0.05)"
    place = KafkaPlace(tmp_path, broker, images=6, scans={"first": script})
    plan = place.plan()
    with place.workers(1) as workers:
        listening(workers)
        place.engine().submit(plan)
        wait_for(place.begun)
        before = len(workers[0]._queue._listener._places)
        with place.workers(2, first=1):
            wait_for(lambda: len(workers[0]._queue._listener._places) < before)
            wait_for(lambda: len(place.begun()) == 3)
            wait_for(lambda: place.lag() == 3)
            (tmp_path / "log.until").touch()
        wait_for(lambda: len(workers[0]._queue._listener._places) == before)
        ledger = place.follow()
    judge(place, plan, ledger)
    assert max(Counter(place.begun()).values()) == 1


@pytest.mark.campaign
def test_a_run_without_a_broker_and_what_follows_when_it_is_back(broker, tmp_path, monkeypatch, caplog):
    """Away at the start, back, and killed in the middle of a run: nothing but time is lost."""
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(topics_module, "_PATIENCE", 1.0)
    monkeypatch.setattr(module, "_LATER", 0)
    monkeypatch.setattr(module, "_REPAIR", 0)
    monkeypatch.setattr(module, "_YOUNG", -1)
    place = KafkaPlace(tmp_path, broker, images=3, scans={"first": "time.sleep(0.2)"})
    broker.kill()
    try:
        with place.workers(2):
            plan = place.plan()
            place.engine().submit(plan)
            judge(place, plan, place.follow())
        assert "cells are handed over all the same" in caplog.text
        assert broker.server in caplog.text
        waiting = place.plan("r2")
        place.engine().submit(waiting)
    finally:
        broker.start()
    with place.queue() as queue:
        wait_for(lambda: queue.sweep(lease=60, most_attempts=3) and place.lag() == 3)
    place.log.unlink()
    with place.workers(2):
        wait_for(place.begun)
        broker.kill()
        broker.start()
        judge(place, waiting, place.follow("r2"))
        wait_for(lambda: place.lag() == 0, seconds=240)  # a member that the broker forgot comes back after its session


def test_a_broker_that_hangs_holds_a_run_up_for_seconds_only(broker, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.WARNING)
    for name, value in {"_SEND": 1.0, "_YOUNG": -1, "_LATER": 0, "_REPAIR": 0}.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(topics_module, "_PATIENCE", 1.0)
    place = KafkaPlace(tmp_path, broker)
    with place.queue() as queue:
        queue.hand_over(order("r1", targets="ab", scans=("first",)))
        broker.hang()
        try:
            assert queue.hand_over(order("r2", targets="cd", scans=("first",)))
        finally:
            broker.wake()
        assert "took no message" in caplog.text
        # What was under way may have come all the same.
        wait_for(lambda: queue.sweep(lease=60, most_attempts=3) and place.lag() >= 4)
        for _ in range(4):
            queue.finish(take(queue, "first"))
        wait_for(lambda: place.lag() == 0)


def test_a_broker_that_takes_no_message(place, caplog, monkeypatch):
    """As a full one, or one whose limits are narrow."""
    monkeypatch.setattr(module, "_SELF", 0.2)
    with closing(Topics.of(place.config)) as topics:
        topics.make_sure(["first", "second"])
        _limit(topics, place.config.queue.kafka.topic("first"), **{"max.message.bytes": "1"})
    plan = place.plan()
    with place.workers(1):
        place.engine().submit(plan)
        judge(place, plan, place.follow())
    assert "took no message for them: Broker: Message size too large" in caplog.text


def _limit(topics, topic, **settings):
    changes = [ConfigEntry(*each, incremental_operation=AlterConfigOpType.SET) for each in settings.items()]
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=changes)
    for done in topics._admin.incremental_alter_configs([resource]).values():
        done.result(30)


def test_topics_that_are_missing_too_small_or_may_not_be_made(broker, tmp_path):
    place = KafkaPlace(tmp_path, broker, kafka={"partitions": 2})
    with closing(Topics.of(place.config)) as topics:
        topics.make_sure(["first"])
    more = KafkaPlace(tmp_path, broker, kafka={"partitions": 5, "prefix": place.config.queue.kafka.prefix})
    with closing(Topics.of(more.config)) as topics:
        topics.make_sure(["first"])
        assert set(topics.partitions.values()) == {5}
    refused = KafkaPlace(tmp_path, broker, kafka={"replication": 3})
    with pytest.raises(BrokerRefusedError, match=r"kafka-topics.sh --create --topic t\d+.first --partitions 4"):
        refused.engine().submit(refused.plan())
    with refused.queue() as queue:
        assert queue.runs() == ()


def struck(folder, broker, images, number):
    with start_postgres("127.0.0.1") as server:
        queue = {"lease": "2s", "attempts": 10}
        # Scanners are killed too.
        place = KafkaPlace(
            folder, broker, images=images, url=server.create("queue"), queue=queue, retries=8,
            scans={"first": "time.sleep(0.3)"},
        )  # fmt: skip
        kills(place, server, number, broker)


def test_workers_scanners_database_and_broker_are_killed(broker, tmp_path):
    struck(tmp_path, broker, 5, 5)


@pytest.mark.campaign
def test_workers_scanners_database_and_broker_are_killed_often(broker, tmp_path):
    struck(tmp_path, broker, 120, KILLS)
