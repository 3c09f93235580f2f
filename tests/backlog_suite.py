"""What the scheduler's part of the store must do on every database; imported as `tests.store_suite` is."""

from collections import Counter
from datetime import datetime, timedelta
from threading import Barrier, Thread

import msgspec
import pytest

from orchestrator.inventory import Entry
from orchestrator.model import Distrust, Name
from orchestrator.store import SchemaError
from orchestrator.store.backlog.messages import StaleRules, Submission, Wanted
from orchestrator.store.backlog.store import BacklogStore
from orchestrator.volume.layout import Volume
from tests.stored_runs import DAY, AskedStore, day, finding, write_run

SECOND, HOUR, WEEK = 1, 3600, 7 * 86400
RULES = StaleRules(
    ages={"virus": 86400},
    default_age=WEEK,
    versions=frozenset({"scanner", "database"}),
    version_age=HOUR,
    first_retry=600,
    longest_retry=3000,
)


class TimedStore(AskedStore):
    """A store whose clock a test sets."""

    now = DAY

    def _clock(self, connection) -> int:
        super()._clock(connection)  # asks the database, so that its way of asking is tested
        return int(self.now.timestamp())


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "volume")


@pytest.fixture
def store(url):
    with TimedStore(url, patience=5) as opened:
        opened.migrate()
        yield opened


def test_an_empty_database_is_reported_when_asked(url):
    with TimedStore(url, patience=5) as empty:
        for ask in (empty.backlog, empty.is_idle, lambda: empty.chore_number("look")):
            with pytest.raises(SchemaError, match=r"no tables yet; run `scanmatrix store migrate`"):
                ask()
        empty.migrate()
        assert empty.is_idle()


def wanted(target: str, *scans: str, owner: str = "team") -> Wanted:
    name = Name(reference=f"registry.example/{target}:1", owner=owner)
    return Wanted(
        target=target,
        digest=f"sha256:{target}",
        platform="linux/amd64",
        names=(name,),
        scans=scans or ("sbom",),
        entries=f'["{target}"]',
    )


def left_out(row: Wanted, why: str = "label ignore=true") -> Wanted:
    """The same, and its only name asks not to be scanned."""
    names = tuple(msgspec.structs.replace(name, skip=why) for name in row.names)
    entries = [Entry(reference=name.reference, skip=name.skip) for name in names]
    return msgspec.structs.replace(row, names=names, entries=msgspec.json.encode(entries).decode())


def want(store: BacklogStore, *rows: Wanted, look: int = 1, rules: StaleRules = RULES):
    return store.want(rows, rules, look=look, whole=True)


def take(store: BacklogStore, run: str, *, holder: str = "me", most: int = 9, cells: int = 100, lease: int = 60):
    return store.take(run, holder, most=most, most_cells=cells, lease=lease)


def cells_of(submission: Submission | None) -> set[str]:
    assert submission is not None
    return {f"{claim.target}/{scan}" for claim in submission.claims for scan in claim.scans}


def finish(
    store: BacklogStore, volume: Volume, submission, when: datetime, *, rules: StaleRules = RULES, **ends
) -> None:
    """Have a run end: every cell ok with nothing found, but those that are given."""
    ended = dict.fromkeys(cells_of(submission), ()) | {name.replace("__", "/"): how for name, how in ends.items()}
    versions, asked = ended.pop("versions", ("1", "db")), ended.pop("asked", "")
    write_run(volume, submission.run, when, ended, versions=versions, asked=asked)
    store.take_in(volume, submission.run)
    store.settle(submission, rules)


def counts(store: BacklogStore) -> dict[str, int]:
    backlog = store.backlog()
    found = {state: backlog.count(state) for state in ("fresh", "due", "held", "in_flight")}
    return {state: count for state, count in found.items() if count}


