"""`docs/results.md`, `docs/report-formats.md` and the code say the same of columns, dtypes, formats and files."""

import re
from pathlib import Path

import pytest

from orchestrator.findings import formats, scanmatrix
from orchestrator.model import Ledger, LedgerRow, Outcome
from orchestrator.results.tables.reading import (
    FINDING_COLUMNS,
    MERGED_COLUMNS,
    ledger_frame,
    read_findings,
    read_merged,
)
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import make_plan

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE, FORMATS = (DOCS / "results.md").read_text(), (DOCS / "report-formats.md").read_text()
DTYPES = {
    "`str`": "str",
    "`float64`": "float64",
    "`int64`": "int64",
    "`Int64`": "Int64",
    "`datetime64[us, UTC]`": "datetime64[us, UTC]",
    "list of strings (Arrow)": "list<item: string>[pyarrow]",
    "`bool`": "bool",
    "category": "category",
    "ordered category": "category",
}


def _documented(heading):
    """Column to dtype of the table under a heading."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = {}
    for names, dtype in re.findall(r"^\| (`[^|]*`) \| ([^|]+) \|", section, re.MULTILINE):
        found |= dict.fromkeys(re.findall(r"`(\w+)`", names), DTYPES[dtype.strip()])
    return found


def test_columns_of_findings(tmp_path):
    volume, plan = Volume(tmp_path), make_plan(targets=())
    aggregate(plan, volume)
    frame = read_findings(volume, plan.run)
    documented = _documented("Findings: columns")
    assert list(documented) == list(FINDING_COLUMNS) == list(frame.columns)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == documented


def test_columns_of_merged_findings(tmp_path):
    volume, plan = Volume(tmp_path), make_plan(targets=())
    aggregate(plan, volume)
    frame = read_merged(volume, plan.run)
    documented = _documented("Merged findings: columns")
    assert list(documented) == list(MERGED_COLUMNS) == list(frame.columns)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == documented


@pytest.mark.parametrize("count", [0, 2])
def test_columns_of_the_ledger(count):
    row = LedgerRow(
        cell="t/s", target="t", scan="s", references=("a",), outcome=Outcome.OK, started="2025-03-01T10:00:00Z"
    )
    frame = ledger_frame(Ledger(run="r", created="", finished="", rows=(row,) * count))
    documented = _documented("Ledger: columns")
    assert set(documented) == set(frame.columns) == set(LedgerRow.__struct_fields__)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == documented


def test_every_format_and_file_is_named(tmp_path):
    volume, plan = Volume(tmp_path), make_plan(targets=())
    aggregate(plan, volume)
    assert [path.name for path in volume.results(plan.run).iterdir() if f"`{path.name}`" not in PAGE] == []
    assert [name for name in formats() if f"| `{name}` |" not in FORMATS] == []


def test_the_example_of_the_own_format_is_one():
    example = re.search(r"```json\n(.*?)```", FORMATS, re.DOTALL)
    assert len(scanmatrix.parse(example[1].encode()).findings) == 1
