"""A question imports what its answer needs: pandas and pyarrow take half a second, and a typed row needs neither."""

import subprocess
import sys

from orchestrator.queries import Store
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, write_run

QUESTIONS = (
    "results list",
    "results who-has CVE-2025-1",
    "results who-has --package p1 --output json",
    "results diff",
    "results diff --all --output yaml",
    "results diff --since 2025-03-02T12:00:00+00:00",
    "results diff --between registry.example/a:1 registry.example/b:1",
    "store import",
    "results show",  # reads a table of the run: pyarrow, from here on
    "results show --output json",
)
CODE = """
import shlex, sys
from orchestrator.cli.app import app
heavy = {"numpy", "pandas", "pyarrow"}
for question in sys.argv[2:]:
    app([*shlex.split(question), "--config", sys.argv[1]], standalone_mode=False)
    if question.startswith("results show"):
        heavy.discard("pyarrow")
        heavy.discard("numpy")
    if loaded := heavy & sys.modules.keys():
        sys.exit(f"{question}: {sorted(loaded)}")
"""


def test_a_question_loads_neither_pandas_nor_pyarrow_where_typed_rows_serve(tmp_path):
    volume = Volume(tmp_path)
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)], "b/dependency": [finding(2)]})
    write_run(volume, "run-2", day(2), {"a/dependency": [finding(3)], "b/dependency": [finding(2)]})
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.take_in_all(volume)
    config = tmp_path / "scanmatrix.yaml"
    config.write_text(f"volume: {{path: '{tmp_path}'}}\n")
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(config), *QUESTIONS], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("CVE-2025-3") >= 3
