"""What the inbox of events must do on every database; imported as `tests.store_suite` is."""

from contextlib import suppress
from threading import Barrier, Thread

import pytest

from orchestrator.receiving.messages import Push, PushKind, Unwanted
from orchestrator.store.connection import make_engine, parse_url
from orchestrator.store.documents import StoreError, StoreGoneError
from orchestrator.store.inbox.messages import (
    JOBS,
    AcceptedEvent,
    Ending,
    FullInboxError,
    InboxOutcome,
    OutgoingEvent,
)
from orchestrator.store.inbox.store import InboxStore

SINK = "0" * 32


class TimedInbox(InboxStore):
    """An inbox whose clock a test sets."""

    now = 1_000_000

    def _clock(self, connection) -> int:
        super()._clock(connection)  # asks the database, so that its way of asking is tested
        return self.now


@pytest.fixture
def inbox(url):
    with TimedInbox(url, patience=5) as opened:
        opened.migrate()
        yield opened


def event(
    key, tag="1", *, repository="registry.example/shop/web", digest="", sender="harbor", rule="all", scans=("general",)
):
    push = Push(PushKind.IMAGE, repository, tag, digest)
    return AcceptedEvent(key, f"/events/{sender}", key, sender, rule, push, scans)


def accept(inbox, *events, settle=0, most=100):
    return inbox.accept(events, settle=settle, most=most)


def take(inbox, holder="me", *, at_once=10, lease=60):
    return {entry.event.key: entry for entry in inbox.take(holder, {"all": at_once}, lease=lease)}


def outgoing(run, kind="started", sink=SINK):
    return OutgoingEvent(sink, run, kind, "{}")


def told(inbox, holder="me", sink=SINK):
    return inbox.take_outgoing(holder, sink, lease=60, most=50)


def test_the_same_event_is_accepted_once(inbox):
    assert accept(inbox, event("a"), event("a"), event("b", "2")).new == {"a", "b"}
    assert accept(inbox, event("a")).new == set()
    assert set(take(inbox)) == {"a", "b"}
    assert accept(inbox, event("a"), event("c", "3")).new == {"c"}


def test_an_event_for_jobs_is_kept_whole_and_takes_no_turn_of_a_rule(inbox):
    whole = '{"data": "' + "é" * 400_000 + '"}'
    job = AcceptedEvent("j", "/ci", "1", "cloudevents", JOBS, None, (), whole)
    assert accept(inbox, job, event("a", sender="cloudevents")).new == {"j", "a"}
    taken = {entry.event.key: entry for entry in inbox.take("me", {JOBS: 1, "all": 1}, lease=60)}
    assert taken["j"].event == job
    assert taken["a"].event.whole == ""
    inbox.start(taken["j"], "job-1-0", [])
    assert accept(inbox, job).new == set()
    inbox.end(taken["j"], Ending(InboxOutcome.PASSED))
    assert inbox.counts().running == 0


