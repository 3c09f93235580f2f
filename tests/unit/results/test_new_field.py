"""A new field of a finding touches its parser, its type and its documentation, and is then in everything people get.

The field is added for real: to a copy of the sources, in which another interpreter makes a run.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CHANGES = {
    "finding.py": [
        ("        suppressed: what of the scanner's", "        reach: which code reaches it.\n"),
        ("    # A scanner's own suppression", '    reach: str = ""\n'),
    ],
    "merged.py": [
        ("        rules: names of", "        reach: which code reaches it.\n"),
        ("    rules: tuple", '    reach: str = ""\n'),
    ],
}
SCRIPT = """
import io, json, sys
from contextlib import redirect_stdout
from pathlib import Path

import pyarrow.parquet as pq

from orchestrator.analysis.merge import CellFindings, merge
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.result_tables import print_frame
from orchestrator.config.loading import default_config
from orchestrator.exports import load
from orchestrator.findings import scanmatrix
from orchestrator.model import Finding, MergedRow, Outcome
from orchestrator.queries.store import Store
from orchestrator.results.tables.columns import columns_of
from orchestrator.results.tables.writing import FindingsWriter
from tests.exports import make_row, put_run

root = Path(sys.argv[1])
config = default_config(environment={})
scan = {"format": "scanmatrix/1", "scanner": {"name": "odd"}}
scan["findings"] = [{"id": "CVE-2025-1", "kind": "vulnerability", "package": "p", "reach": "by main"}]
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
    print_frame(results.merged, OutputFormat.JSON)
with results.open_merged() as rows:
    typed = [row.finding.reach for row in rows]
page = exported["html"].split('id="data"', 1)[1].split(">", 1)[1].split("</script>", 1)[0]
with Store(f"sqlite:///{root}/store.sqlite") as store:
    store.migrate()
    store.take_in_all(results.volume)
    held = store.who_has("CVE-2025-1", 10).rows
print(json.dumps({
    "store": [row.finding.reach for row in held],
    "raw table": pq.read_table(root / "raw.parquet")["reach"].to_pylist(),
    "raw csv": ["by main"] * (root / "raw.csv").read_text().count("by main"),
    "table": pq.read_table(results.folder / "merged.parquet")["reach"].to_pylist(),
    "typed rows": typed,
    "frame": results.merged["reach"].tolist(),
    "csv": ["by main"] * exported["csv"].count("by main"),
    "html": json.loads(page)["columns"]["reach"]["values"],
    "sarif": [each["properties"]["reach"] for each in json.loads(exported["sarif"])["runs"][0]["results"]],
    "json": [each["reach"] for each in json.loads(printed.buffer.getvalue())],
    "documentation": [each.doc for each in columns_of(MergedRow) if each.name == "reach"],
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
        [sys.executable, "-c", SCRIPT, str(folder)],
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize(
    "where", ["raw table", "raw csv", "table", "typed rows", "frame", "csv", "html", "sarif", "json", "store"]
)
def test_a_new_field_is_there(found, where):
    assert found[where] == ["by main"]


def test_a_new_field_is_documented(found):
    assert found["documentation"] == ["which code reaches it"]
