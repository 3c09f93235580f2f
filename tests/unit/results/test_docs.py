"""`docs/results.md`, `docs/report-formats.md` and the code say the same of columns, dtypes, formats and files."""

import os
import re
from pathlib import Path

import pytest

from orchestrator.findings import formats, scanmatrix
from orchestrator.model import BomSource, FindingRow, Ledger, LedgerRow, MergedRow, Outcome
from orchestrator.model.documents import decode, encode
from orchestrator.results.tables.columns import columns_of, dtype_of
from orchestrator.results.tables.reading import ledger_frame, read_findings, read_merged
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import make_plan
from tests.golden import REFRESH

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE, FORMATS = (DOCS / "results.md").read_text(), (DOCS / "report-formats.md").read_text()
DTYPES = {"list of strings (Arrow)": "list<item: string>[pyarrow]", "ordered category": "category"}
HEADINGS = {
    "Findings: columns": FindingRow,
    "Merged findings: columns": MergedRow,
    "Ledger: columns": LedgerRow,
}
TABLE = re.compile(r"^\| column \|.*\n(?:\|.*\n)*", re.MULTILINE)


def _documented(heading):
    """Column to dtype of the table under a heading."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", section, re.MULTILINE)
    return {name: DTYPES.get(dtype, dtype) for name, dtype in rows}


def _dtype(column):
    dtype = dtype_of(column)
    return dtype if " (" in dtype or "category" in dtype else f"`{dtype}`"


def _table(row):
    """The table of a type's columns, out of its docstring; names of pages become links."""
    lines = ["| column | dtype | meaning |", "|---|---|---|"]
    for column in columns_of(row):
        doc = re.sub(r"\b[\w-]+\.md\b", r"[\g<0>](\g<0>)", column.doc.replace("|", "\\|"))
        lines.append(f"| `{column.name}` | {_dtype(column)} | {doc} |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("heading", HEADINGS)
def test_the_tables_of_columns_are_made_of_the_types(heading):
    path = DOCS / "results.md"
    before, title, rest = path.read_text().partition(f"## {heading}\n")
    made = before + title + TABLE.sub(lambda _: _table(HEADINGS[heading]), rest, count=1)
    if os.environ.get(REFRESH):
        path.write_text(made)
    assert path.read_text() == made, "make golden writes the table again"


@pytest.mark.parametrize("row", HEADINGS.values())
def test_every_column_says_what_it_means(row):
    assert [column.name for column in columns_of(row) if not column.doc] == []


def test_columns_of_findings(tmp_path):
    volume, plan = Volume(tmp_path), make_plan(targets=())
    aggregate(plan, volume)
    frame = read_findings(volume, plan.run)
    documented = _documented("Findings: columns")
    assert list(documented) == list(frame.columns)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == documented


def test_columns_of_merged_findings(tmp_path):
    volume, plan = Volume(tmp_path), make_plan(targets=())
    aggregate(plan, volume)
    frame = read_merged(volume, plan.run)
    documented = _documented("Merged findings: columns")
    assert list(documented) == list(frame.columns)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == documented


@pytest.mark.parametrize("count", [0, 2])
def test_columns_of_the_ledger(count):
    row = LedgerRow(
        cell="t/s", target="t", scan="s", references=("a",), outcome=Outcome.OK, started="2025-03-01T10:00:00Z"
    )
    frame = ledger_frame(Ledger(run="r", created="", finished="", rows=(row,) * count))
    documented = _documented("Ledger: columns")
    assert list(documented) == list(frame.columns)
    assert set(LedgerRow.__struct_fields__) - set(documented) == {"source"}  # whose own fields are columns
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == documented


def test_a_ledger_says_what_a_result_was_matched_from():
    fields = {"cell": "t/s", "target": "t", "scan": "s", "references": ("a",), "outcome": Outcome.OK}
    matched = LedgerRow(
        **fields, source=BomSource(bom="sha256:1", made="2025-03-01T10:00:00Z", cataloguer="syft 1.18.0")
    )
    ledger = Ledger(run="r", created="", finished="", rows=(LedgerRow(**fields), matched))
    assert decode(encode(ledger), Ledger, origin="it") == ledger
    assert b"source" not in encode(LedgerRow(**fields))  # as versions before wrote it, and read it
    frame = ledger_frame(ledger)
    assert frame["source_bom"].tolist() == ["", "sha256:1"]
    assert frame["source_cataloguer"].tolist() == ["", "syft 1.18.0"]
    assert frame["source_made"].isna().tolist() == [True, False]


def test_every_format_and_file_is_named(tmp_path):
    volume, plan = Volume(tmp_path), make_plan(targets=())
    aggregate(plan, volume)
    assert [path.name for path in volume.results(plan.run).iterdir() if f"`{path.name}`" not in PAGE] == []
    assert [name for name in formats() if f"| `{name}` |" not in FORMATS] == []


def test_the_example_of_the_own_format_is_one():
    example = re.search(r"```json\n(.*?)```", FORMATS, re.DOTALL)
    assert len(scanmatrix.parse(example[1].encode()).findings) == 1
