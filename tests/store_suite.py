"""What a store must do on every database: imported by the unit tests (SQLite) and by the integration tests (servers).

A module that imports it has a fixture `url`: of an empty database.
"""

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from threading import Thread

import msgspec
import pyarrow.parquet as pq
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from orchestrator.errors import UsageError
from orchestrator.model import BomSource, Distrust, Ledger, Name, Outcome, Severity
from orchestrator.model.documents import encode, read, spell_time
from orchestrator.queries import Store
from orchestrator.queries.choice import Choice
from orchestrator.results import NoResultsError, deletions
from orchestrator.store import DamagedRunError, SchemaError, Version, migration, writing
from orchestrator.store import cells as cells_module
from orchestrator.store.columns import metadata
from orchestrator.store.connection import make_engine, parse_url
from orchestrator.store.documents import Container, StoredWorkload
from orchestrator.store.past import StoreReader
from orchestrator.volume.layout import Volume, write_atomic
from tests.raw_store import write_raw_store
from tests.stored_runs import LOG4J, day, finding, rows_of, things_of, write_run

HOUR, WEEK = 3600, 7 * 86400


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "volume")


@pytest.fixture
def store(url):
    # Not at once: a server gives up the lock of an import that broke off only when it sees that its connection is gone.
    with Store(url, patience=20) as opened:
        yield opened


def test_the_same_run_twice_changes_nothing(url, volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1), finding(2), finding(1)], "b/dependency": "broke"})
    first = store.take_in(volume, "run-1")
    assert (first.cells, first.findings, first.opened, first.closed, first.known) == (2, 2, 2, 0, False)
    rows = rows_of(url)
    assert store.take_in(volume, "run-1").known
    (volume.results("run-1") / "ledger.json").touch()
    assert store.take_in(volume, "run-1").known
    found = store.take_in_all(volume)
    assert (found.runs, found.known, found.damaged) == ((), 1, {})
    assert rows_of(url) == rows


def test_findings_come_change_and_go(volume, store):
    worse = msgspec.structs.replace(finding(3), severity=Severity.CRITICAL)
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1), finding(2), finding(3)], "old/dependency": []})
    write_run(volume, "run-2", day(2), {"a/dependency": [finding(1), worse, finding(4)]})
    store.take_in_all(volume)
    found = store.changes(day(1.5))
    assert [(each.id, each.at) for each in found.new] == [("CVE-2025-4", day(2))]
    assert [(each.id, each.at) for each in found.fixed] == [("CVE-2025-2", day(2))]
    assert [(each.id, each.severity) for each in found.changed] == [("CVE-2025-3", Severity.CRITICAL)]
    assert found.still == 2
    assert [(each.target, each.last) for each in found.unscanned] == [("old", day(1))]
    everything = store.changes(day(0))
    assert (len(everything.new), everything.fixed, everything.still) == (3, (), 0)
    nothing = store.changes(day(3))
    assert (nothing.new, nothing.fixed, nothing.changed, nothing.still) == ((), (), (), 3)


def test_a_package_that_is_spelt_otherwise_is_no_other(volume, store):
    before = finding(1, purl="pkg:rpm/amazon/a@1%3A2?arch=x86_64", package="a", version="1:2")
    after = finding(1, purl="pkg:rpm/amzn/a@2?epoch=1", package="a", version="2")
    write_run(volume, "run-1", day(1), {"a/dependency": [before, finding(2)]})
    write_run(volume, "run-2", day(2), {"a/dependency": [after, finding(2)]})
    store.take_in_all(volume)
    found = store.changes(day(1.5))
    assert (found.new, found.fixed, found.changed, found.still) == ((), (), (), 2)


def _secrets(*places):
    return [finding(9, id="aws-key", kind="secret", package="", location="a.py", place=place) for place in places]


@pytest.mark.parametrize(
    ("before", "after", "numbers"),
    [
        (("line 3", "line 9"), ("line 3",), (0, 0, 1, 1)),
        (("line 3", "line 9"), ("line 3", "line 9", "line 12"), (0, 0, 1, 1)),
        (("line 3", "line 9"), ("line 4",), (0, 0, 1, 1)),
        (("line 3",), ("line 4",), (0, 0, 0, 1)),
        (("",), ("line 3", "line 9"), (0, 0, 1, 1)),
    ],
    ids=["one is gone", "a third came", "one is gone and one moved", "a line that moved", "one more than before"],
)
def test_some_of_several_places_come_and_go(volume, store, before, after, numbers):
    write_run(volume, "run-1", day(1), {"a/dependency": _secrets(*before)})
    write_run(volume, "run-2", day(2), {"a/dependency": _secrets(*after)})
    store.take_in_all(volume)
    found = store.changes(day(1.5))
    assert (len(found.new), len(found.fixed), len(found.changed), found.still) == numbers
    for change in found.changed:
        assert (change.count_before, change.count_after) == (len(before), len(after))
    [holder] = store.who_has("aws-key", limit=9).rows
    [there] = store.target("a").findings
    assert set(holder.finding.places) == set(there.finding.places) == set(after)


def test_a_run_of_a_version_that_did_not_merge_is_read(volume, store):
    by_two = {"a/dependency": [finding(1), finding(2)], "a/general": [finding(1)]}
    write_run(volume, "run-1", day(1), by_two, merged=False)
    path = volume.results("run-1") / "findings.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["place", "suppressed"]), path)
    write_run(volume, "run-2", day(2), by_two)
    found = store.take_in_all(volume).runs
    assert [each.run for each in found] == ["run-1", "run-2"]
    [holder] = store.who_has("CVE-2025-1").rows
    assert holder.finding.found_by == ("dependency", "general")
    changes = store.changes(day(1.5))
    assert (changes.new, changes.fixed, changes.still) == ((), (), 2)


