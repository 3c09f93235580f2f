"""Typed rows come back out of a run's tables as they went in, whichever version wrote them, group by group."""

import msgspec
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.model import Cvss, FindingRow, LedgerRow, MergedFinding, MergedRow, Severity, Suppressed
from orchestrator.results.errors import NoResultsError
from orchestrator.results.tables import writing
from orchestrator.results.tables.columns import columns_of, names_of
from orchestrator.results.tables.rows import open_merged
from orchestrator.results.tables.schema import schema_of
from tests.examples import examples
from tests.exports import RUN, make_finding, make_row, put_run, suppressed

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
SCAN = st.text("abc-", min_size=1, max_size=5)
FINDING = st.builds(
    MergedFinding,
    target=st.sampled_from(["app-1", "app-2"]),
    key=TEXT,
    kind=TEXT,
    id=TEXT,
    aliases=TEXTS,
    severity=st.sampled_from(Severity),
    severities=st.dictionaries(SCAN, st.sampled_from(Severity), max_size=3),
    cvss=st.none() | st.builds(Cvss, score=st.floats(0, 10), version=TEXT, vector=TEXT),
    epss=st.none() | st.floats(0, 1),
    kev=st.booleans(),
    locations=TEXTS,
    count=st.integers(1, 1000),
    counts=st.dictionaries(SCAN, st.integers(1, 1000), max_size=3),
    found_by=TEXTS,
    first_seen=st.sampled_from(["", "2025-02-01T00:00:00Z"]),
    suppressed=st.none() | st.builds(Suppressed, status=st.just("ignored"), by=TEXT, reason=TEXT, justification=TEXT),
    rules=TEXTS,
)
ROWS = [make_row("app-1"), make_row("app-2")]


def read(results):
    with results.open_merged() as rows:
        return list(rows)


@settings(max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(FINDING, max_size=8), group=st.integers(1, 3))
def test_they_come_back_as_they_were(tmp_path_factory, monkeypatch, found, group):
    monkeypatch.setattr(writing, "_ROWS", group)
    results = put_run(tmp_path_factory.mktemp("volume"), ROWS, found)
    rows = read(results)
    by_target = sorted(found, key=lambda finding: finding.target, reverse=True)  # as `put_run` writes them
    assert [row.finding for row in rows] == by_target
    for row in rows:
        ledger = next(each for each in ROWS if each.target == row.target)
        assert row.run == RUN
        names = ("references", "owners", "digest", "indexes", "platform")
        assert [getattr(row, name) for name in names] == [getattr(ledger, name) for name in names]
    with results.open_merged() as merged:
        of = merged.by_target()
        for target in ("app-1", "app-2", "app-3"):
            assert of(target) == [row for row in rows if row.target == target]
        assert list(merged.where(pc.field("suppressed") == "")) == [row for row in rows if not row.finding.suppressed]


def test_columns_that_a_version_did_not_have_are_as_their_type_says(tmp_path):
    results = put_run(tmp_path, findings=[make_finding(count=3, counts={"general": 3}, kev=True, aliases=("a",))])
    path = results.folder / "merged.parquet"
    lacking = ["count", "counts", "kev", "aliases", "severity", "indexes", "places", "justification"]
    pq.write_table(pq.read_table(path).drop_columns(lacking), path)
    [row] = read(results)
    expected = make_finding()
    unset = {name: getattr(expected, name) for name in ("count", "counts", "kev", "aliases")}
    assert row.finding == msgspec.structs.replace(expected, **unset, severity=Severity.UNKNOWN)
    assert results.merged["count"].tolist() == [1]
    assert results.merged["severity"].tolist() == ["unknown"]


def test_all_columns_null_are_as_their_type_says(tmp_path):
    results = put_run(tmp_path)
    path = results.folder / "merged.parquet"
    schema = schema_of(MergedRow)
    pq.write_table(schema.empty_table().from_pylist([dict.fromkeys(schema.names)], schema=schema), path)
    [row] = read(results)
    assert row.finding == MergedFinding(target="", key="", kind="", id="")


@pytest.mark.parametrize("change", [{"severity": "awful"}, {"counts": ["general=some"]}])
def test_a_value_that_is_none_is_damage(tmp_path, change):
    results = put_run(tmp_path)
    path = results.folder / "merged.parquet"
    table = pq.read_table(path)
    pq.write_table(table.from_pylist([table.to_pylist()[0] | change], schema=table.schema), path)
    with pytest.raises(NoResultsError, match="damaged"):
        read(results)


def test_only_what_no_believed_scan_found_is_suspect(tmp_path):
    found = [make_finding(number=1, found_by=("general",)), make_finding(number=2), make_finding(number=3, found_by=())]
    results = put_run(tmp_path, findings=found)
    with open_merged(results.folder / "merged.parquet", {("app-1", "general"): "odd"}) as rows:
        assert [row.suspect for row in rows] == ["general: odd", "", ""]
        assert [table["suspect"].to_pylist() for table in rows.tables(["id", "suspect"])] == [["general: odd", "", ""]]


@pytest.mark.parametrize("row", [FindingRow, MergedRow, LedgerRow])
def test_every_field_is_a_column(row):
    names = names_of(row)
    assert len(set(names)) == len(names)
    own = {field.name for field in msgspec.structs.fields(row)}
    missing = own - {column.path[0] for column in columns_of(row)}
    assert missing == set()


def test_what_suppresses_is_columns_of_its_own(tmp_path):
    [row] = read(put_run(tmp_path, findings=[make_finding(suppressed=suppressed())]))
    assert row.finding.suppressed == suppressed()
    names = [name for name in names_of(MergedRow) if name.startswith("suppressed_") or name == "suppressed"]
    assert names == ["suppressed_in", "suppressed", "suppressed_by", "suppressed_reason", "suppressed_until"]