def test_replicas_accept_the_same_event_once(url, inbox):
    together, found = Barrier(4), []

    def bring(number):
        with TimedInbox(url, patience=20) as mine:
            together.wait()
            while number not in found:
                with suppress(StoreError, StoreGoneError):  # one of two that lock each other out; its sender repeats it
                    accept(mine, *(event(f"e{each}", str(each)) for each in range(20)))
                    found.append(number)

    threads = [Thread(target=bring, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 1, 2, 3]
    assert inbox.counts().waiting == 20


def test_of_a_burst_to_one_tag_the_newest_is_worked_on_once_it_has_settled(inbox):
    for number in range(5):
        accept(inbox, event(f"e{number}"), event(f"o{number}", "other"), settle=5)
        inbox.now += 2
    assert take(inbox) == {}
    inbox.now += 3
    assert set(take(inbox)) == {"e4", "o4"}
    assert inbox.counts().waiting == 2


def test_a_burst_without_end_is_worked_on_all_the_same(inbox):
    for number in range(40):
        accept(inbox, event(f"e{number}"), settle=5)
        inbox.now += 2
        if take(inbox):
            break
    assert number < 35


def test_pushes_by_digest_alone_are_each_worked_on(inbox):
    accept(inbox, event("a", "", digest="sha256:1"), event("b", "", digest="sha256:2"))
    assert set(take(inbox)) == {"a", "b"}


def test_what_somebody_plans_already_is_not_taken_away(inbox):
    accept(inbox, event("a"))
    (entry,) = take(inbox).values()
    accept(inbox, event("b"))
    inbox.start(entry, "run-a", [])
    assert inbox.counts()[:2] == (1, 1)


def test_no_more_wait_than_may(inbox):
    accept(inbox, *(event(f"e{each}", str(each)) for each in range(3)), most=3)
    with pytest.raises(FullInboxError):
        accept(inbox, event("one-more", "9"), most=3)
    take(inbox)
    assert inbox.counts().waiting == 3


def test_each_sender_has_no_more_runs_than_its_rule_allows(inbox):
    accept(inbox, *(event(f"h{each}", f"h{each}") for each in range(5)), event("q1", "q1", sender="quay"))
    first = take(inbox, at_once=2)
    assert set(first) == {"h0", "h1", "q1"}
    assert take(inbox, at_once=2) == {}
    inbox.start(first["h0"], "run-0", [])
    assert take(inbox, at_once=2) == {}
    inbox.end(first["h0"], Ending(InboxOutcome.SCANNED))
    assert set(take(inbox, at_once=2)) == {"h2"}


def test_what_nobody_works_on_any_more_is_taken_over(inbox):
    accept(inbox, event("a"), event("b", "2"))
    mine = take(inbox, lease=60)
    inbox.start(mine["b"], "run-b", [])
    inbox.now += 30
    inbox.renew("me", lease=60)
    inbox.now += 50
    assert take(inbox, "other") == {}
    inbox.now += 20
    assert {key: entry.run for key, entry in take(inbox, "other").items()} == {"a": "", "b": "run-b"}
    inbox.renew("other", lease=0)
    inbox.now += 1
    assert set(take(inbox, "third")) == {"a", "b"}


def test_what_failed_for_now_is_tried_again_later(inbox):
    accept(inbox, event("a"))
    inbox.end(take(inbox)["a"], Ending(None, "the registry is away", 10))
    assert take(inbox) == {}
    inbox.now += 10
    entry = take(inbox)["a"]
    assert entry.attempts == 1
    inbox.end(entry, Ending(None, "too many runs", 5, counts=False))
    inbox.now += 5
    assert take(inbox)["a"].attempts == 1


def claim(inbox, entry, pushed="f"):
    return inbox.claim(entry, pushed * 32, within=100)


def test_just_this_was_scanned_before(inbox):
    accept(inbox, event("a"), event("b", "2"))
    taken = take(inbox)
    first, second = taken["a"], taken["b"]
    assert claim(inbox, first).is_free
    assert claim(inbox, second, "e").is_free
    inbox.start(first, "run-a", [])
    assert claim(inbox, second) == (False, 0)
    inbox.end(first, Ending(InboxOutcome.SCANNED))
    assert claim(inbox, second) == (False, 0)
    inbox.now += 101
    assert claim(inbox, second).is_free


@pytest.mark.parametrize("first", ["a", "b"])
def test_of_two_that_are_planned_at_once_one_waits_for_what_becomes_of_the_other(inbox, first):
    accept(inbox, event("a"), event("b", "2"))
    taken = take(inbox)
    one, other = taken.pop(first), *taken.values()
    assert claim(inbox, one).is_free
    waits = claim(inbox, other)
    assert not waits.is_free
    assert waits.wait
    # The first one came to nothing, so the other is scanned after all.
    inbox.end(one, Ending(InboxOutcome.REFUSED, "no such scan"))
    assert claim(inbox, other).is_free


def test_a_tag_that_goes_back_is_scanned_again(inbox):
    for key, pushed in (("a", "1"), ("b", "2"), ("c", "1")):
        accept(inbox, event(key))
        (entry,) = take(inbox).values()
        assert claim(inbox, entry, pushed).is_free
        inbox.start(entry, f"run-{key}", [])
        inbox.end(entry, Ending(InboxOutcome.SCANNED))
    accept(inbox, event("d"), event("e", "other"))
    again = take(inbox)
    assert claim(inbox, again["d"], "1") == (False, 0)
    assert claim(inbox, again["e"], "2") == (False, 0)


def test_a_push_does_not_take_the_place_of_one_for_other_scans(inbox):
    accept(inbox, event("a"))
    accept(inbox, event("b", scans=("secrets",), rule="other"))
    accept(inbox, event("c", sender="quay"))
    assert set(take(inbox)) == {"b", "c"}


def test_a_sender_with_many_events_is_in_nobodys_way(inbox):
    accept(inbox, *(event(f"h{each}", f"h{each}") for each in range(250)), most=1000)
    inbox.now += 1
    accept(inbox, event("q", "q", sender="quay"), most=1000)
    found = take(inbox, at_once=1) | take(inbox, at_once=1)
    assert set(found) == {"h0", "q"}


def test_a_run_under_way_whose_engine_is_away_is_not_tried_at_once_again(inbox):
    accept(inbox, event("a"))
    (entry,) = take(inbox).values()
    inbox.start(entry, "run-a", [])
    inbox.now += 61
    (left,) = take(inbox).values()
    inbox.end(left, Ending(None, "the cluster does not answer", 20))
    inbox.now += 19
    assert take(inbox) == {}
    inbox.now += 1
    assert take(inbox)["a"].run == "run-a"


def test_what_was_refused_does_not_count_as_scanned(inbox):
    accept(inbox, event("a"), event("b", "2"))
    taken = take(inbox)
    claim(inbox, taken["a"])
    inbox.end(taken["a"], Ending(InboxOutcome.REFUSED, "no such scan"))
    assert claim(inbox, taken["b"]).is_free


def test_sinks_are_notified_in_order_run_by_run(inbox):
    accept(inbox, event("a"), event("b", "2"))
    taken = take(inbox)
    inbox.start(taken["a"], "run-a", [outgoing("run-a")])
    inbox.tell([outgoing("run-a", "changed")])
    inbox.start(taken["b"], "run-b", [outgoing("run-b")])
    inbox.end(taken["a"], Ending(InboxOutcome.SCANNED), [outgoing("run-a", "finished")])
    seen = []
    for _ in range(4):
        for one in told(inbox):
            seen.append((one.run, one.type))
            inbox.mark_sent(one)
    assert [kind for run, kind in seen if run == "run-a"] == ["started", "changed", "finished"]
    assert ("run-b", "started") in seen
    assert inbox.counts().unsent == 0


def test_what_a_sink_did_not_take_holds_up_its_own_run_only(inbox):
    inbox.tell([outgoing("run-a"), outgoing("run-a", "finished"), outgoing("run-b")])
    first = {one.run: one for one in told(inbox)}
    assert told(inbox, "other") == []
    inbox.send_later(first["run-a"], 30)
    inbox.mark_sent(first["run-b"])
    assert told(inbox) == []
    inbox.now += 30
    (again,) = told(inbox)
    assert (again.type, again.attempts) == ("started", 1)


def test_a_sink_is_sent_its_own_and_what_none_took_is_forgotten(inbox):
    other = "1" * 32
    inbox.tell([outgoing("run-a"), outgoing("run-b"), outgoing("run-a", sink=other)])
    assert [one.run for one in inbox.take_outgoing("me", SINK, lease=60, most=1)] == ["run-a"]
    assert [(one.sink, one.run) for one in told(inbox, sink=other)] == [(other, "run-a")]
    inbox.now += 101
    inbox.tell([outgoing("run-c")])
    assert inbox.forget_unsent(100) == 3
    assert inbox.counts().unsent == 1


def test_an_end_is_written_and_sent_once(inbox):
    accept(inbox, event("a"))
    entry = take(inbox)["a"]
    for _ in range(2):
        inbox.end(entry, Ending(Unwanted.NOT_AN_IMAGE, "a chart"), [outgoing("run-a", "finished")])
    assert inbox.counts().unsent == 1


def test_an_event_is_forgotten_after_a_while_and_not_before(inbox):
    accept(inbox, event("a"), event("b", "2"))
    inbox.end(take(inbox)["a"], Ending(InboxOutcome.SCANNED))
    inbox.now += 50
    assert inbox.forget_old(100) == 0
    inbox.now += 51
    assert inbox.forget_old(100) == 1
    assert accept(inbox, event("a"), event("b", "2")).new == {"a"}


def test_hostile_text_is_kept_as_text(inbox):
    push = Push(PushKind.IMAGE, "registry.example/a/b", "1")
    text = "{{workflow.name}} '; DROP TABLE inbox; -- \0 \U0001f600"
    accept(inbox, AcceptedEvent("k", text * 20, text * 20, "harbor", "all", push, ("x",)))
    entry = take(inbox)["k"]
    assert entry.event.source.startswith("{{workflow.name}} '; DROP TABLE inbox; -- ")
    assert entry.event.push == push


@pytest.mark.parametrize("damage", ["push = '{'", 'push = \'{"kind": "ship"}\'', "scans = 'general'"])
def test_what_is_damaged_is_taken_with_the_reason_and_holds_up_no_other(url, inbox, damage):
    accept(inbox, event("a"), event("b", "2"))
    spoil(url, damage)
    taken = take(inbox)
    assert set(taken) == {"a", "b"}
    assert (taken["b"].event, taken["b"].damage) == (event("b", "2"), "")
    assert "damaged" in taken["a"].damage
    inbox.end(taken["a"], Ending(InboxOutcome.REFUSED, taken["a"].damage))
    assert inbox.counts().waiting == 1


def spoil(url, damage):
    """Change what is kept of the event `a`."""
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE inbox SET {damage} WHERE event_key = 'a'")
    engine.dispose()