def test_a_failed_cell_says_nothing_of_findings(volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    write_run(volume, "run-2", day(2), {"a/dependency": "out of memory"})
    write_run(volume, "run-3", day(3), {"a/dependency": "out of memory again"})
    write_run(volume, "run-4", day(4), {"a/dependency": "skipped: excluded"})
    store.take_in_all(volume)
    view = store.target("a")
    [state] = view.states
    assert (state.outcome, state.reason, state.failures, state.scanned) == (
        Outcome.FAILED,
        "out of memory again",
        2,
        day(1),
    )
    assert state.run == "run-4"
    assert [(each.finding.id, each.since, each.gone) for each in view.findings] == [("CVE-2025-1", day(1), None)]


def test_an_equal_report_writes_no_finding(url, volume, store):
    for number in (1, 2, 3):
        write_run(volume, f"run-{number}", day(number), {"a/dependency": [finding(1)]})
    found = store.take_in_all(volume).runs
    assert [(each.cells, each.findings, each.opened) for each in found] == [(1, 1, 1), (1, 0, 0), (1, 0, 0)]
    assert store.target("a").states[0].scanned == day(3)
    assert len(rows_of(url)["findings"]) == 1


def test_runs_in_another_order(tmp_path, volume, store, url):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    write_run(volume, "run-2", day(2), {"a/dependency": [finding(2)]}, components=7)
    write_run(volume, "run-3", day(3), {"a/dependency": [finding(1)]})
    for run in ("run-3", "run-1", "run-2"):
        store.take_in(volume, run)
    view = store.target("a", gone=True)
    assert [(each.finding.id, each.since, each.gone) for each in view.findings] == [
        ("CVE-2025-1", day(1), day(2)),
        ("CVE-2025-1", day(3), None),
        ("CVE-2025-2", day(2), day(3)),
    ]
    assert view.states[0].run == "run-3"
    assert rows_of(url)["boms"][0][2:4] == ("7", "runs/run-2/a/dependency/report.json")


def test_an_equal_report_that_comes_late(volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    write_run(volume, "run-2", day(2), {"a/dependency": [finding(1)]})
    write_run(volume, "run-3", day(3), {"a/dependency": "broke"})
    for run in ("run-1", "run-3", "run-2"):
        store.take_in(volume, run)
    view = store.target("a", gone=True)
    assert [(each.finding.id, each.since, each.gone) for each in view.findings] == [("CVE-2025-1", day(1), None)]
    assert (view.states[0].scanned, view.states[0].failures) == (day(2), 1)


def test_a_run_whose_results_were_made_again(volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1), finding(2)], "b/dependency": "broke"})
    write_run(volume, "run-2", day(2), {"a/dependency": [finding(2)]})
    store.take_in_all(volume)
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(2), finding(3)], "b/dependency": [finding(1)]})
    found = store.take_in_all(volume)
    assert [(each.run, each.cells) for each in found.runs] == [("run-1", 2)]
    assert [(each.finding.id, each.since, each.gone) for each in store.target("a", gone=True).findings] == [
        ("CVE-2025-2", day(1), None),
        ("CVE-2025-3", day(1), day(2)),
    ]
    [state] = store.target("b").states
    assert (state.outcome, state.failures, state.findings) == (Outcome.OK, 0, 1)


def test_cut_off_and_resumed(url, volume, store, monkeypatch):
    cells = {f"t{number}/dependency": [finding(number)] for number in range(5)}
    write_run(volume, "run-1", day(1), cells)
    write = cells_module.CellWriter.write
    calls = []

    def breaks(self, *given):
        calls.append(given)
        write(self, *given)
        if len(calls) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(writing, "CELLS_AT_ONCE", 1)
        patch.setattr(cells_module.CellWriter, "write", breaks)
        with pytest.raises(KeyboardInterrupt):
            store.take_in(volume, "run-1")
    rows = rows_of(url)
    assert (len(rows["cells"]), len(rows["findings"])) == (2, 2)  # the third was not committed
    found = store.take_in(volume, "run-1")
    assert (found.cells, found.opened) == (3, 3)
    assert len(rows_of(url)["cells"]) == 5


def _half(volume, run, monkeypatch, url, ask):
    """Import a run cell by cell, asking another store before each, and break off before the last."""
    look_ahead, cells = cells_module.CellWriter.look_ahead, []

    def asked(self, some):
        given = list(some)
        ask()
        cells.append(given)
        if len(cells) == 4:
            raise KeyboardInterrupt
        look_ahead(self, given)

    with monkeypatch.context() as patch, Store(url) as importing:
        patch.setattr(writing, "CELLS_AT_ONCE", 1)
        patch.setattr(cells_module.CellWriter, "look_ahead", asked)
        with pytest.raises(KeyboardInterrupt):
            importing.take_in(volume, run)


def _write_four(volume, number, *found):
    """A run of four cells with findings."""
    cells = dict(zip(("a/dependency", "a/general", "b/dependency", "c/dependency"), found, strict=True))
    write_run(volume, f"run-{number}", day(number), cells)


@pytest.mark.parametrize("late", [False, True], ids=["the newest run", "a run that comes late"])
def test_what_changed_is_answered_while_a_run_is_half_imported(url, volume, store, monkeypatch, late):
    _write_four(volume, 1, [finding(1), finding(2)], [finding(2)], [finding(3)], "broke")
    _write_four(volume, 2, [finding(1), finding(4)], [], [finding(3)], [finding(5)])
    _write_four(volume, 1.5 if late else 3, [finding(9)], [finding(9)], [], [finding(9)])
    for run in ("run-1", "run-2"):
        store.take_in(volume, run)

    def answers():
        return (
            [store.changes(day(moment)) for moment in (0, 1, 1.7, 2, 2.5, 4)],
            [store.differences(since=day(moment)) for moment in (0, 1, 1.7, 2, 4)],
            [store.differences(run) for run in (None, "run-1", "run-2")],
            [store.differences(between=[f"registry.example/{each}:1" for each in pair]) for pair in ("ab", "ca")],
            [
                (row.run, row.target, row.finding.found_by, row.finding.not_found_by)
                for number in range(1, 10)
                for row in store.who_has(f"CVE-2025-{number}").rows
            ],
            [store.earlier(run) for run in ("run-1", "run-2")],
            store.overview(),
        )

    before, asked = answers(), []
    _half(volume, "run-1.5" if late else "run-3", monkeypatch, url, lambda: asked.append(answers()))
    assert len(asked) == 4
    assert all(each == before for each in asked)
    assert answers() == before
    store.take_in_all(volume)
    assert (answers() == before) is False


def test_a_run_whose_results_are_made_again_is_not_seen_half(url, volume, store, monkeypatch):
    _write_four(volume, 1, [finding(1)], [], [], [])
    _write_four(volume, 2, [finding(1)], [finding(2)], [finding(3)], [finding(4)])
    store.take_in(volume, "run-1")
    before = store.changes(day(1.5)), [run.run for run in store.overview()]
    store.take_in(volume, "run-2")
    _write_four(volume, 2, [finding(6)], [finding(7)], [finding(8)], [finding(9)])
    asked = []
    _half(
        volume, "run-2", monkeypatch, url,
        lambda: asked.append((store.changes(day(1.5)), [run.run for run in store.overview()])),
    )  # fmt: skip
    assert asked == [before] * 4
    store.take_in_all(volume)
    assert [row.id for row in store.changes(day(1.5)).new] == [f"CVE-2025-{number}" for number in (6, 7, 8, 9)]


