"""What owners see of a store, on every database: imported by the unit tests (SQLite) and by the integration tests.

A module that imports it has a fixture `url`: of an empty database.
"""

from datetime import datetime

import pytest
from sqlalchemy import select, text

from orchestrator.errors import UsageError
from orchestrator.model import Name
from orchestrator.queries import Store
from orchestrator.queries.choice import Choice
from orchestrator.queries.opening import fill
from orchestrator.results.errors import NoResultsError
from orchestrator.store import scope, tag_cells
from orchestrator.store.backlog import tables as backlog_tables
from orchestrator.store.cell_queue import tables as queue_tables
from orchestrator.store.columns import metadata
from orchestrator.store.documents import Container, StoredWorkload
from orchestrator.store.inbox import tables as inbox_tables
from orchestrator.store.schema import findings, targets
from orchestrator.volume.layout import Volume
from tests.stored_runs import AskedStore, day, finding, write_run

_A = Name(reference="registry.example/a:1", owner="team-a")
_B = Name(reference="registry.example/b:1", owner="team-b")
_SHARED = [
    Name(reference="registry.example/0-of-b:1", owner="team-b"),
    Name(reference="registry.example/s", owner="team-a"),
]


@pytest.fixture
def store(url, tmp_path):
    """Two runs of two teams: `a` is of one, `b` of the other, `s` of both; a third has nothing."""
    volume = Volume(tmp_path / "volume")
    names = {"a": [_A], "b": [_B], "s": _SHARED}
    cells = {"a/dependency": [finding(1)], "b/dependency": [finding(1), finding(2)], "s/dependency": [finding(3)]}
    write_run(volume, "run-1", day(1), cells, names=names)
    write_run(volume, "run-2", day(2), {**cells, "b/dependency": [finding(2), finding(4)]}, names=names)
    write_run(volume, "run-of-b", day(0.5), {"b/dependency": [finding(2), finding(5)]}, names={"b": [_B]})
    with Store(url, patience=20) as opened:
        opened.take_in_all(volume)
        opened.write_workloads([
            StoredWorkload("c", "ns", "Deployment", f"runs-{target}", containers=(Container("x", target),))
            for target in ("a", "b")
        ])  # fmt: skip
        yield opened


def _seen(store: Store) -> str:
    """Everything that any question answers, as one text."""
    now = day(4)
    asked = [
        lambda: store.who_has("*"),
        lambda: store.who_has(package="*"),
        store.coverage,
        lambda: store.findings_now(Choice()),
        lambda: store.differences(since=day(1.5)),
        lambda: store.differences(since=day(0)),
        lambda: store.changes(day(1.5)),
        store.overview,
        lambda: store.targets("sha256:b"),
        lambda: store.target("b"),
        lambda: store.target("a"),
        lambda: store.target("s", gone=True),
        lambda: store.stale({}, now),
        lambda: store.due({}, now),
        lambda: store.overview_now({}, now),
        lambda: store.known_targets(every=True),
        store.versions,
        lambda: store.states({}, now),
    ]
    return "\n".join(str(ask()) for ask in asked)


def test_no_answer_tells_a_team_of_others(store):
    everything = _seen(store)
    of_a, of_b = _seen(store.only(["team-a"])), _seen(store.only(["team-b"]))
    for other in (
        "registry.example/b:1",
        "registry.example/0-of-b",
        "team-b",
        "CVE-2025-2",
        "CVE-2025-4",
        "runs-b",
        "run-of-b",
    ):
        assert other in everything
        assert other not in of_a
        assert other in of_b
    for own in ("registry.example/a:1", "registry.example/s", "team-a", "CVE-2025-1", "CVE-2025-3", "runs-a", "run-2"):
        assert own in of_a
    for other in ("registry.example/a:1", "registry.example/s", "team-a", "runs-a"):
        assert other not in of_b


def test_counts_are_of_their_own(store):
    mine, all_ = store.only(["team-a"]), store
    assert [(each.run, each.targets) for each in all_.overview()] == [("run-2", 3), ("run-1", 3), ("run-of-b", 1)]
    assert [(each.run, each.targets) for each in mine.overview()] == [("run-2", 2), ("run-1", 2)]
    assert (all_.who_has("*").total, mine.who_has("*").total) == (4, 2)
    assert (all_.coverage().targets, mine.coverage().targets) == (3, 2)
    assert sum(each.targets for each in mine.states({}, day(4))) == 2


def _asked(store: Store, moment: datetime) -> None:
    """Questions that read from when to when something was found."""
    assert store.who_has("CVE-2025-1").total == 1
    assert [each.id for each in store.finding_history("CVE-2025-1")] == ["CVE-2025-1"]
    assert [row.finding.id for row in store.findings_now(Choice())[0]] == ["CVE-2025-1"]
    assert [row.id for row in store.differences(since=moment)] == ["CVE-2025-1"]
    view = store.target("moved")
    assert view is not None
    assert [each.finding.id for each in view.findings] == ["CVE-2025-1"]


def test_what_was_found_while_a_target_had_a_name_of_others_is_theirs_too(url, tmp_path):
    """By then a run told of it that had none of their names."""
    volume = Volume(tmp_path / "volume")
    for number, name in enumerate((_A, _B), 1):
        write_run(volume, f"run-{number}", day(number), {"moved/dependency": [finding(1)]}, names={"moved": [name]})
    with Store(url, patience=20) as store:
        store.take_in_all(volume)
        for owner in ("team-a", "team-b"):
            _asked(store.only([owner]), day(1.5))


