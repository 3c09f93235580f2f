"""A new field of a finding touches its parser, its type and its documentation, and is then in everything people get.

The field is added for real: to a copy of the sources, in which another interpreter makes a run.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import defstruct

from orchestrator.model import Document
from orchestrator.results.tables.columns import columns_of

ROOT = Path(__file__).resolve().parents[3]
#: New fields of every kind: type and default, what a scanner reports, and its columns in JSON and in CSV.
FIELDS = {
    "reach": ('str = ""', "by main", {"reach": "by main"}, "by main"),
    "depth": ("int = 0", 3, {"depth": 3}, "3"),
    "hops": ("int | None = None", 4, {"hops": 4}, "4"),
    "weight": ("float | None = None", 0.25, {"weight": 0.25}, "0.25"),
    "exact": ("bool = False", True, {"exact": True}, "true"),
    "live": ("bool | None = None", True, {"live": True}, "true"),
    "remark": ("str | None = None", "odd", {"remark": "odd"}, "odd"),
    "noted": ('Moment = ""', "2025-02-01T00:00:00Z", {"noted": "2025-02-01T00:00:00+00:00"}, "2025-02-01T00:00:00Z"),
    "told": (
        "datetime | None = None",
        "2025-02-03T04:05:06Z",
        {"told": "2025-02-03T04:05:06+00:00"},
        "2025-02-03T04:05:06+00:00",
    ),
    "worst": ("Severity = Severity.UNKNOWN", "low", {"worst": "low"}, "low"),
    "mood": ("Mood | None = None", "calm", {"mood": "calm"}, "calm"),
    "paths": ("tuple[str, ...] = ()", ["a", "b"], {"paths": ["a", "b"]}, "a;b"),
    "ports": ("tuple[int, ...] = ()", [80, 443], {"ports": ["80", "443"]}, "80;443"),
    "calls": ("tuple[Call, ...] = ()", [{"code": "f"}], {"calls": ['{"code":"f"}']}, '{""code"":""f""}'),
    "caller": ("Call | None = None", {"code": "g", "line": 7}, {"caller_code": "g", "caller_line": 7}, "7"),
    "callee": ("Call = Call()", {"line": 8}, {"callee_code": "", "callee_line": 8}, "8"),
}
TYPES = '''
from datetime import datetime


class Mood(StrEnum):
    """A word."""

    CALM = "calm"


class Call(Document, frozen=True, gc=False):
    """A call.

    Attributes:
        code: what calls.
        line: where.
    """

    code: str = ""
    line: int = 0


'''
DOCS = "".join(f"        {name}: what {name} is.\n" for name in FIELDS)
DECLARED = "".join(f"    {name}: {declared}\n" for name, (declared, *_) in FIELDS.items())
CHANGES = {
    "finding.py": [
        ("class Finding(Document", TYPES),
        ("        suppressed: what of the scanner's", DOCS),
        ("    # A scanner's own suppression", DECLARED),
    ],
    "merged.py": [
        ("MOST_PLACES = 100", "from datetime import datetime\nfrom orchestrator.model.finding import Call, Mood\n"),
        ("        rules: names of", DOCS),
        ("    rules: tuple", DECLARED),
    ],
}
SAID = {name: said for name, (_, said, *_) in FIELDS.items()}
COLUMNS = {column: value for _, _, columns, _ in FIELDS.values() for column, value in columns.items()}
SCRIPT = """
import io, json, sys
from contextlib import redirect_stdout
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from orchestrator.analysis.merge import CellFindings, merge
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.result_tables import print_findings
from orchestrator.config.loading import default_config
from orchestrator.exports import load
from orchestrator.findings import scanmatrix
from orchestrator.model import Finding, MergedRow, Outcome
from orchestrator.queries.store import Store
from orchestrator.results.coverage import Coverage
from orchestrator.results.tables.columns import columns_of
from orchestrator.results.tables.reading import read_findings_csv
from orchestrator.results.tables.writing import FindingsWriter
from tests.exports import make_row, put_run

root, said, names = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
config = default_config(environment={})
scan = {"format": "scanmatrix/1", "scanner": {"name": "odd"}}
scan["findings"] = [{"id": "CVE-2025-1", "kind": "vulnerability", "package": "p", **said},
                    {"id": "CVE-2025-2", "kind": "vulnerability", "package": "p"}]
found = scanmatrix.parse(json.dumps(scan).encode()).findings
with open(root / "raw.parquet", "wb") as parquet, open(root / "raw.csv", "wb") as csv:
    with FindingsWriter("run-1", parquet, csv) as writer:
        writer.add(make_row(), found, 0)
quiet = Finding(id="CVE-2025-1", kind="vulnerability", package="p")
cells = [CellFindings(name, Outcome.OK, frozenset({"vulnerability"}), each)
         for name, each in (("general", [quiet]), ("dependency", found))]