def test_a_question_sees_the_store_at_one_moment(url, volume, store, monkeypatch):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    write_run(volume, "run-2", day(2), {"a/dependency": [finding(1)]})
    write_run(volume, "run-3", day(1.5), {"a/dependency": [finding(2)]})
    for run in ("run-1", "run-2"):
        store.take_in(volume, run)
    before = store.differences(since=day(1))
    found = StoreReader.found

    def meanwhile(self, wanted, *given, **named):
        found(self, (), *given, **named)  # it has begun to read what was found
        with Store(url) as importing:
            importing.take_in(volume, "run-3")
        return found(self, wanted, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(StoreReader, "found", meanwhile)
        assert store.differences(since=day(1)) == before
    assert store.differences(since=day(1)) == before
    assert [row.status for row in store.differences(since=day(1.5))] == ["new", "fixed"]


def test_what_a_damaged_run_found_is_missing_although_some_of_its_cells_came_in(volume, store, monkeypatch):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    store.take_in(volume, "run-1")
    write_run(volume, "run-2", day(2), {"a/dependency": [finding(2)], "b/dependency": [finding(3)]})
    path = volume.results("run-2") / "merged.parquet"
    whole = pq.read_table(path)
    pq.write_table(whole.filter([True, False]), path)
    monkeypatch.setattr(writing, "CELLS_AT_ONCE", 1)
    [(run, why)] = store.take_in_all(volume).damaged.items()
    at = int(day(2).timestamp())
    store.miss(run, why, [("a", "dependency", at)])
    with pytest.raises(NoResultsError, match="run-2"):
        store.who_has("CVE-2025-1")


def test_who_has_it_by_any_name(volume, store):
    by_cve = finding(1, id="CVE-2021-44228", package="log4j", version="2")
    advisory = finding(2, id="ELSA-1", aliases=("CVE-2021-44228", "CVE-9"))
    other = finding(3, id="CVE-9")
    names = {
        "a": [Name(reference="a:1", owner="ann"), Name(reference="a:2", owner="bob")],
        "b": [Name(reference="b:1")],
    }
    names |= {target: [Name(reference=f"{target}:1")] for target in "cd"}
    cells = {"a/dependency": [LOG4J], "b/general": [by_cve], "c/general": [advisory], "d/general": [other]}
    write_run(volume, "run-1", day(1), cells, names=names)
    store.take_in_all(volume)
    for name in (
        "CVE-2021-44228",
        "ghsa-jfh8-c2jp-5v3q ",
        "cve-2021-4422?",
        "\u00a0cve-2021\u201144228\u200b",
        " \tGhsa-JFH8-c2jp-5V3Q\n",
    ):
        found = store.who_has(name)
        assert (found.total, [each.target for each in found.rows]) == (3, ["a", "b", "c"])
    first = found.rows[0]
    assert (first.references, first.owners) == (("a:1", "a:2"), ("ann", "bob"))
    one = first.finding
    assert (one.id, one.package, one.version, one.fixed_version) == ("CVE-2021-44228", "log4j-core", "2.14.1", "2.15.0")
    assert one.severity is Severity.CRITICAL
    assert [each.target for each in store.who_has("CVE-9").rows] == ["c", "d"]
    assert store.who_has("CVE-2021-44228", limit=1).total == 3
    assert store.who_has("CVE-1").rows == ()
    write_run(volume, "run-2", day(2), {**cells, "a/dependency": []}, names=names)
    store.take_in_all(volume)
    assert store.who_has("CVE-2021-44228").total == 2


def test_of_whom_nothing_is_known(volume, store):
    looks_for = {"dependency": frozenset({"vulnerability"}), "virus": frozenset({"malware"})}
    cells = {"a/dependency": [LOG4J], "b/dependency": "killed", "c/virus": [], "d/dependency": [], "e/dependency": []}
    write_run(volume, "run-1", day(1), cells)
    write_run(volume, "run-2", day(2), {**cells, "d/dependency": "killed", "f/virus": "skipped: no"})
    store.take_in_all(volume)
    found = store.coverage(("vulnerability",), looks_for=looks_for)
    assert (found.targets, found.covered) == (6, 3)  # a result from before the last attempt still counts
    assert {each.target: each.why for each in found.unknown} == {
        "b": "dependency failed: killed", "c": "never scanned for vulnerabilities",
        "f": "never scanned for vulnerabilities",
    }  # fmt: skip
    assert {each.target for each in store.coverage(("malware",), looks_for=looks_for).unknown} == set("abdef")
    assert {each.target for each in store.coverage().unknown} == set("bf")


def test_workloads(volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [LOG4J]})
    store.take_in_all(volume)
    web = StoredWorkload(
        cluster="c", namespace="n", kind="Deployment", name="web", owner="ann", contact="ann@example", max_lifetime=HOUR
    )
    web = msgspec.structs.replace(web, containers=(Container(name="main", target="a"), Container(name="x", target="?")))
    assert store.write_workloads([web], day(1)) == 1
    assert store.write_workloads([web], day(2)) == 1
    [use] = store.who_has(LOG4J.id).rows[0].uses
    assert (use.kind, use.name, use.container, use.owner, use.contact) == (
        "Deployment",
        "web",
        "main",
        "ann",
        "ann@example",
    )
    assert store.write_workloads([msgspec.structs.replace(web, name="db", containers=())], day(3)) == 0
    assert store.target("a").uses == ()


def test_what_was_read_is_read_again_once_another_process_has_written(url, volume, store):
    named = {"a": [Name(reference="a:1", owner="ann")]}
    write_run(volume, "run-1", day(1), {"a/dependency": [LOG4J], "a/general": "timed out"}, names=named)
    store.take_in_all(volume)
    with Store(url) as other:
        before = other.who_has(LOG4J.id)
        assert other.who_has(LOG4J.id) == before
        assert (before.rows[0].references, before.rows[0].owners, before.rows[0].uses) == (("a:1",), ("ann",), ())
        named = {"a": [Name(reference="a:1", owner="bob"), Name(reference="a:2", owner="bob")]}
        write_run(volume, "run-2", day(2), {"a/dependency": [LOG4J], "b/dependency": [LOG4J]}, names=named)
        store.take_in_all(volume)
        found = other.who_has(LOG4J.id)
        assert found == store.who_has(LOG4J.id)
        assert [(each.target, each.run) for each in found.rows] == [("a", "run-2"), ("b", "run-2")]
        assert (found.rows[0].references, found.rows[0].owners) == (("a:1", "a:2"), ("ann", "bob"))
        web = StoredWorkload(cluster="c", namespace="n", kind="Deployment", name="web", owner="", contact="")
        store.write_workloads([msgspec.structs.replace(web, containers=(Container(name="m", target="a"),))], day(3))
        assert [use.name for use in other.who_has(LOG4J.id).rows[0].uses] == ["web"]
        assert other.only(["ann"]).who_has(LOG4J.id).rows[0].owners == ("ann",)
        assert other.only(["bob"]).who_has(LOG4J.id).rows[0].owners == ("bob",)
        store.forget(["run-1", "run-2"])
        assert other.who_has(LOG4J.id).rows == ()


def _running(*namespaces: str, **labels: str) -> tuple[Name, ...]:
    run_by = {"cluster": "eu", "workload": "Deployment/app"} | labels
    return tuple(Name(reference="app:1", owner="team", labels=run_by | {"namespace": each}) for each in namespaces)