def test_what_is_new_is_due_and_stays_fresh_until_it_is_too_old(store, volume):
    assert store.is_idle()
    assert want(store, wanted("a", "sbom", "virus"), wanted("b")).new == 3
    assert counts(store) == {"due": 3}
    submission = take(store, "run-1")
    assert cells_of(submission) == {"a/sbom", "a/virus", "b/sbom"}
    assert {claim.entries for claim in submission.claims} == {'["a"]', '["b"]'}
    assert counts(store) == {"in_flight": 3}
    assert not store.is_idle()
    assert take(store, "run-2") is None
    finish(store, volume, submission, day(0))
    assert counts(store) == {"fresh": 3}
    assert store.is_idle()
    assert store.backlog().next_due == day(1)
    store.now = day(1)
    assert cells_of(take(store, "run-2")) == {"a/virus"}
    store.now = day(7)
    assert cells_of(take(store, "run-3")) == {"a/sbom", "b/sbom"}


def test_the_same_look_again_changes_nothing(store, volume):
    want(store, wanted("a"))
    finish(store, volume, take(store, "run-1"), day(0))
    change = want(store, wanted("a"), look=2)
    assert (change.new, change.gone) == (0, 0)
    assert counts(store) == {"fresh": 1}


def test_a_result_that_came_by_another_way_is_as_good(store, volume):
    write_run(volume, "cron-1", day(0), {"a/sbom": [finding(1)]})
    store.take_in_all(volume)
    want(store, wanted("a"), wanted("b"))
    assert counts(store) == {"fresh": 1, "due": 1}


def test_what_is_no_longer_named_is_forgotten_but_not_while_it_runs(store, volume):
    want(store, wanted("a"), wanted("b"))
    submission = take(store, "run-1", cells=1)
    assert cells_of(submission) == {"a/sbom"}
    assert want(store, look=2).gone == 1
    assert counts(store) == {"in_flight": 1}
    finish(store, volume, submission, day(0))
    assert want(store, look=3).gone == 1
    assert counts(store) == {}
    # Nothing is left of what was never tried; what was found of the other stays.
    assert store.target("b").states == ()
    assert len(store.target("a").states) == 1


def test_what_starts_between_two_looks_is_wanted_at_once(store):
    want(store, wanted("a"), look=3)
    assert store.want([wanted("new")], RULES, look=3).new == 1
    assert counts(store) == {"due": 2}
    # The look that had begun before it started does not take it away.
    want(store, wanted("a"), look=3)
    assert counts(store) == {"due": 2}


def test_never_more_runs_in_flight_than_allowed(store, volume):
    want(store, *(wanted(name) for name in "abcd"))
    first, second = take(store, "run-1", most=2, cells=1), take(store, "run-2", most=2, cells=1)
    assert first
    assert second
    assert take(store, "run-3", most=2, cells=1) is None
    finish(store, volume, first, day(0))
    assert take(store, "run-3", most=2, cells=1) is not None


