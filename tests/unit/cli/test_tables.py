"""Tables for people: what fits 80 columns and what does not, and the same plain text in every pipe."""

import io
from contextlib import redirect_stdout

import pytest
from rich.cells import cell_len
from rich.text import Text

from orchestrator.cli import tables
from orchestrator.cli.ledger_tables import print_ledger
from orchestrator.cli.plan_tables import print_plan
from orchestrator.cli.result_tables import print_merged
from orchestrator.cli.shortening import shorten
from orchestrator.cli.tables import WIDE, Fit, TableColumn, print_table
from orchestrator.model import (
    Cell,
    Decision,
    Ledger,
    LedgerRow,
    MergedFinding,
    MergedRow,
    Name,
    Outcome,
    Plan,
    Scan,
    Severity,
    Target,
)  # fmt: skip

LONG = "registry.example/platform/payments/ledger-api:2026.11.28-abc1234"
IDS = ["CVE-2021-44228", "GHSA-jfh8-c2jp-5v3q", "SNYK-JAVA-ORGAPACHELOGGINGLOG4J-2314720"]
SCANS = ["general", "dependency", "virus", "secrets", "sbom", "image-lifetime", "root-user", "distroless", "size"]


class Screen(io.StringIO):
    """What a terminal shows."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        return [Text.from_ansi(line).plain.rstrip() for line in self.getvalue().splitlines()]


@pytest.fixture
def terminal(monkeypatch):
    """Shows in a terminal of 80 columns what a call prints."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")

    def show(call, *arguments, **named):
        with redirect_stdout(Screen()) as screen:
            call(*arguments, **named)
        return screen

    return show


@pytest.fixture(autouse=True)
def _narrow():
    token = WIDE.set(False)
    yield
    WIDE.reset(token)


def finding(id_: str, severity: str = "critical") -> MergedRow:
    found = MergedFinding(
        target="t", key=id_, kind="vulnerability", id=id_, severity=Severity(severity),
        package="org.apache.logging.log4j:log4j-core", version="2.14.1", fixed_version="2.15.0", title="t" * 60,
        found_by=("general", "dependency"),
    )  # fmt: skip
    return MergedRow(
        run="r", target="t", references=(LONG,), owners=("team",), digest="", indexes=(), platform="", finding=found
    )


@pytest.mark.parametrize("id_", IDS)
def test_an_id_and_a_tag_are_whole_in_80_columns(id_, terminal):
    shown = terminal(print_merged, [finding(id_)], "Findings", most=9, suppressed=False)
    assert max(map(cell_len, shown.lines())) <= 80
    (row,) = (line for line in shown.lines() if id_ in line)
    assert row.startswith("critical ")
    assert "2.15.0" in row
    assert row.endswith("1234")
    assert "--wide shows also: " in shown.getvalue()


@pytest.mark.parametrize("length", range(20, 90, 3))
def test_columns_that_are_left_out_make_no_table_wider(length, terminal):
    columns = [TableColumn("Id"), TableColumn("Version", rank=1), TableColumn("Target", Fit.MIDDLE)]
    columns += [TableColumn("Owner", Fit.CUT, 2), TableColumn("Others", Fit.NUMBER, 2)]
    shown = terminal(print_table, "Findings", columns, [["i" * 40, "", "t" * length, "", "+1"]])
    assert 40 < max(map(cell_len, shown.lines())) <= 80


def test_a_column_that_says_nothing_makes_room_for_an_id_that_is_never_broken(terminal):
    columns = [TableColumn("Severity"), TableColumn("Id"), TableColumn("Package", Fit.MIDDLE)]
    columns += [
        TableColumn("Fixed in", Fit.MIDDLE),
        TableColumn("Target", Fit.MIDDLE),
        TableColumn("Suppressed", Fit.FOLD),
    ]
    row = ["critical", "Scanmatrix.Test.EICAR.File.UNOFFICIAL", "/srv/upload/eicar.com", "", LONG, "ignored by a rule"]
    shown = terminal(print_table, "Findings", columns, [row])
    assert max(map(cell_len, shown.lines())) <= 80
    assert row[1] in shown.getvalue()
    assert "Fixed in" not in shown.getvalue()
    assert "Fixed in" in terminal(print_table, "", columns, [["low", "CVE-2025-1", "a", "", "b", ""]]).getvalue()
    assert "Fixed in" in terminal(print_table, "", columns, []).getvalue()


def test_wide_shows_every_column_in_full(terminal):
    WIDE.set(True)
    shown = terminal(print_merged, [finding(IDS[0])], "Findings", most=9, suppressed=False)
    (row,) = (line for line in shown.lines() if IDS[0] in line)
    assert all(words in row for words in (LONG, "log4j:log4j-core", "2.14.1", "team", "general, dependency", "t" * 60))