def test_every_label_set_of_one_reference_and_owner_stays(volume, store):
    names = {"a": _running("x", "y"), "b": _running("z"), "c": (Name(reference="plain:1"),)}
    write_run(volume, "run-1", day(1), dict.fromkeys(("a/sbom", "b/sbom", "c/sbom"), ()), names=names)
    store.take_in_all(volume)
    assert {target: store.target(target).names for target in names} == names
    assert store.target("a").references == ("app:1",)
    names = {"a": _running("y", "v"), "b": _running("z", maxLifetime="30d")}
    write_run(volume, "run-2", day(2), dict.fromkeys(("a/sbom", "b/sbom"), ()), names=names)
    store.take_in_all(volume)
    assert [name.labels["namespace"] for name in store.target("a").names] == ["v", "y"]
    assert store.target("b").names == names["b"]


def test_names_without_end_and_labels_without_end(volume, store):
    names = {"a": _running(*(f"{number:04}" for number in range(3000)), text="x" * 40)}
    names["b"] = (Name(reference="b:1", labels={"long": "é" * 90_000, "short": "kept"}),)
    write_run(volume, "run-1", day(1), {"a/sbom": (), "b/sbom": ()}, names=names)
    store.take_in_all(volume)
    assert store.target("a").names == names["a"]
    assert store.target("b").names == (Name(reference="b:1", labels={"short": "kept"}),)


def test_names_of_two_runs_are_the_same_in_either_order(url, volume, store):
    named = {"run-1": _running("x", "y"), "run-2": _running("y", "z"), "run-3": _running("w")}
    for number, (run, of) in enumerate(named.items()):
        write_run(volume, run, day(min(number, 1)), {"a/sbom": ()}, names={"a": of})
    found = []
    for order in permutations(named):
        with Store(url) as mine:
            for run in order:
                mine.take_in(volume, run)
        found.append(rows_of(url)["names"])
        engine = make_engine(parse_url(url))
        with engine.begin() as connection:
            metadata.drop_all(connection)
            connection.execute(text("DROP TABLE alembic_version"))
        engine.dispose()
    assert all(rows == found[0] for rows in found)
    assert len(found[0]) in {1, 2}


def test_names_of_the_version_before_become_one_for_each_set_of_labels(url, volume, store):
    sets = [{"cluster": "eu", "namespace": each, "workload": "Deployment/app"} for each in ("x", "y")]
    write_raw_store(url, volume, {"run-1": day(1)}, "a/sbom", [])
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        given = [(json.dumps(sets), "team"), (json.dumps(sets[0]), "other"), ("{", "cut")]
        for number, (labels, owner) in enumerate(given):
            row = {"reference": "app:1", "owner": owner, "labels": labels, "at": number}
            connection.execute(
                text(
                    "INSERT INTO names (target_id, reference, owner, labels, first_at, last_at)"
                    " VALUES (1, :reference, :owner, :labels, :at, 2000000000)"
                ),
                row,
            )
    engine.dispose()
    store.migrate()
    expected = {("cut", ""), ("other", "x"), ("team", "x"), ("team", "y")}
    before = store.target("a").names
    assert {(n.owner, n.labels.get("namespace", "")) for n in before if n.reference == "app:1"} == expected
    names = tuple(name for name in before if name.reference == "app:1")
    write_run(volume, "run-1", datetime.fromtimestamp(2_000_003_600, UTC), {"a/sbom": ()}, names={"a": names})
    digests = sorted(row[-1] for row in rows_of(url)["names"])
    store.take_in_all(volume)
    assert sorted(row[-1] for row in rows_of(url)["names"]) == digests  # the keys are those of today
    assert store.target("a").names == before


def test_names_of_a_run_whose_plan_is_gone_are_those_of_its_ledger(volume, store):
    names = {"a": _running("x", "y")}
    write_run(volume, "run-1", day(1), {"a/sbom": ()})
    path = volume.results("run-1") / "ledger.json"
    write_atomic(path, encode(msgspec.structs.replace(read(path, Ledger), names=names)))
    store.take_in_all(volume)
    assert store.target("a").names == names["a"]


def test_what_is_stale(volume, store):
    write_run(volume, "run-1", day(1), {"old/dependency": [], "bad/dependency": "broke", "old/virus": []})
    write_run(volume, "run-2", day(6), {"new/dependency": []}, versions=("2", "db"))
    store.take_in_all(volume)
    ages = {"dependency": WEEK, "default": 30 * 86400}

    def names(**options):
        return [(each.target, each.scan, each.why) for each in store.stale(now=day(9), **{"ages": ages, **options})]

    assert names() == [("bad", "dependency", "never"), ("old", "dependency", "old")]
    assert names(limit=1) == [("bad", "dependency", "never")]
    assert names(asked_since=day(5)) == []
    assert store.versions()["dependency"] == Version("2", "db")
    assert names(ages={"default": 30 * 86400}, versions=store.versions())[1:] == [("old", "dependency", "version")]
    assert len(names(ages={})) == 4
    assert store.stale(ages, day(9))[0].failures == 1


def test_what_is_due_which_targets_are_known_and_how_all_of_it_stands(volume, store):
    web, job = Name("registry.example/web:1", owner="shop"), Name("registry.example/job:1")
    cells = {"a/dependency": [finding(1)], "b/dependency": "broke"}
    write_run(volume, "run-1", day(1), cells, names={"a": [web], "b": [job]})
    write_run(volume, "run-2", day(2), {"c/dependency": [], "b/dependency": "broke"}, names={"c": [web], "b": [job]})
    store.take_in_all(volume)
    due, coverage = store.due({"default": HOUR}, day(3))
    assert [(one.target, one.owners, one.why, one.failures, one.due) for one in due] == [
        ("b", (), "never", 2, None),
        ("c", ("shop",), "old", 0, day(2) + timedelta(hours=1)),
    ]
    assert (coverage.targets, coverage.covered) == (2, 1)
    assert [(of.target, of.current) for of in store.known_targets(every=True)] == [
        ("b", True), ("a", False), ("c", True),
    ]  # fmt: skip
    assert store.targets_by_id(["a", "c", "unknown"]) == tuple(of for of in store.known_targets() if of.target == "c")
    found, _ = store.overview_now({"default": WEEK}, day(3))
    [scan] = found.scans
    assert (scan.targets, scan.fresh, scan.due, scan.failing, scan.oldest) == (2, 1, {"never": 1}, 1, day(2))
    assert (found.runs, found.latest, found.open) == (2, "run-2", {})


