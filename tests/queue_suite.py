"""What the queue must do on every database; imported as `tests.store_suite` is."""

from collections import Counter
from threading import Barrier, Thread

import pytest

from orchestrator.store.cell_queue.messages import (
    MESSAGE_VERSION,
    Handover,
    QueuedCell,
    QueueOffer,
    QueueState,
    Turn,
)
from orchestrator.store.cell_queue.store import QueueStore

LEASE = 60


class TimedQueue(QueueStore):
    """A queue whose clock a test sets."""

    now = 1_000_000

    def _clock(self, connection) -> int:
        super()._clock(connection)  # asks the database, so that its way of asking is tested
        return self.now


@pytest.fixture
def queue(url):
    with TimedQueue(url, patience=5) as opened:
        opened.migrate()
        yield opened


def order(run="r1", *, targets=("a", "b"), scans=("virus",), batch=lambda place: 0, **more):
    cells = [
        QueuedCell(target, scan, f"{scan}-1", batch(place)) for place, target in enumerate(targets) for scan in scans
    ]
    return Handover(run, cells, **{"deadline": 3600, **more})


def offer(*scans, worker="w1", version=1, **more):
    return QueueOffer(worker, {scan: f"{scan}-{version}" for scan in scans or ("virus",)}, **more)


def take(queue, *scans, **more):
    return queue.take(offer(*scans, **more), lease=LEASE)


def states(queue, run="r1"):
    return Counter(cell.state for cell in queue.cells(run))


def lose(queue):
    """Let a worker be silent for long enough."""
    queue.now += LEASE + 1
    queue.sweep(lease=LEASE, most_attempts=3)
    queue.now += LEASE // 2 + 1
    return queue.sweep(lease=LEASE, most_attempts=3)


def test_each_cell_is_taken_once_and_ends_once(queue):
    assert queue.hand_over(order(targets=("a", "b"), scans=("virus", "general")))
    assert not queue.hand_over(order(targets=("c",)))
    taken = [take(queue, "virus", "general") for _ in range(5)]
    assert taken.pop() is None
    assert [(each.target, each.scan) for each in taken] == [
        ("a", "virus"),
        ("a", "general"),
        ("b", "virus"),
        ("b", "general"),
    ]
    assert {each.attempt for each in taken} == {1}
    assert taken[0].left == 3600
    assert [queue.finish(each, "broken" if each.scan == "virus" else "") for each in taken] == [True] * 4
    assert not queue.finish(taken[0])
    assert not queue.standing("r1")
    assert {cell.reason for cell in queue.cells("r1")} == {"broken", ""}
    assert queue.forget_run("r1")
    assert queue.cells("r1") == ()
    assert queue.runs() == ()


def test_a_worker_gets_only_what_it_has_in_just_that_version(queue):
    queue.hand_over(order(scans=("virus", "general")))
    assert take(queue, "general", version=2) is None
    assert take(queue, "lifetime") is None
    assert take(queue, "general").scan == "general"
    assert queue.take(QueueOffer("w", {}), lease=LEASE) is None


def test_messages_of_a_later_version_are_left_to_later_workers(queue):
    queue.hand_over(order("old", message_version=MESSAGE_VERSION))
    queue.hand_over(order("new", message_version=MESSAGE_VERSION + 1, turn=Turn.HAND))
    assert [take(queue).run, take(queue).run, take(queue)] == ["old", "old", None]
    assert take(queue, message_version=MESSAGE_VERSION + 1).run == "new"


def test_runs_by_hand_come_before_those_of_events_and_these_before_the_schedule(queue):
    for turn in (Turn.SCHEDULE, Turn.EVENT, Turn.HAND):
        queue.hand_over(order(turn.name, targets=("a",), scans=("virus", "general"), turn=turn))
    order_of = [take(queue, "general", "virus").run for _ in range(6)]
    assert order_of == ["HAND", "HAND", "EVENT", "EVENT", "SCHEDULE", "SCHEDULE"]


def test_runs_that_a_worker_cannot_read_do_not_keep_it_from_others(queue):
    queue.hand_over(order("odd"))
    queue.hand_over(order("even"))
    assert take(queue, besides={"odd"}).run == "even"


def test_a_lease_ends_only_after_a_second_silence(queue):
    queue.hand_over(order(targets=("a",)))
    lease = take(queue)
    queue.now += LEASE + 1
    assert queue.sweep(lease=LEASE, most_attempts=3) == (0, 0)
    # As after an outage of the database: all leases have run out, and the worker is there.
    assert queue.renew(lease, seconds=LEASE).is_ours
    queue.now += LEASE // 2 + 1
    assert queue.sweep(lease=LEASE, most_attempts=3) == (0, 0)
    assert lose(queue) == (1, 0)
    assert not queue.renew(lease, seconds=LEASE).is_ours
    second = take(queue, worker="w2")
    assert (second.attempt, second.token != lease.token) == (2, True)
    assert not queue.finish(lease)
    assert not queue.give_back(lease)
    assert queue.finish(second)
    assert states(queue) == {QueueState.ENDED: 1}