def test_replicas_share_the_work_and_the_places(url, store):
    want(store, *(wanted(f"t{number:02}") for number in range(40)))
    barrier, taken, errors = Barrier(4), [], []

    def replica(name: str) -> None:
        try:
            with BacklogStore(url) as own:
                barrier.wait()
                for number in range(12):
                    submission = own.take(f"{name}-{number}", name, most=6, most_cells=3, lease=60)
                    if submission is not None:
                        taken.append(submission)
        except Exception as error:  # noqa: BLE001 - told in the assertion
            errors.append(error)

    threads = [Thread(target=replica, args=(f"replica-{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    cells = Counter(cell for submission in taken for cell in cells_of(submission))
    assert set(cells.values()) == {1}
    assert len(taken) == 6
    assert counts(store) == {"in_flight": sum(cells.values()), "due": 40 - sum(cells.values())}


def test_owners_take_turns(store):
    many = [wanted(f"a{number}", owner="many") for number in range(8)]
    want(store, *many, wanted("z", owner="few"), wanted("y", "sbom", "virus", owner="few"))
    assert cells_of(take(store, "run-1", cells=2)) in ({"a0/sbom", "z/sbom"}, {"a0/sbom", "y/sbom", "y/virus"})
    # What is in flight counts as turns taken: each of both has one.
    second = cells_of(take(store, "run-2", cells=3))
    assert {cell[0] for cell in second} >= {"a"}
    assert {cell[0] for cell in second} & {"y", "z"}


def test_a_run_has_as_many_cells_as_it_may_and_whole_targets(store):
    want(store, *(wanted(name, "sbom", "virus", "secrets") for name in "abc"))
    assert len(cells_of(take(store, "run-1", cells=7))) == 6
    assert len(cells_of(take(store, "run-2", cells=1))) == 3


def test_what_keeps_failing_is_tried_ever_later_and_alone(store, volume):
    want(store, wanted("bad"), wanted("good"))
    finish(store, volume, take(store, "run-1"), day(0), bad__sbom="crashed")
    assert counts(store) == {"fresh": 1, "held": 1}
    [held] = store.backlog().held
    assert (held.reference, held.failures, held.reason) == ("registry.example/bad:1", 1, "crashed")
    at = day(0)
    for number, pause in enumerate((600, 1200, 2400, 3000, 3000), start=2):
        assert (store.backlog().next_due - at).total_seconds() == pause
        store.now = at = store.backlog().next_due
        submission = take(store, f"run-{number}")
        assert cells_of(submission) == {"bad/sbom"}
        finish(store, volume, submission, at, bad__sbom="crashed")
    store.now = at = store.backlog().next_due
    finish(store, volume, take(store, "run-9"), at)
    assert counts(store) == {"fresh": 2}


def test_a_target_that_cannot_be_run_holds_up_no_other(store, volume):
    want(store, wanted("bad"), wanted("good"))
    store.refuse(take(store, "run-1"), "the plan is refused", RULES)
    assert counts(store) == {"held": 2}
    assert {held.reason for held in store.backlog().held} == {"the plan is refused"}
    store.now = day(1)
    first, second = take(store, "run-2"), take(store, "run-3")
    assert sorted(map(len, (cells_of(first), cells_of(second)))) == [1, 1]
    good, bad = (first, second) if cells_of(first) == {"good/sbom"} else (second, first)
    store.refuse(bad, "the plan is refused", RULES)
    finish(store, volume, good, day(1))
    assert counts(store) == {"fresh": 1, "held": 1}
    assert store.backlog().held[0].failures == 2


def test_what_was_not_in_the_plan_is_not_lost(store, volume):
    want(store, wanted("a"), wanted("moved"))
    submission = take(store, "run-1")
    write_run(volume, "run-1", day(0), {"a/sbom": []})
    store.take_in(volume, "run-1")
    store.settle(submission, RULES)
    assert counts(store) == {"fresh": 1, "held": 1}
    store.now = day(1)
    assert cells_of(take(store, "run-2")) == {"moved/sbom"}


@pytest.mark.parametrize("whole", [True, False], ids=["by a look", "by what starts"])
def test_what_was_left_out_is_due_when_nobody_asks_for_that_any_more(store, volume, whole):
    want(store, left_out(wanted("a", "virus")), wanted("b", "virus"))
    finish(store, volume, take(store, "run-1"), day(0), a__virus="skipped: label", b__virus="skipped: excluded")
    want(store, left_out(wanted("a", "virus"), "label ignore=yes"), wanted("b", "virus"), look=2)
    assert counts(store) == {"fresh": 2}
    store.want([wanted("a", "virus"), wanted("b", "virus")], RULES, look=3, whole=whole)
    submission = take(store, "run-2")
    assert cells_of(submission) == {"a/virus"}
    finish(store, volume, submission, day(0), a__virus="skipped: excluded")
    want(store, wanted("a", "virus"), wanted("b", "virus"), look=4)
    assert counts(store) == {"fresh": 2}


def test_a_result_stays_when_its_target_is_left_out_for_a_while(store, volume):
    want(store, wanted("a", "virus"))
    finish(store, volume, take(store, "run-1"), day(0))
    want(store, left_out(wanted("a", "virus")), look=2)
    want(store, wanted("a", "virus"), look=3)
    assert counts(store) == {"fresh": 1}


def test_what_is_skipped_is_looked_at_again_when_a_result_would_be(store, volume):
    want(store, wanted("a", "virus"))
    finish(store, volume, take(store, "run-1"), day(0), a__virus="skipped: excluded")
    assert counts(store) == {"fresh": 1}
    store.now = day(1)
    assert counts(store) == {"due": 1}


def test_a_new_version_makes_older_results_stale(store, volume):
    want(store, wanted("a"), wanted("b"))
    finish(store, volume, take(store, "run-1"), day(0))
    want(store, wanted("a"), wanted("b"), wanted("c"), look=2)
    store.now = day(0.01)
    finish(store, volume, take(store, "run-2"), day(0.01), versions=("1", "newer"))
    # But not before they have a certain age.
    assert counts(store) == {"fresh": 3}
    store.now = day(0) + (day(1) - day(0)) / 24
    assert cells_of(take(store, "run-3")) == {"a/sbom", "b/sbom"}


def test_results_of_an_old_version_that_come_late_make_nothing_stale(store, volume):
    want(store, wanted("a"), wanted("b"))
    slow, fast = take(store, "run-1", cells=1), take(store, "run-2", cells=1)
    write_run(volume, "earlier", day(-1), {"c/sbom": []}, versions=("1", "old"))
    store.take_in(volume, "earlier")
    finish(store, volume, fast, day(0), versions=("1", "new"))
    finish(store, volume, slow, day(0.02), versions=("1", "old"))
    store.now = day(0.5)
    assert cells_of(take(store, "run-3")) == cells_of(slow)


def test_without_them_in_the_rules_versions_do_not_count(store, volume):
    rules = StaleRules(ages={}, default_age=WEEK)
    want(store, wanted("a"), rules=rules)
    finish(store, volume, take(store, "run-1"), day(0), rules=rules)
    write_run(volume, "cron", day(1), {"other/sbom": []}, versions=("2", "new"))
    store.take_in(volume, "cron")
    store.now = day(2)
    want(store, wanted("a"), look=2, rules=rules)
    assert counts(store) == {"fresh": 1}
    want(store, wanted("a"), look=3)
    assert counts(store) == {"due": 1}


def test_what_answers_another_question_is_due_at_once_and_waits_when_it_cannot_be_made_again(store, volume):
    def rules(question):
        return msgspec.structs.replace(RULES, questions={"sbom": (question,)})

    want(store, wanted("a"), rules=rules("one"))
    finish(store, volume, take(store, "run-1"), day(0), rules=rules("one"), asked="one")
    store.now = day(0.1)
    want(store, wanted("a"), look=2, rules=rules("one"))
    assert counts(store) == {"fresh": 1}
    want(store, wanted("a"), look=3, rules=rules("two"))
    assert counts(store) == {"due": 1}
    finish(store, volume, take(store, "run-2"), day(0.1), rules=rules("two"), asked="two")
    want(store, wanted("a"), look=4, rules=rules("two"))
    assert counts(store) == {"fresh": 1}


def test_other_rules_count_from_the_next_look_on(store, volume):
    want(store, wanted("a"))
    finish(store, volume, take(store, "run-1"), day(0))
    store.now = day(2)
    want(store, wanted("a"), look=2, rules=StaleRules(ages={"sbom": 86400}, default_age=WEEK))
    assert counts(store) == {"due": 1}


def test_a_run_is_taken_over_only_when_nobody_looks_after_it(store):
    want(store, wanted("a", "sbom", "virus"))
    submission = take(store, "run-1", holder="first", lease=60)
    assert store.adopt("second", lease=60) is None
    store.now = day(0) + (day(1) - day(0)) / 1440  # a minute
    store.renew("first", "inventory", lease=60)
    assert store.adopt("second", lease=60) is None
    store.now = day(0.1)
    assert store.backlog().flights[0].orphaned
    adopted = store.adopt("second", lease=60)
    assert (adopted.id, adopted.run, cells_of(adopted)) == (submission.id, "run-1", cells_of(submission))
    assert store.adopt("third", lease=60) is None
    store.renew("first", "inventory", lease=60)  # which does not bring it back
    store.renew("second", "inventory", lease=0)
    assert store.adopt("third", lease=60).run == "run-1"
    assert len(store.backlog().flights) == 1


def test_who_ends_a_run_twice_changes_nothing(store, volume):
    want(store, wanted("a"), wanted("b"))
    submission = take(store, "run-1", cells=1)
    finish(store, volume, submission, day(0))
    again = take(store, "run-2")
    store.settle(submission, RULES)
    store.refuse(submission, "late", RULES)
    assert counts(store) == {"fresh": 1, "in_flight": 1}
    assert [flight.run for flight in store.backlog().flights] == [again.run]


def test_a_clock_that_was_ahead_keeps_nothing_fresh_forever(store, volume):
    want(store, wanted("a"), wanted("b"))
    store.now = day(400)
    finish(store, volume, take(store, "run-1"), day(400), b__sbom="crashed")
    store.now = day(0)
    want(store, wanted("a"), wanted("b"), look=2)
    assert counts(store) == {"due": 2}
    # And is not scanned again and again either, though the newest result is still of the future.
    finish(store, volume, take(store, "run-2"), day(0), b__sbom="crashed")
    assert counts(store) == {"fresh": 1, "held": 1}
    assert store.backlog().held[0].due <= day(0.1)


def test_a_clock_that_was_ahead_gives_no_lease_forever(store):
    want(store, wanted("a"))
    store.now = day(400)
    take(store, "run-1", holder="first")
    assert store.begin_chore("prune", "first", lease=86400) == 1
    store.now = day(0)
    assert store.adopt("second", lease=60).run == "run-1"
    assert store.begin_chore("prune", "second", lease=86400) == 2


def test_a_clock_that_jumps_ahead_costs_no_more_than_a_take_over(store, volume):
    want(store, wanted("a"))
    submission = take(store, "run-1", holder="first")
    store.now = day(30)
    adopted = store.adopt("second", lease=60)
    finish(store, volume, submission, day(30))
    store.settle(adopted, RULES)
    assert counts(store) == {"fresh": 1}


def test_a_chore_is_one_replicas(store):
    assert store.begin_chore("inventory", "first", lease=60, again=True) == 1
    assert store.begin_chore("inventory", "second", lease=60, again=True) == 0
    assert store.begin_chore("inventory", "first", lease=60, again=True) == 2
    assert store.begin_chore("inventory", "first", lease=60) == 0
    assert store.chore_number("inventory") == 2
    assert store.chore_number("other") == 0
    store.renew("first", "inventory", lease=0)
    store.now = day(0) + (day(1) - day(0)) / 86400
    assert store.begin_chore("inventory", "second", lease=60, again=True) == 3


def test_what_is_reported_of_a_run(store):
    want(store, wanted("a", "sbom", "virus"))
    submission = take(store, "run-1", holder="me")
    store.note(submission, "running", trouble="the engine broke", attempts=2)
    [flight] = store.backlog().flights
    assert (flight.run, flight.holder, flight.stage, flight.trouble) == ("run-1", "me", "running", "the engine broke")
    assert (flight.cells, flight.targets, flight.attempts, flight.began) == (2, 1, 2, day(0))
    assert store.adopt("me", lease=60) is None
    store.now = day(1)
    assert store.adopt("other", lease=60).attempts == 2


def test_what_must_be_kept_fresh_is_not_pruned(store, volume):
    want(store, wanted("a"))
    finish(store, volume, take(store, "run-1"), day(0))
    store.prune(86400, day(300))
    assert counts(store) == {"fresh": 1}
    want(store, look=2)
    store.prune(86400, day(300))
    assert store.target("a") is None


def test_what_starts_joins_the_names_that_are_known(store):
    first, second = ('{"reference":"a","owner":"x"}', '{"reference":"a","owner":"w"}')
    names = {owner: (Name(reference="a", owner="x", labels={"namespace": owner}),) for owner in "xw"}
    row = Wanted(target="a", digest="sha256:a", platform="", names=names["x"], scans=("sbom",), entries=f"[{first}]")
    want(store, row)
    started = msgspec.structs.replace(row, names=names["w"], entries=f"[{second},{first}]")
    for _ in range(2):
        store.want([started], RULES, look=1)
    assert [name.labels["namespace"] for name in store.target("a").names] == ["w", "x"]
    [claim] = take(store, "run-1").claims
    assert claim.entries == f"[{first},{second}]"
    want(store, started, look=2)
    assert [name.labels["namespace"] for name in store.target("a").names] == ["w"]


def test_many_names_of_one_target(store):
    row = wanted("a")
    names = tuple(Name(reference=f"registry.example/a:{number}", owner=f"o{number}") for number in range(2000))
    entries = "x" * 200_000
    row = Wanted(target="a", digest=row.digest, platform="", names=names, scans=("sbom",), entries=entries)
    want(store, row)
    [claim] = take(store, "run-1").claims
    assert claim.entries == entries


def test_a_suspect_result_is_due_at_once_and_its_version_is_no_news(store, volume):
    write_run(volume, "run-0", day(-1), {"a/sbom": [], "b/sbom": []}, versions=("1", "db"))
    write_run(volume, "run-1", day(-0.5), {"a/sbom": []}, versions=("2", "db"))
    store.take_in_all(volume)
    want(store, wanted("a"), wanted("b"))
    doubting = Volume(volume.root, distrusted=(Distrust(reason="odd", scan="sbom", versions=("2",)),))
    store.take_in_all(doubting)
    want(store, wanted("a"), wanted("b"), look=2)
    submission = take(store, "run-2")
    assert cells_of(submission) == {"a/sbom"}  # and not b, whose version is older than a suspect one
    finish(store, doubting, submission, DAY, a__sbom="skipped: scanner distrusted: odd")
    assert take(store, "run-3") is None
    store.now = DAY + timedelta(seconds=RULES.longest_retry + 1)
    assert cells_of(take(store, "run-4")) == {"a/sbom"}


def test_deleted_results_of_what_is_kept_fresh_are_due_again_after_the_next_look(store, volume):
    want(store, wanted("a", "sbom", "virus"), wanted("b"))
    finish(store, volume, take(store, "run-1"), store.now)
    assert counts(store) == {"fresh": 3}
    assert store.forget_results(["a"]) == 2
    # Until then nothing is: the next look may find that it is to be left out now.
    assert counts(store) == {"fresh": 1}
    assert want(store, wanted("a", "sbom", "virus"), wanted("b"), look=2).new == 2
    assert counts(store) == {"due": 2, "fresh": 1}


def test_results_are_deleted_while_a_run_has_them_in_hand(store, volume):
    want(store, wanted("a"), wanted("b"))
    finish(store, volume, take(store, "run-1"), store.now)
    store.now += timedelta(seconds=WEEK + 1)
    submission = take(store, "run-2")
    assert store.forget_results(["a"]) == 1
    finish(store, volume, submission, store.now)
    want(store, wanted("a"), wanted("b"), look=2)
    assert counts(store) == {"fresh": 2}