def test_findings_are_counted_again_of_those_targets_alone_whose_results_changed(url, volume, store, monkeypatch):
    read: list[int] = []
    found = StoreReader.found
    monkeypatch.setattr(
        StoreReader,
        "found",
        lambda self, wanted, *facts: (read.append(len(pairs := list(wanted))), found(self, pairs, *facts))[1],
    )

    def counted():
        read.clear()
        now, _ = store.overview_now({}, day(9))
        again = sum(read)
        with Store(url) as other:
            anew, _ = other.overview_now({}, day(9))
        assert (now.open, now.suppressed) == (anew.open, anew.suppressed)
        return sum(now.open.values()), again

    ran = {"a/dependency": [finding(1), finding(2)], "a/general": [finding(1)], "b/dependency": [finding(3)]}
    names = {"a": [Name("registry.example/a:1")], "b": [Name("registry.example/b:1")]}
    write_run(volume, "run-1", day(1), ran, names=names)
    store.take_in_all(volume)
    assert counted() == (3, 3)
    assert counted() == (3, 0)
    write_run(volume, "run-2", day(2), {**ran, "b/dependency": [finding(3), finding(4)]}, names=names)
    store.take_in_all(volume)
    assert counted() == (4, 1)  # of `a` the run says again what it was
    write_run(volume, "run-0", day(0), {"a/dependency": [finding(9)]}, names={"a": names["a"]})
    write_run(volume, "run-2", day(2), {**ran, "a/general": [finding(5)]}, names=names)  # once more, and otherwise
    store.take_in_all(volume)
    assert counted()[0] == 4
    write_run(volume, "run-3", day(3), {"b/dependency": []}, names={"b": names["b"]})
    store.take_in_all(volume)
    assert counted() == (0, 1)  # the name of `a` is gone
    store.forget(["run-2", "run-3"])
    assert counted()[0] == 3
    store.forget_results(["a"])
    assert counted()[0] == 1


def test_what_answers_another_question_is_stale(volume, store):
    write_run(volume, "run-1", day(1), {"older/dependency": []})
    for number, (target, question) in enumerate([("one", "b"), ("other", "d"), ("below", "a"), ("above", "z")]):
        write_run(volume, f"run-{number + 2}", day(2 + number / 10), {f"{target}/dependency": []}, asked=question)
    store.take_in_all(volume)

    def names(*questions, ages):
        found = store.stale(ages, day(3), questions={"dependency": questions} if questions else {})
        return {(each.target, each.why) for each in found}

    fresh = {"default": WEEK}
    assert names(ages=fresh) == names("b", "d", "a", "z", ages=fresh) == set()
    assert names("b", "d", ages=fresh) == {("below", "question"), ("above", "question")}
    assert names("b", ages=fresh) == {("below", "question"), ("above", "question"), ("other", "question")}
    assert ("one", "old") in names("c", ages={"default": 1})  # each is named once
    assert len(names("c", ages={"default": 1})) == 5


def test_the_whole_matrix_in_numbers(volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [], "b/dependency": "broke", "a/virus": "skipped: no"})
    write_run(volume, "run-2", day(5), {"c/dependency": []})
    store.take_in_all(volume)
    found = [
        (each.scan, each.outcome, each.freshness, each.targets) for each in store.states({"dependency": WEEK}, day(9))
    ]
    assert found == [
        ("dependency", Outcome.FAILED, "never", 1),
        ("dependency", Outcome.OK, "fresh", 1),
        ("dependency", Outcome.OK, "stale", 1),
        ("virus", Outcome.SKIPPED, "never", 1),
    ]


def test_retention(url, volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1), finding(2)], "gone/dependency": [finding(9)]})
    write_run(volume, "run-2", day(2), {"a/dependency": [finding(2)]})
    write_run(volume, "run-3", day(9), {"a/dependency": [finding(2)]})
    store.take_in_all(volume)
    pruned = store.prune(5 * 86400, day(10))
    assert (pruned.findings, pruned.cells, pruned.runs, pruned.states, pruned.targets) == (1, 2, 2, 1, 1)
    assert pruned.facts == 2
    rows = rows_of(url)
    assert (len(rows["cells"]), len(rows["findings"]), len(rows["runs"]), len(rows["targets"])) == (1, 1, 3, 1)
    assert [each.since for each in store.target("a").findings] == [day(1)]
    assert store.take_in_all(volume).known == 3
    assert rows_of(url) == rows
    assert store.prune(5 * 86400, day(10)).cells == 0


def test_a_run_that_is_half_imported_again_when_old_ones_are_deleted_is_imported_whole_later(
    volume, store, monkeypatch
):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    store.take_in_all(volume)
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1), finding(2)]})
    with monkeypatch.context() as patched:
        patched.setattr(writing, "summary_of", lambda *_: 1 / 0)  # just before it is whole
        with pytest.raises(ZeroDivisionError):
            store.take_in(volume, "run-1")
    assert store.overview() == ()
    store.prune(5 * 86400, day(10))
    store.take_in_all(volume)
    assert [each.open for each in store.overview()] == [{Severity.HIGH: 2}]


def test_how_a_target_stands_is_never_deleted(volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    write_run(volume, "run-2", day(8), {"a/dependency": "broke"})
    store.take_in_all(volume)
    assert store.prune(5 * 86400, day(10)).cells == 0
    assert store.target("a").states[0].scanned == day(1)


@pytest.mark.parametrize("name", ["ledger.json", "merged.parquet"])
@pytest.mark.parametrize("damage", ["cut off", "other bytes", "gone"])
def test_damaged_files_cost_their_own_run_only(name, damage, volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    write_run(volume, "run-2", day(2), {"b/dependency": [finding(2)]})
    path = volume.results("run-1") / name
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if damage == "cut off" else b"\x00" * len(data))
    if damage == "gone":
        path.unlink()
    found = store.take_in_all(volume)
    assert [each.run for each in found.runs] == ["run-2"]
    if (name, damage) == ("ledger.json", "gone"):
        assert found.damaged == {}
        with pytest.raises(NoResultsError, match="run-1"):
            store.take_in(volume, "run-1")
        return
    assert "run-1" in found.damaged["run-1"]
    assert name in found.damaged["run-1"]
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    assert [each.run for each in store.take_in_all(volume).runs] == ["run-1"]


def test_findings_that_are_not_the_ledgers(volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)], "b/dependency": [finding(2)]})
    write_run(volume, "run-2", day(1), {"a/dependency": [finding(1)], "b/dependency": [finding(2), finding(3)]})
    write_run(volume, "run-3", day(1), {"a/dependency": [finding(1)]})
    other = volume.results("run-2") / "merged.parquet"
    other.replace(volume.results("run-1") / "merged.parquet")
    (volume.results("run-3") / "merged.parquet").replace(other)
    with pytest.raises(DamagedRunError, match="of run run-2"):
        store.take_in(volume, "run-1")
    with pytest.raises(DamagedRunError, match="of run run-3"):
        store.take_in(volume, "run-2")
    table = pq.read_table(volume.results("run-1") / "merged.parquet")
    table = table.set_column(0, "run", [["run-1"] * len(table)])
    pq.write_table(table.filter([True, False, False]), volume.results("run-1") / "merged.parquet")
    with pytest.raises(DamagedRunError, match="lacks the findings of 1 cells, such as b/dependency"):
        store.take_in(volume, "run-1")


def test_a_newer_and_a_foreign_database(url, store, volume):
    store.migrate()
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for action in (store.migrate, lambda: store.take_in_all(volume), store.versions, lambda: store.prune(1)):
        write_run(volume, "run-1", day(1), {"a/dependency": []})
        with pytest.raises(SchemaError, match=r"revision 9999.*newer scanmatrix"):
            action()
    engine.dispose()