def test_a_cell_that_loses_its_workers_is_given_up(queue):
    queue.hand_over(order(targets=("a", "b")))
    for number in (1, 2):
        assert take(queue, worker=f"w{number}").attempt == number
        assert lose(queue) == (1, 0)
    assert take(queue, worker="w3").attempt == 3
    assert lose(queue) == (0, 1)
    (lost,) = (cell for cell in queue.cells("r1") if cell.state is QueueState.LOST)
    assert lost.reason.startswith("worker lost, 3 times, the last time w3")
    assert take(queue).target == "b"


def test_what_is_given_back_counts_as_no_attempt(queue):
    queue.hand_over(order(targets=("a",)))
    for _ in range(5):
        lease = take(queue)
        assert lease.attempt == 1
        assert queue.give_back(lease)
    assert states(queue) == {QueueState.WAITING: 1}


def test_what_a_worker_may_have_been_given_without_learning_of_it(queue):
    queue.hand_over(order())
    other, _ = take(queue, worker="w1"), take(queue, worker="w2")
    assert queue.drop("w2") == 1
    assert queue.drop("w2") == 0
    again = take(queue, worker="w2")
    assert (again.target, again.attempt) == ("b", 1)
    assert queue.finish(other)


def test_a_run_that_is_cancelled(queue):
    queue.hand_over(order(targets=("a", "b", "c"), batch=lambda place: place))
    lease = take(queue)
    assert queue.cancel("r1", "the run was cancelled")
    assert not queue.cancel("r2", "the run was cancelled")
    assert states(queue) == {QueueState.LEASED: 1, QueueState.LEFT: 2}
    assert take(queue) is None
    assert queue.renew(lease, seconds=LEASE) == (True, "the run was cancelled")
    assert queue.standing("r1") == {QueueState.LEASED}
    assert queue.finish(lease, "the run was cancelled")
    assert not queue.standing("r1")


@pytest.mark.parametrize("worker", ["gone", "gives back"])
def test_nobody_takes_a_cell_again_whose_run_is_over(queue, worker):
    queue.hand_over(order(targets=("a",)))
    lease = take(queue)
    queue.cancel("r1", "the run was cancelled")
    if worker == "gone":
        assert lose(queue) == (0, 0)
    else:
        assert queue.give_back(lease)
        queue.sweep(lease=LEASE, most_attempts=3)
    (cell,) = queue.cells("r1")
    assert (cell.state, cell.reason) == (QueueState.LEFT, "the run was cancelled")


def test_the_deadline_of_a_run(queue):
    queue.hand_over(order(targets=("a", "b"), deadline=100))
    lease = take(queue)
    queue.now += 101
    queue.sweep(lease=LEASE * 10, most_attempts=3)
    assert "limits.deadline" in queue.find_run("r1").over
    assert "100 s" in queue.renew(lease, seconds=LEASE).over
    assert take(queue) is None
    assert states(queue) == {QueueState.LEASED: 1, QueueState.LEFT: 1}


def test_batches_begin_one_after_the_other(queue):
    queue.hand_over(order(targets=("a", "b", "c"), batch=lambda place: place // 2 + 3))
    first, second = take(queue), take(queue)
    assert take(queue) is None
    queue.finish(first)
    assert not queue.begin_next_batch("r1")
    queue.finish(second)
    assert queue.begin_next_batch("r1")
    third = take(queue)
    assert third.target == "c"
    assert queue.has_open(offer())
    queue.finish(third)
    assert not queue.begin_next_batch("r1")
    assert not queue.has_open(offer())
    assert not queue.standing("r1")


def test_a_run_without_cells_has_nothing_to_wait_for(queue):
    assert queue.hand_over(order(targets=()))
    assert queue.find_run("r1").over == ""
    assert not queue.standing("r1")


def test_workers_are_there_until_they_leave_or_are_silent(queue):
    queue.announce(offer("virus", "general"), lease=LEASE)
    queue.announce(offer("virus", worker="w2"), lease=LEASE)
    queue.announce(offer("virus", worker="w2", version=2), lease=LEASE)
    assert [(each.name, dict(each.scans)) for each in queue.workers()] == [
        ("w1", {"virus": "virus-1", "general": "general-1"}),
        ("w2", {"virus": "virus-2"}),
    ]
    queue.announce(offer(), lease=0)
    assert [each.name for each in queue.workers()] == ["w2"]
    queue.now += LEASE + 1
    assert queue.workers() == ()


def test_many_workers_at_once_take_each_cell_once(queue):
    cells = 40
    queue.hand_over(order(targets=[f"t{number}" for number in range(cells)]))
    taken, gate = [], Barrier(4)

    def work(name: str) -> None:
        gate.wait()
        while (lease := take(queue, worker=name)) is not None or queue.figures().waiting:
            if lease is not None:
                taken.append(lease.target)
                queue.finish(lease)

    threads = [Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(taken) == Counter(f"t{number}" for number in range(cells))
    assert states(queue) == {QueueState.ENDED: cells}


def test_handing_over_is_all_or_nothing(queue):
    broken = order(targets=("a",))._replace(cells=[QueuedCell("a", "virus", "v"), QueuedCell("b", None, "v")])
    with pytest.raises(Exception, match=r"NOT NULL|null|cannot be null|StoreError"):
        queue.hand_over(broken)
    assert queue.runs() == ()
    assert queue.hand_over(order(targets=("a",)))
