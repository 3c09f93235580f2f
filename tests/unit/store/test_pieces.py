"""Rows of a run's findings are recognised before any finding is made of them."""

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Cvss, MergedFinding, Severity, Suppressed
from orchestrator.queries import Store
from orchestrator.results.tables.columns import columns_of, values_at
from orchestrator.results.tables.schema import schema_of
from orchestrator.store import DamagedRunError, found, writing
from orchestrator.store.connection import make_engine, parse_url
from orchestrator.store.facts import APART, Facts
from orchestrator.store.pieces import MergedPiece, digest_of
from orchestrator.store.schema import states
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, rows_of, write_run

# Few letters, among them those that stand between values, so that texts of two rows are often nearly the same.
TEXTS = st.text("a1:=\0é", max_size=4)
SCANS = st.sampled_from(["general", "dependency"])
FINDINGS = st.builds(
    MergedFinding,
    target=st.sampled_from(["t1", "t2"]),
    key=TEXTS,
    kind=TEXTS,
    id=TEXTS,
    aliases=st.lists(TEXTS, max_size=3).map(tuple),
    severities=st.dictionaries(SCANS, st.sampled_from(Severity), max_size=1),
    cvss=st.none() | st.builds(Cvss, score=st.sampled_from([0.0, 1.0]), version=TEXTS),
    epss=st.none() | st.just(0.5),
    kev=st.booleans(),
    title=TEXTS,
    locations=st.lists(TEXTS, max_size=3).map(tuple),
    count=st.integers(1, 2),
    found_by=st.lists(SCANS, max_size=2, unique=True).map(tuple),
    not_found_by=st.lists(SCANS, max_size=1).map(tuple),
    first_seen=st.sampled_from(["", "2025-03-01T10:00:00Z"]),
    suppressed=st.none() | st.builds(Suppressed, by=st.just("rule"), reason=TEXTS, status=st.just("ignored")),
)


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "volume")


@pytest.fixture
def store(tmp_path):
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as opened:
        yield opened


def _piece(rows):
    columns = {column.name: values_at(rows, column) for column in columns_of(MergedFinding)}
    return MergedPiece(pa.table(columns, schema=schema_of(MergedFinding)))


def _said(one):
    nothing = {name: MergedFinding("", "", "", "").__getattribute__(name) for name in APART}
    return msgspec.json.encode(msgspec.structs.replace(one, **nothing))


@given(st.lists(FINDINGS, min_size=2, max_size=6))
def test_rows_have_one_key_exactly_where_they_say_the_same(rows):
    keys = _piece(rows).keys
    for key, one in zip(keys, rows, strict=True):
        assert [key == each for each in keys] == [_said(one) == _said(each) for each in rows]


@given(st.lists(FINDINGS, min_size=1, max_size=6), st.data())
def test_a_target_has_the_same_digest_wherever_pieces_end(rows, data):
    rows = [msgspec.structs.replace(row, target="t") for row in rows]
    end = data.draw(st.integers(0, len(rows)))
    parts = [part for some in (rows[:end], rows[end:]) for _, part in _piece(some).targets()]
    [(target, whole)] = _piece(rows).targets()
    assert (target, digest_of(parts)) == ("t", digest_of([whole]))
    later = [msgspec.structs.replace(rows[0], first_seen="2025-03-02T10:00:00Z"), *rows[1:]]
    assert digest_of([_piece(later).targets()[0][1]]) != digest_of([whole])


def test_one_finding_less_makes_its_own_target_news_only(volume, store, monkeypatch):
    monkeypatch.setattr(found, "_PIECE", 3)  # the rows of b lie in other pieces a day later
    made = []
    monkeypatch.setattr(MergedPiece, "facts", _counted(MergedPiece.facts, made))
    many = [finding(number) for number in range(5)]
    write_run(volume, "run-1", day(1), {"a/dependency": many[:2], "b/dependency": many, "c/dependency": many[:2]})
    assert store.take_in(volume, "run-1").opened == 9
    assert len(made) == 5  # what several targets have is made once
    made.clear()
    write_run(volume, "run-2", day(2), {"a/dependency": many[:1], "b/dependency": many, "c/dependency": many[:2]})
    taken = store.take_in(volume, "run-2")
    assert (taken.cells, taken.findings, taken.opened, taken.closed) == (3, 1, 0, 1)
    assert len(made) == 1


def _counted(facts, made):
    def counted(self, rows):
        made.extend(rows)
        return facts(self, rows)

    return counted


def test_rows_that_another_version_recognised_otherwise_change_nothing(tmp_path, volume, store):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    cells = {"a/dependency": [finding(1), finding(2)]}
    write_run(volume, "run-1", day(1), cells)
    store.take_in(volume, "run-1")
    before = rows_of(url)
    engine = make_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(states.update().values(rows_digest="of another version"))
    engine.dispose()
    write_run(volume, "run-2", day(2), cells)
    taken = store.take_in(volume, "run-2")
    assert (taken.findings, taken.opened, taken.closed) == (2, 0, 0)
    after = rows_of(url)
    assert (after["findings"], after["facts"]) == (before["findings"], before["facts"])


@pytest.mark.parametrize(
    ("column", "value"), [("severities", ["dependency=banana"]), ("counts", ["dependency=two"])], ids=["word", "count"]
)
def test_a_value_that_is_none_of_its_kind_damages_the_run(volume, store, column, value):
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    path = volume.results("run-1") / "merged.parquet"
    table = pq.read_table(path)
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array([value])), path)
    with pytest.raises(DamagedRunError, match="run-1"):
        store.take_in(volume, "run-1")


def test_few_row_groups_wait_for_one_transaction(volume, store, monkeypatch):
    monkeypatch.setattr(found, "_PIECE", 2)
    monkeypatch.setattr(writing, "ROWS_AT_ONCE", 6)
    cells = {f"t{number:02}/dependency": [finding(number), finding(number + 1)] for number in range(20)}
    write_run(volume, "run-1", day(1), cells)
    store.take_in(volume, "run-1")
    waited = []
    ids = Facts.ids

    def counted(self, parts):
        waited.append(len({piece for of_cell in parts for piece, _ in of_cell}))
        return ids(self, parts)

    monkeypatch.setattr(Facts, "ids", counted)
    # Made again, with one other finding in every second target: between those that wait lie many that do not.
    changed = {cell: some[:1] if int(cell[1:3]) % 2 else some for cell, some in cells.items()}
    write_run(volume, "run-1", day(1), changed)
    assert store.take_in(volume, "run-1").findings == 10
    assert max(waited) <= 3