def test_a_first_migration_that_was_cut_off(url, store):
    store.migrate()
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version"))
        connection.execute(text("DROP TABLE boms"))
    before, after = store.migrate()
    assert (before, bool(after)) == ("", True)
    assert store.versions() == {}
    engine.dispose()


def test_an_empty_database_gets_the_tables_that_the_revisions_make(url, store):
    store.migrate()
    engine = make_engine(parse_url(url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        at_once = _described(connection)
        connection.rollback()
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        connection.commit()
        migration._upgrade(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert _described(connection) == at_once
    engine.dispose()


def _described(connection):
    """Every table as the database has it, whatever the order of its columns."""
    found = inspect(connection)
    return {
        name: {
            "columns": sorted(json.dumps(each, default=str, sort_keys=True) for each in found.get_columns(name)),
            "key": found.get_pk_constraint(name)["constrained_columns"],
            "indexes": sorted(json.dumps(each, default=str, sort_keys=True) for each in found.get_indexes(name)),
            "references": sorted(
                json.dumps(each, default=str, sort_keys=True) for each in found.get_foreign_keys(name)
            ),
            "unique": sorted(
                json.dumps(each, default=str, sort_keys=True) for each in found.get_unique_constraints(name)
            ),
            "options": sorted(found.get_table_options(name).items()),
        }
        for name in found.get_table_names()
    }


def test_tables_of_somebody_else(url, store):
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE targets (id INTEGER)"))
    with pytest.raises(SchemaError, match="a database of its own"):
        store.migrate()
    engine.dispose()


def test_an_empty_database_is_reported_when_asked(store):
    with pytest.raises(SchemaError, match=r"no tables yet; run `scanmatrix store migrate`"):
        store.versions()


def test_hostile_text(volume, store):
    nasty = finding(1, id="x\0y" * 300, title="\0" * 9000, package="é" * 9000, location="😀" * 5000)
    write_run(
        volume, "run-1", day(1), {"a/dependency": [nasty, finding(2, id="e"), finding(2, id="E"), finding(2, id="é")]}
    )
    assert store.take_in(volume, "run-1").opened == 4
    assert len(store.target("a").findings) == 4
    assert store.who_has("x\0y" * 300).total == 1
    assert store.target("\0") is None


def test_two_at_once(url, volume):
    for number in range(6):
        write_run(volume, f"run-{number}", day(number), {f"t{n}/dependency": [finding(n + number)] for n in range(4)})
    failed = []

    def work():
        try:
            with Store(url) as mine:
                mine.migrate()
                mine.take_in_all(volume)
        except Exception as error:  # noqa: BLE001 - told in the assertion
            failed.append(error)

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    rows = rows_of(url)
    assert (len(rows["cells"]), len(rows["runs"])) == (24, 6)


ODD = Distrust(reason="odd", scan="dependency", versions=("2",))


def _distrusting(volume, *rules):
    return Volume(volume.root, distrusted=rules)


def test_results_of_a_scanner_that_is_not_trusted_any_more_are_suspect(url, volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)], "b/dependency": []})
    write_run(volume, "run-2", day(2), {"c/dependency": [finding(1)], "c/virus": []}, versions=("2", "db"))
    store.take_in_all(volume)
    before = rows_of(url)
    store.take_in_all(_distrusting(volume, ODD))
    ages = {"default": WEEK}
    assert [(each.target, each.scan, each.why) for each in store.stale(ages, day(3))] == [
        ("c", "dependency", "suspect")
    ]
    counts = {(each.scan, each.freshness): each.targets for each in store.states(ages, day(3))}
    assert counts == {("dependency", "fresh"): 2, ("dependency", "suspect"): 1, ("virus", "fresh"): 1}
    holders = {each.target: each.suspect for each in store.who_has("CVE-2025-1").rows}
    assert holders == {"a": "", "c": "dependency: scanner distrusted: odd"}
    assert {state.scan: bool(state.suspect) for state in store.target("c").states} == {
        "dependency": True,
        "virus": False,
    }
    assert store.versions()["dependency"].scanner == "1"
    store.take_in_all(volume)  # somebody took it back
    after = rows_of(url)
    assert before.pop("scanner_rules")
    assert after.pop("scanner_rules")
    assert after == before


def test_a_period_marks_what_ran_in_it_whenever_it_is_imported(url, volume, store):
    for number in (1, 2, 3):
        write_run(volume, f"run-{number}", day(number), {f"{'abc'[number - 1]}/dependency": []}, versions=("2", "db"))
    moments = {"since": spell_time(day(1.5)), "until": spell_time(day(2.5))}
    rule = msgspec.structs.replace(ODD, **moments)
    for run in ("run-3", "run-1", "run-2"):
        store.take_in(_distrusting(volume, rule), run)
    assert [each.target for each in store.stale({"default": WEEK}, day(3)) if each.why == "suspect"] == ["b"]


def test_a_believed_result_takes_the_place_of_a_suspect_one(url, volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]}, versions=("2", "db"))
    doubting = _distrusting(volume, ODD)
    store.take_in_all(doubting)
    write_run(volume, "run-2", day(2), {"a/dependency": [finding(1)]}, versions=("1", "db"))
    store.take_in_all(doubting)
    assert store.stale({"default": WEEK}, day(3)) == ()
    assert store.target("a").states[0].suspect == ""


def test_the_versions_that_are_denied_by_this_program_are_suspect_without_any_rule(volume, store):
    write_run(volume, "run-1", day(1), {"a/general": []}, versions=("0.69.4", "db"))
    store.take_in_all(volume)
    assert store.stale({"default": WEEK}, day(2)) == ()  # what wrote it says that it is Grype
    ledger = read(volume.results("run-1") / "ledger.json", Ledger)
    rows = tuple(msgspec.structs.replace(row, scanner="trivy") for row in ledger.rows)
    write_atomic(volume.results("run-1") / "ledger.json", encode(msgspec.structs.replace(ledger, rows=rows)))
    store.take_in_all(volume)
    assert [each.why for each in store.stale({"default": WEEK}, day(2))] == ["suspect"]
    assert "CVE-2026-33634" in store.target("a").states[0].suspect


def test_one_image_two_reports_one_ignore_rule(volume, store):
    both = [finding(1, version="1"), finding(2, version="1")]
    write_run(volume, "run-1", day(1), {"a/dependency": both, "a/general": both}, ignored=["CVE-2025-1"])
    store.take_in_all(volume)
    [holder] = store.who_has("cve-2025-1").rows
    assert holder.finding.suppressed.status == "ignored"
    assert holder.finding.found_by == ("dependency", "general")
    found = store.changes(day(0))
    assert [(each.id, each.suppressed_after) for each in found.new] == [("CVE-2025-1", "ignored"), ("CVE-2025-2", "")]
    assert store.changes(day(1)).still == 2
    [summary] = store.overview()
    assert (summary.open, summary.suppressed) == ({Severity.HIGH: 1}, 1)


