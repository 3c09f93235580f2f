"""A hostile name in every field that strangers write, through everything that shows it."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import yaml

from orchestrator.cli.app import app
from orchestrator.cli.progress import Lines
from orchestrator.config.loading import default_config
from orchestrator.engines.local.engine import LocalEngine
from orchestrator.findings.scanmatrix import encode_report
from orchestrator.inventory import Entry
from orchestrator.kit.text import read_csv_cell, visible
from orchestrator.model import Finding, Ledger, Plan, Severity
from orchestrator.model.documents import encode, read
from orchestrator.volume.layout import Volume
from tests.integration.engine import scan
from tests.planned import plan_here
from tests.tools import layouts, samples

if TYPE_CHECKING:
    from pathlib import Path

# Controls of C0 and C1, a hyperlink (OSC 8), bidi, zero width, separators, mark-up, a formula after `;`.
EVIL = (
    "e\x1b[31m\x1b]8;;https://evil.example\x1b\\v\x00\x07\x9bi\u202el\u2066\u200b\u2028\u061c\r\n|`*[x](https://evil.example)"
    "<script>@everyone;=cmd|' /C calc'!A0\t"
)
HONEST = "图像 é🐳"


def is_clean(text: str) -> bool:
    """Nothing is hidden but our own line breaks."""
    return not [each for each in text if each != "\n" and unicodedata.category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    """A run over an archive with a hostile name, whose scanner reports hostile findings; and its configuration."""
    folder = tmp_path_factory.mktemp("hostile")
    name = EVIL.replace("/", "_").replace("\x00", "")
    path = layouts.write_archive(folder / f"{name}.tar", samples.small())
    config = default_config(environment={}, volume={"path": str(folder / "data")})
    (folder / "scanmatrix.yaml").write_text(yaml.safe_dump({"volume": {"path": str(folder / "data")}}))
    finding = Finding(
        id=f"CVE-2026-1{EVIL}", kind="vulnerability", severity=Severity.HIGH, title=f"{HONEST}{EVIL}",
        package=f"=p{EVIL}", version=EVIL, location=f"/{EVIL}", fixed_version=EVIL,
        aliases=("CVE-2026-1", EVIL, f"+{EVIL}"),
    )  # fmt: skip
    report = encode_report("fake", EVIL, [finding])
    scans = [
        scan("fake", f"open(report, 'wb').write({report!r})"),
        scan("fails", f"sys.stderr.write({EVIL!r} * 3); exit(4)"),
    ]
    entry = Entry(reference=str(path), owner=f"o{EVIL}", labels={f"l{EVIL}": EVIL}, scans=("fake", "fails"), local=True)
    gone = Entry(reference=f"registry.example/{EVIL}", owner=f"-{EVIL}", scans=("fake",))
    catalog = {each.name: each for each in scans}
    plan = plan_here(config, [entry, gone], catalog, run="r1", now=datetime.now(UTC), offline=True)
    LocalEngine(Volume(folder / "data"), runner="process").run(plan, Lines())
    return folder, plan


COMMANDS = [
    ["status", "r1"],
    ["status"],
    ["results", "list"],
    ["results", "show", "r1"],
    ["results", "diff", "r1", "--all"],
    ["results", "who-has", "CVE-2026-1"],
    ["results", "show", "r1", "--output", "json"],
    ["results", "show", "r1", "--output", "yaml"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(visible(each)[:12] for each in command))
def test_commands(command: list[str], finished: tuple[Path, Plan], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    folder, _ = finished
    app([*command, "--config", str(folder / "scanmatrix.yaml")], standalone_mode=False)
    out, err = capfdbinary.readouterr()
    assert out
    assert is_clean(out.decode())
    assert is_clean(err.decode())
    if "show" in command or "who-has" in command:
        assert HONEST in out.decode() or "yaml" in command
        assert r"\u202e" in out.decode() or r"\u202E" in out.decode()
    if "json" in command:
        assert json.loads(out)["findings"][0]["title"] == read_title(folder)
    if "yaml" in command:
        assert yaml.safe_load(out)["findings"][0]["title"] == read_title(folder)


def read_title(folder: Path) -> str:
    import pyarrow.parquet  # noqa: PLC0415 - heavy

    return pyarrow.parquet.read_table(folder / "data/results/r1/merged.parquet")["title"][0].as_py()


def test_the_plan(finished: tuple[Path, Plan], capsys: pytest.CaptureFixture[str]) -> None:
    from orchestrator.cli.ledger_tables import print_ledger  # noqa: PLC0415 - heavy
    from orchestrator.cli.plan_tables import print_plan  # noqa: PLC0415 - heavy

    folder, plan = finished
    print_plan(plan)
    for every in (False, True):
        print_ledger(read(folder / "data/results/r1/ledger.json", Ledger), every=every)
    out = capsys.readouterr().out
    assert is_clean(out)
    # A line break in a name begins no row.
    assert not any(line.lstrip().startswith(("|", "`")) for line in out.splitlines())


def test_lines_of_progress(finished: tuple[Path, Plan], capsys: pytest.CaptureFixture[str]) -> None:
    _, plan = finished
    lines = Lines()
    lines.plan_started(plan)
    lines.pull_finished(plan.targets[0], EVIL)
    err = capsys.readouterr().err
    assert is_clean(err)
    assert len(err.splitlines()) == 2


def test_the_files_of_a_run(finished: tuple[Path, Plan]) -> None:
    folder = finished[0] / "data/results/r1"
    summary = (folder / "summary.md").read_text()
    assert is_clean(summary)
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", summary)
    for mark_up in ("<script>", "](", "@everyone", "://evil", "`"):
        assert mark_up not in bare
    columns = {line.count("|") for line in bare.splitlines() if line.startswith("| ") and "/" in line}
    assert len(columns) <= 3  # of three tables: no bar of a name ends a cell
    for name in ("findings.csv", "merged.csv"):
        with (folder / name).open(newline="") as file:
            rows = list(csv.reader(file))
        assert len(rows) == 2  # a line break in a cell begins no row
        for cell in rows[1]:
            assert is_clean(cell.replace("\n", "\x00"))
            assert not any(re.match('[ "]*[=+\\-@\t\r]', element) for element in cell.split(";"))
    title = dict(zip(rows[0], rows[1], strict=True))["title"]
    assert HONEST in title
    assert read_csv_cell(title) == read_title(finished[0])


def test_files_for_programs_are_exact(finished: tuple[Path, Plan]) -> None:
    folder, plan = finished
    assert read(folder / "data/plans/r1.json", Plan) == plan
    assert json.loads(encode(plan))["targets"][1]["names"][0]["reference"] == f"registry.example/{EVIL}"


def test_the_html_report_shows_nothing_hidden_outside_of_its_data(finished: tuple[Path, Plan]) -> None:
    page = (finished[0] / "data/results/r1/report.html").read_text()
    shown = re.sub(r'<script type="application/json".*?</script>', "", page, flags=re.DOTALL)
    shown = re.sub(r'data-[a-z]+="[^"]*"', "", shown)
    assert is_clean(shown)
    assert "<script>@everyone" not in page