results = put_run(root / "volume", [make_row(), make_row(scan="dependency")], merge("app-1", cells))
exported = {name: Path(load(name).export(results, config, str(root / name))).read_text()
            for name in ("csv", "html", "sarif")}
printed = io.TextIOWrapper(io.BytesIO())
with redirect_stdout(printed):
    with results.open_merged() as rows:
        print_findings(list(rows), Coverage(1), OutputFormat.JSON)
with results.open_merged() as rows:
    typed, silent = [row.finding for row in rows]
assert [getattr(silent, name) for name in said] == [getattr(quiet, name) for name in said], silent
page = json.loads(exported["html"].split('id="data"', 1)[1].split(">", 1)[1].split("</script>", 1)[0])
with Store(f"sqlite:///{root}/store.sqlite") as store:
    store.migrate()
    store.take_in_all(results.volume)
    [held] = [row.finding for row in store.who_has("CVE-2025-1", 10).rows]
printed, _ = json.loads(printed.buffer.getvalue())["findings"]
plain = msgspec.to_builtins
as_found, frame = plain(found[0]), read_findings_csv(root / "raw.csv")
print(json.dumps({
    "fields": {name: [plain(getattr(each, name)) for each in (found[0], typed, held)] for name in said},
    "raw csv": (root / "raw.csv").read_text(),
    "csv": exported["csv"],
    "tables": [[pq.read_table(path)[name].to_pylist() for name in names]
               for path in (root / "raw.parquet", results.folder / "merged.parquet")],
    "frames": [str(frame[name].tolist()[0]) for name in names],
    "merged frames": [str(results.merged[name].tolist()[0]) for name in names],
    "html": {name: page["columns"][name]["values"][(page["columns"][name]["codes"] or [0])[0]] for name in names},
    "sarif": json.loads(exported["sarif"])["runs"][0]["results"][0]["properties"],
    "json": {name: printed[name] for name in names},
    "documentation": {each.name: each.doc for each in columns_of(MergedRow)},
}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    shutil.copytree(ROOT / "orchestrator", folder / "orchestrator", ignore=shutil.ignore_patterns("__pycache__"))
    for name, additions in CHANGES.items():
        path = folder / "orchestrator" / "model" / name
        source = path.read_text()
        for before, line in additions:
            at = source.rindex(before)
            source = source[:at] + line + source[at:]
        path.write_text(source)
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), json.dumps(SAID), json.dumps(list(COLUMNS))],
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("name", FIELDS)
def test_a_new_field_is_as_its_scanner_wrote_it_in_typed_rows_and_in_the_store(found, name):
    assert found["fields"][name] == [found["fields"][name][0]] * 3
    assert json.dumps(SAID[name])[1:-1].strip("{}") in json.dumps(found["fields"][name][0])


@pytest.mark.parametrize("where", ["json", "html"])
@pytest.mark.parametrize("column", COLUMNS)
def test_a_new_field_is_a_column(found, where, column):
    assert str(found[where][column]).replace("Z", "+00:00") == str(COLUMNS[column])


@pytest.mark.parametrize("column", COLUMNS)
def test_a_new_field_is_in_both_tables_and_their_frames(found, column):
    number = list(COLUMNS).index(column)
    raw, merged = (table[number] for table in found["tables"])
    assert raw == merged
    assert str(raw[0]).replace("Z", "+00:00") == str(COLUMNS[column])
    assert found["frames"][number] == found["merged frames"][number]


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("where", ["raw csv", "csv"])
def test_a_new_field_is_in_a_csv(found, where, name):
    header, row = found[where].splitlines()[:2]
    assert set(FIELDS[name][2]) <= set(header.replace('"', "").split(","))
    assert FIELDS[name][3] in row


@pytest.mark.parametrize("column", COLUMNS)
def test_a_new_field_is_a_property_in_sarif(found, column):
    key = re.sub(r"_(\w)", lambda each: each[1].upper(), column)
    assert str(found["sarif"].get(key, "")).replace("Z", "+00:00") == str(COLUMNS[column])


@pytest.mark.parametrize("column", COLUMNS)
def test_a_new_field_is_documented(found, column):
    assert found["documentation"][column] == (
        f"what {column} is" if column in FIELDS else {"code": "what calls", "line": "where"}[column.split("_")[1]]
    )


@pytest.mark.parametrize("hint", [bytes, dict[str, int] | None, tuple[str, ...] | None, int | str])
def test_what_no_column_is_made_of_is_refused_with_what_to_do(hint):
    kind = defstruct("Odd", [("odd", hint, None)], bases=(Document,), frozen=True)
    with pytest.raises(TypeError, match=r"odd.*give the field no column"):
        columns_of(kind)