def test_what_is_ignored_since_is_no_other_finding_and_no_older(volume, store):
    cells = {"a/dependency": [finding(1)]}
    write_run(volume, "run-1", day(1), cells)
    write_run(volume, "run-2", day(2), cells, ignored=["CVE-2025-1"])
    store.take_in_all(volume)
    found = store.changes(day(1.5))
    assert [(each.suppressed_before, each.suppressed_after) for each in found.changed] == [("", "ignored")]
    assert (found.new, found.fixed, found.still) == ((), (), 1)


def test_a_name_counts_by_what_it_means_now(volume, store):
    names = {target: [Name(reference="app:latest")] for target in "ab"}
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)], "a/virus": [finding(2)]}, names=names)
    write_run(volume, "run-2", day(2), {"b/dependency": [finding(3)]}, names=names)
    store.take_in_all(volume)
    assert store.who_has("CVE-2025-1").rows == ()
    assert [each.target for each in store.who_has("CVE-2025-2").rows] == ["a"]  # virus has not seen the new image
    assert [each.target for each in store.who_has("CVE-2025-3").rows] == ["b"]


def test_what_a_result_was_matched_from_and_who_put_it(volume, store):
    source = BomSource(bom="sha256:1", made="2025-03-01T10:00:00Z", cataloguer="syft 1.18.0")
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)], "a/virus": [], "b/virus": []})
    path = volume.results("run-1") / "ledger.json"
    ledger = read(path, Ledger)
    told = {"a/dependency": {"source": source}, "a/virus": {"put_by": "team-b"}}
    rows = tuple(msgspec.structs.replace(row, **told.get(row.cell, {})) for row in ledger.rows)
    write_atomic(path, encode(msgspec.structs.replace(ledger, rows=rows)))
    store.take_in_all(volume)
    states = {(each, state.scan): state for each in "ab" for state in store.target(each).states}
    assert {key: (state.source, state.put_by) for key, state in states.items()} == {
        ("a", "dependency"): (source, ""),
        ("a", "virus"): (None, "team-b"),
        ("b", "virus"): (None, ""),
    }


def test_who_has_a_package_however_a_scanner_spells_it(volume, store):
    log4j = finding(1, purl="pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", package="log4j-core")
    write_run(volume, "run-1", day(1), {"a/dependency": [log4j, finding(2)], "b/dependency": [finding(2)]})
    store.take_in_all(volume)
    for pattern in ("log4j-core", "org.apache.logging.log4j:log4j-core", "pkg:maven/org.apache.logging.log4j/*"):
        assert [each.target for each in store.who_has(package=pattern).rows] == ["a"]
    for qualifiers, targets in [("type=jar", ["a"]), ("arch=amd64&os=linux", ["a"]), ("arch=armhf", [])]:
        copied = f"pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1?{qualifiers}"  # as reports write it
        assert [each.target for each in store.who_has(package=copied).rows] == targets
    assert [each.target for each in store.who_has("CVE-2025-2", package="p2").rows] == ["a", "b"]
    assert store.who_has("CVE-2025-2", package="log4j-core").total == 0
    with pytest.raises(UsageError):
        store.who_has()


def test_a_target_by_the_digest_of_its_index(volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)], "b/dependency": []})
    path = volume.results("run-1") / "ledger.json"
    ledger = read(path, Ledger)
    rows = tuple(msgspec.structs.replace(row, indexes=("sha256:index",)) for row in ledger.rows)
    write_atomic(path, encode(msgspec.structs.replace(ledger, rows=rows)))
    store.take_in_all(volume)
    assert store.targets("sha256:index") == ("a", "b")
    assert store.targets("sha256:a") == ("a",)
    assert store.who_has("CVE-2025-1").rows[0].indexes == ("sha256:index",)


def test_the_store_of_the_version_before_is_read_again_from_the_volume(url, volume, store):
    both = {"a/dependency": [finding(1)], "a/general": [finding(1)]}
    for number in (1, 2):
        write_run(volume, f"run-{number}", day(number), both, ignored=["CVE-2025-1"])
    write_raw_store(url, volume, {"run-1": day(1), "run-2": day(2)}, "a/dependency", ["CVE-2025-1", "CVE-2025-7"])
    store.migrate()
    assert store.who_has("CVE-2025-7").total == 1
    assert [each.run for each in store.take_in_all(volume).runs] == ["run-1", "run-2"]
    [holder] = store.who_has("CVE-2025-1").rows
    assert (holder.finding.suppressed.status, holder.finding.found_by) == ("ignored", ("dependency", "general"))
    assert store.who_has("CVE-2025-7").total == 0  # a row of a report that the volume has not
    assert store.target("a").states[0].scanned == day(2)
    rows = rows_of(url)
    assert store.take_in_all(volume).known == 2
    assert rows_of(url) == rows