def test_what_was_found_by_a_run_of_which_nothing_else_is_kept_is_seen(url, tmp_path):
    volume = Volume(tmp_path / "volume")
    for number in (1, 20, 30):
        write_run(volume, f"run-{number}", day(number), {"moved/dependency": [finding(1)]}, names={"moved": [_A]})
    with Store(url, patience=20) as store:
        store.take_in_all(volume)
        assert store.prune(15 * 86_400, day(31)).cells == 1
        _asked(store, day(25))
        _asked(store.only(["team-a"]), day(25))


def test_a_damaged_run_of_others_that_was_followed_is_no_reason_to_refuse(url, tmp_path):
    volume = Volume(tmp_path / "volume")
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]}, names={"a": [_A]})
    write_run(volume, "run-2", day(2), {"b/dependency": [finding(2)]}, names={"b": [_B]})
    (volume.results("run-2") / "merged.parquet").write_bytes(b"x")
    with Store(url, patience=20) as store:
        fill(store, volume)
        for one in (store, store.only(["team-a"])):
            with pytest.raises(NoResultsError, match="run-2"):
                one.who_has("*")
        write_run(volume, "run-3", day(3), {"b/dependency": [finding(2)]}, names={"b": [_B]})
        fill(store, volume)
        assert store.who_has("*").total == 2
        assert store.only(["team-a"]).who_has("*").total == 1
        assert store.only(["team-a"]).target("b") is None


def test_several_owners_see_what_each_sees_and_nobody_sees_nothing(store):
    assert len(store.only(["team-a", "team-b"]).known_targets()) == 3
    for nobody in ([], [""], ["team-c"], ["team"], ["TEAM-A"], ["team-a' OR '1'='1"], ["%"], ["*"], ["team-a\\"]):
        limited = store.only(nobody)
        assert limited.known_targets(every=True) == ()
        assert limited.target("a") is None
        assert limited.who_has("*").rows == ()


def test_whose_a_name_is_and_whose_all_names_of_a_repository_are(store):
    assert store.owners_of("registry.example/a:1") == {"team-a"}
    for unknown in (
        "registry.example/a",
        "registry.example/a:",
        "registry.example/A:1",
        "registry.example/%",
        "",
        "x" * 600,
    ):
        assert store.owners_of(unknown) == frozenset()
    assert store.owners_of("registry.example/a", within=True) == {"team-a"}
    assert store.owners_of("registry.example/s", within=True) == {"team-a"}
    for other in (
        "registry.example",
        "registry.example/",
        "registry.example/_",
        "registry.example/%",
        "registry.example/A",
    ):
        assert store.owners_of(other, within=True) == frozenset()


def test_what_is_limited_stays_so_and_the_others_are_not(store):
    mine = store.only(["team-a"])
    assert store.target("b") is not None
    assert mine.target("b") is None
    assert store.target("b") is not None
    assert mine.only(["team-b"]).target("b") is not None


def test_a_statement_of_any_form_is_limited(store):
    forms = [
        select(targets.c.target),
        select(targets.alias("other").c.target),
        select(select(targets).subquery().c.target),
        select(select(targets).cte("mine").c.target),
        select(targets.c.target).union(select(targets.alias().c.target)),
        text("SELECT target FROM targets"),
        text("  select target from targets"),
        text("WITH x AS (SELECT target FROM targets) SELECT target FROM x"),
        text("WITH RECURSIVE x AS (SELECT target FROM targets) SELECT target FROM x"),
        text("SELECT t.target FROM states JOIN targets t ON t.id = states.target_id"),
    ]
    with store.only(["team-a"])._reading() as connection:
        for form in forms:
            assert sorted(connection.execute(form).scalars()) == ["a", "s"], str(form)
        found = select(findings.c.fact_id).where(findings.c.state_id.in_(select(findings.c.state_id)))
        assert len(connection.execute(found).all()) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM targets",
        "UPDATE targets SET target = 'x'",
        "INSERT INTO tags (reference, platform) VALUES ('x', 'y')",
        "EXPLAIN SELECT * FROM targets",
        "SELECT * FROM events",
        "VALUES (1)",
    ],
)
def test_what_nobody_has_decided_is_refused(store, statement):
    with store.only(["team-a"])._reading() as connection, pytest.raises(scope.ScopeError):
        connection.execute(text(statement))


def test_it_is_only_read(url, store, tmp_path):
    mine = store.only(["team-a"])
    with pytest.raises(scope.ScopeError, match="only read"):
        mine.take_in_all(Volume(tmp_path / "volume"))
    with pytest.raises(scope.ScopeError, match="only read"):
        mine.prune(1)
    with AskedStore(url) as asked, pytest.raises(scope.ScopeError, match="only read"):
        asked.only(["team-a"]).backlog()


def test_nobody_is_more_owners_than_a_statement_takes(store):
    assert store.only(map(str, range(scope.MOST_OWNERS))).known_targets() == ()
    with pytest.raises(UsageError, match="more than 100"):
        store.only(map(str, range(scope.MOST_OWNERS + 1)))


def test_of_each_table_somebody_has_decided_who_may_see_it():
    assert backlog_tables, tag_cells
    # Events are filtered where they are sent: one of what was deleted is of no target any more. What came from outside
    # is read by nobody who sees some owners only. The queue is asked by its engine alone, about a run of which it has
    # the plan.
    of_engine = (queue_tables.queued_runs, queue_tables.queued_cells, queue_tables.queue_workers)
    tables = (inbox_tables.inbox, inbox_tables.outgoing_events, *of_engine)
    without = {"events", *(table.name for table in tables)}
    undecided = metadata.tables.keys() - scope._RULES.keys() - scope._EVERYBODYS - without
    assert undecided == set()