def test_severities_have_colours_but_not_where_nobody_wants_them(terminal, monkeypatch):
    shown = terminal(print_merged, [finding(IDS[0])], "Findings", most=9, suppressed=False)
    assert "\x1b[1;31mcritical" in shown.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    shown = terminal(print_merged, [finding(IDS[0])], "Findings", most=9, suppressed=False)
    assert "critical" in shown.getvalue()
    assert "\x1b" not in shown.getvalue()


@pytest.mark.parametrize("columns", ["20", "80", "300"])
def test_a_pipe_gets_the_same_plain_text_whatever_the_terminal_is(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    print_table("T", [TableColumn("Name", Fit.MIDDLE), TableColumn("N", Fit.NUMBER)], [[[LONG, "b"], "1"], ["c", "10"]])
    width = len(LONG) + 3
    assert capsys.readouterr().out == f"T\n{'Name':{width}}   N\n{LONG}, b   1\n{'c':{width}}  10\n"


def test_an_id_without_end_makes_no_table_without_end(terminal):
    shown = terminal(print_merged, [finding("x" * 5000), finding(IDS[0])], "Findings", most=9, suppressed=False)
    assert any(IDS[0] in line for line in shown.lines())
    assert max(map(cell_len, shown.lines())) <= 130


@pytest.mark.parametrize("width", range(1, 70))
@pytest.mark.parametrize("name", [LONG, f"{LONG}@sha256:{'a' * 64}", "https://git.example/a/b#x", "图像/应用/图:1"])
def test_a_shortened_name_fits_and_keeps_its_end(name, width):
    short = shorten(name, width)
    assert cell_len(short) <= width
    if name == LONG and width >= 33:
        assert short.endswith("/ledger-api:2026.11.28-abc1234")
    if "@" in name and width >= 35:
        assert ":2026.11.28-abc1234@" in short


def plan(scans: list[str], decisions: dict[str, tuple[Decision, str]]) -> Plan:
    targets = tuple(Target(id=name, names=(Name(reference=name),), digest="d") for name in ("a:1", LONG))
    cells = tuple(
        Cell(target.id, scan, *decisions.get(scan, (Decision.RUN, ""))) for target in targets for scan in scans
    )
    made = tuple(Scan(name=scan, image="x", command=("x",), format="sarif") for scan in scans)
    return Plan(run="r1", created="", version="", scans=made, targets=targets, cells=cells)


@pytest.mark.parametrize("count", [2, 9])
def test_the_matrix_has_a_letter_a_cell_and_each_reason_once_below(count, terminal):
    shown = terminal(print_plan, plan(SCANS[:count], {"dependency": (Decision.SKIP, "it is fresh")})).lines()
    assert max(map(cell_len, shown)) <= 80
    (row,) = (line for line in shown if line.startswith("a:1"))
    assert row.split()[1:] == ["x", "s", *["x"] * (count - 2)]
    assert "x runs, s skipped" in shown
    assert "".join(shown).count("it is fresh") == 1
    assert any(line.split()[:2] == ["s", "2"] for line in shown)
    assert all(scan in "".join(shown) for scan in SCANS[:count])


def row(number: int, outcome: Outcome = Outcome.OK, **more: str) -> LedgerRow:
    return LedgerRow(
        cell=f"{number}/virus", target=str(number), scan="virus", references=(f"app:{number}",), outcome=outcome, **more
    )


def test_a_ledger_is_folded_to_what_is_not_ok(capsys):
    failed = [row(number, Outcome.FAILED, reason="it crashed") for number in range(20, 29)]
    rows = (row(1), *failed, row(2, suspect="a bad scanner"), row(3, note="database stale"))
    ledger = Ledger(run="r1", created="", finished="", rows=rows)
    print_ledger(ledger)
    out = capsys.readouterr().out
    assert "app:1" not in out
    assert out.count("it crashed") == 1
    assert "app:20, app:21, app:22, app:23, app:24 and 4 more" in out
    assert all(words in out for words in ("a bad scanner", "app:2", "database stale"))
    assert out.splitlines()[-1] == "Run r1: 2 of 12 cells ok, 9 failed, 1 suspect; --all lists every cell"
    print_ledger(ledger, every=True)
    out = capsys.readouterr().out
    assert all(f"app:{number}" in out for number in range(20, 29))
    assert [line.split()[2] for line in out.splitlines() if line.startswith("app:1 ")] == ["ok"]


def test_a_ledger_that_is_all_ok_is_one_line(capsys):
    print_ledger(Ledger(run="r1", created="", finished="", rows=(row(1),)))
    assert capsys.readouterr().out == "Run r1: 1 of 1 cells ok; --all lists every cell\n"


def test_the_words_of_a_table_are_not_coloured_outside_of_their_column(terminal):
    shown = terminal(print_table, "", [TableColumn("Package")], [["critical"]])
    assert "31mcritical" not in shown.getvalue()
    assert tables.style_of("critical")