def test_rows_of_a_run_that_is_gone_from_the_volume_stay(url, volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    write_raw_store(url, volume, {"run-1": day(1), "run-2": day(2)}, "a/dependency", ["CVE-2025-7"])
    store.migrate()
    store.take_in_all(volume)
    [holder] = store.who_has("CVE-2025-7").rows
    assert (holder.run, holder.references, holder.owners) == ("run-2", ("registry.example/a:1",), ("team",))
    assert [one.run for one in store.overview()] == ["run-2", "run-1"]
    write_run(volume, "run-3", day(3), {"a/dependency": [finding(1)]})
    store.take_in_all(volume)
    assert store.who_has("CVE-2025-7").total == 0
    assert [each.id for each in store.changes(day(2.5)).fixed] == ["CVE-2025-7"]


def test_a_scan_that_fails_for_a_day_changes_no_row(volume, store):
    cells = {"a/dependency": [finding(1)], "a/general": []}
    write_run(volume, "run-1", day(1), cells)
    write_run(volume, "run-2", day(2), cells | {"a/general": "broke"})
    write_run(volume, "run-3", day(3), cells)
    told = []
    for number in (1, 2, 3):
        taken = store.take_in(volume, f"run-{number}")
        told.append((taken.opened, taken.closed))
        [holder], [found] = store.who_has("CVE-2025-1").rows, store.target("a").findings
        scans = (("general",), ()) if number != 2 else ((), ("general",))
        assert (holder.finding.not_found_by, holder.finding.not_scanned_by) == scans
        assert (found.finding.not_found_by, found.finding.not_scanned_by) == scans
    assert told == [(1, 0), (0, 0), (0, 0)]
    assert store.changes(day(1.5)).changed == ()


@pytest.mark.parametrize("failed", [1, 12])
def test_who_could_not_look_is_said_whether_few_or_all_could_not(volume, store, failed):
    cells = {f"t{number}/dependency": [finding(number)] for number in range(12)}
    cells |= {f"t{number}/general": "broke" if number < failed else [] for number in range(12)}
    write_run(volume, "run-1", day(1), cells)
    store.take_in(volume, "run-1")
    said = []
    for number in (0, 11):
        [holder] = store.who_has(f"CVE-2025-{number}").rows
        said.append((holder.finding.not_found_by, holder.finding.not_scanned_by))
    assert said == [((), ("general",)), ((), ("general",)) if failed == 12 else (("general",), ())]


def test_what_is_asked_at_once_is_of_one_moment(url, volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    store.take_in_all(volume)
    write_run(volume, "run-2", day(2), {"b/dependency": [finding(1)]})
    with store.at_once():
        known = store.revision(), store.who_has("CVE-2025-1").total
        with Store(url) as other:
            other.take_in_all(volume)
            assert other.who_has("CVE-2025-1").total == 2
        assert (store.revision(), store.who_has("CVE-2025-1").total) == known
        assert store.only(["nobody"]).who_has("CVE-2025-1").total == 0
    assert store.who_has("CVE-2025-1").total == 2
    assert store.revision() != known[0]


def test_no_other_scan_looks_for_what_a_check_means(volume, store):
    cells = {"a/root-user": [finding(1, kind="check")], "a/image-lifetime": [finding(2, kind="check")]}
    write_run(volume, "run-1", day(1), cells)
    store.take_in(volume, "run-1")
    found = [each.finding for each in store.target("a").findings]
    assert [(each.found_by, each.not_found_by, each.not_scanned_by) for each in found] == [
        (("root-user",), (), ()), (("image-lifetime",), (), ()),
    ]  # fmt: skip


def test_what_is_still_there_is_counted_as_it_is_listed(volume, store):
    both = [finding(1), finding(2, version="1"), finding(2, version="2")]
    names = {"m1": [Name(reference="moved:1")], "m2": [Name(reference="moved:1")]}
    names["b"] = [Name(reference="b:1"), Name(reference="b:latest")]
    cells = {"a/dependency": both, "a/general": both[1:], "b/dependency": both, "c/dependency": both, "d/general": both}
    write_run(volume, "run-1", day(1), cells | {"m1/dependency": both}, names=names)
    later = {"a/dependency": both, "a/general": both[:1], "b/dependency": both, "c/dependency": "broke"}
    write_run(volume, "run-2", day(2), later | {"m2/dependency": both, "d/general": both}, names=names)
    store.take_in_all(volume)
    for moment in (0, 1, 1.5, 2):
        listed = store.differences(since=day(moment))
        there = [row for row in listed if row.status in ("still there", "changed")]
        found = store.changes(day(moment))
        assert found.still == len(there)
        assert list(found.changed) == [row for row in there if row.altered]
        assert store.differences(since=day(moment), still=False) == [
            row for row in listed if row.altered or row.status != "still there"
        ]
    assert store.changes(day(1)).still == 10  # 2 under each of five names


def test_how_many_things_a_target_has_is_kept_with_it(url, volume, store):
    both = [finding(1), finding(2, version="1"), finding(2, version="2")]
    write_raw_store(url, volume, {"run-0": day(0)}, "a/dependency", ["CVE-2025-7", "CVE-2025-8"])
    store.migrate()
    assert things_of(url) == ({"a": 2}, {"a": 2})
    write_run(volume, "run-1", day(1), {"a/general": both[:1], "b/dependency": both, "b/general": both[1:]})
    write_run(volume, "run-3", day(3), {"a/dependency": both, "b/general": [], "c/dependency": both[:1]})
    write_run(volume, "run-2", day(2), {"b/dependency": [finding(3)], "c/dependency": "broke"})
    for run, expected in (
        ("run-1", {"a": 3, "b": 2}),
        ("run-3", {"a": 2, "b": 2, "c": 1}),
        ("run-2", {"a": 2, "b": 1, "c": 1}),
    ):
        store.take_in(volume, run)
        assert things_of(url) == (expected, expected)
    write_run(volume, "run-2", day(2), {"c/dependency": "broke"})  # made again, without a cell
    store.take_in(volume, "run-2")
    assert things_of(url)[0] == things_of(url)[1] == {"a": 2, "b": 2, "c": 1}
    store.prune(0, day(2.5))
    kept, counted = things_of(url)
    assert kept == counted
    assert "b" in kept


def test_how_old_the_last_results_were_at_the_end_of_each_day(volume, store):
    """A failure makes none newer, and a target that no name means any more does not count."""
    gone = {"x/general": []}
    write_run(volume, "run-1", day(1.25), {"a/general": [], "b/general": [], **gone})
    write_run(volume, "run-2", day(3.25), {"a/general": [], "b/general": "broke", "b/virus": []})
    store.take_in_all(volume)
    ages = store.result_ages(day(4.5), 10)
    midnight = [day(n).replace(hour=0, minute=0) + timedelta(days=1) for n in (1, 2, 3)]
    assert [datetime.fromtimestamp(each.at, UTC) for each in ages] == [*midnight, day(4.5)]
    assert [each.results for each in ages] == [2, 2, 3, 3]
    since, renewed = (midnight[0] - day(1.25)).total_seconds(), (midnight[2] - day(3.25)).total_seconds()
    assert [each.age for each in ages[:3]] == [2 * since, 2 * (since + 86400), 2 * renewed + since + 2 * 86400]
    assert store.result_ages(day(4.5), 2) == ages[2:]
    assert store.result_ages(day(0), 10) == ()


def test_results_that_were_deleted_are_as_if_they_had_never_been(url, volume, store, tmp_path):
    """The store that lets go of them, and one that is filled of the volume after that, answer the same."""
    cells = {"a/dependency": [finding(1), finding(2)], "a/general": [finding(1)], "b/dependency": [finding(1)]}
    write_run(volume, "run-1", day(1), cells)
    write_run(volume, "run-2", day(2), {**cells, "a/dependency": [finding(2)], "c/dependency": [finding(9)]})
    write_run(volume, "run-of-it-alone", day(1.5), {"a/virus": []})
    store.take_in_all(volume)
    deletions.delete(volume, "a", by="me", image="", runs=(), now=day(2.5))
    assert store.forget_results(["a"]) == 3
    assert store.forget_results(["a", "never"]) == 0
    assert things_of(url) == ({"b": 1, "c": 1}, {"b": 1, "c": 1})
    with Store(f"sqlite:///{tmp_path / 'again.sqlite3'}") as again:
        again.take_in_all(volume)
        for ask in (
            lambda one: one.findings_now(Choice()),
            lambda one: one.who_has("*").rows,
            lambda one: one.known_targets(every=True),
            lambda one: one.differences("run-2"),
            lambda one: one.finding_history("CVE-2025-2"),
            lambda one: one.target("a"),
        ):
            assert ask(again) == ask(store)
    write_run(volume, "run-3", day(3), {"a/dependency": [finding(2)]})
    store.take_in_all(volume)
    assert [found.target for found in store.who_has("CVE-2025-2").rows] == ["a"]
    assert [span.first_run for span in store.finding_history("CVE-2025-2")] == ["run-3"]


def test_what_a_newer_version_wrote_of_a_finding_is_refused_with_what_to_do(url, volume, store):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    store.take_in_all(volume)
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE facts SET document = REPLACE(document, '{', '{\"new field\": 1, ')"))
    engine.dispose()
    with pytest.raises(SchemaError, match=r"new field.*upgrade this scanmatrix.*empty the database"):
        store.who_has("CVE-2025-1")
