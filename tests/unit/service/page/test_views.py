"""What pages show of what there is: the states of cells, searches, plots, and rows that are folded."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import CellState, CellStatus, MergedFinding, Outcome, RunStatus, Severity
from orchestrator.model.documents import spell_time
from orchestrator.queries.known_targets import KnownTarget
from orchestrator.results.overview import RunSummary
from orchestrator.service.page.rendering import fragment
from orchestrator.service.page.views import findings, matrix, plots, trends
from orchestrator.service.page.views import run as one_run
from orchestrator.service.page.views import target as one_target
from orchestrator.store.ages import AgeOfDay
from orchestrator.store.documents import FoundNow, ScanState, TargetView, Version

DAY = datetime(2026, 1, 1, tzinfo=UTC)


def state(scan="general", **fields):
    given = {"at": DAY, "outcome": Outcome.OK, "reason": "", "scanned": DAY, "failures": 0, "findings": 0}
    given |= {"run": "r1", "scanner": "grype", "version": Version("1", "db"), "report_digest": ""}
    return ScanState(scan=scan, **(given | fields))


@pytest.mark.parametrize(
    ("fields", "shown", "text"),
    [
        ({}, "clean", "0"),
        ({"findings": 1200}, "found", "1,200"),
        ({"outcome": Outcome.FAILED, "reason": "no room", "findings": 3}, "failed", "failed"),
        ({"outcome": Outcome.FAILED, "reason": "no room", "scanned": None}, "never", "failed"),
        ({"outcome": Outcome.SKIPPED, "reason": "excluded", "scanned": None}, "skipped", "skipped"),
        ({"outcome": None, "scanned": None}, "waiting", "…"),
        ({"suspect": "its scanner is not trusted"}, "suspect", "suspect"),
    ],
)
def test_a_cell_shows_how_its_scan_stands(fields, shown, text):
    cell = matrix.cell_of(state(**fields))
    assert (cell.state, cell.text) == (shown, text)
    assert fields.get("reason", "") in cell.tip
    assert matrix.cell_of(None).state == "absent"


def known(number, *states):
    return KnownTarget(
        f"t{number}", (f"registry.example/app-{number}:1",), (), "sha256:1", "linux/amd64", True, states=states
    )


def test_pages_of_the_matrix_have_every_target_once():
    targets = [known(number, state()) for number in range(7)]
    seen, after = [], 0
    while True:
        view = matrix.lay_out(targets, matrix.MatrixQuestion(), after, most=3)
        seen += [line.target for line in view.lines]
        after = view.after
        if not after:
            break
    assert seen == [of.target for of in targets]
    assert view.total == 7
    assert view.counts["clean"] == 7


@pytest.mark.parametrize(
    ("text", "is_id"),
    [
        ("CVE-2021-44228", True), (" cve-2021-44228 ", True), ("CVE-2021-*", True), ("GHSA-jfh8-c2jp-5v3q", True),
        ("RUSTSEC-2021-0001", True), ("GO-2022-0001", True), ("DLA-3000-1", True), ("RHSA-2024:1234", True),
        ("DEBIAN-CVE-2021-44228", True), ("log4j-core", False), ("python-2to3", False), ("pkg:maven/*", False),
        ("libssl3", False), ("gcc-12", False), ("*", False),
    ],
)  # fmt: skip
def test_one_field_takes_ids_and_packages(text, is_id):
    words = findings.read_search(text)
    assert bool(words.id) == is_id
    assert bool(words.package) != is_id


@given(st.text(max_size=200))
def test_any_text_is_searched_for_as_one_of_both(text):
    words = findings.read_search(text)
    assert (words.id or words.package) == text.strip()


@given(st.lists(st.lists(st.integers(0, 10**7), min_size=2, max_size=40), min_size=1, max_size=4))
def test_lines_stay_within_their_drawing(values):
    count = min(map(len, values))
    moments = [(DAY + timedelta(days=number)).isoformat() for number in range(count)]
    plot = plots.draw("Findings", moments, [plots.Series("x", "high", tuple(each[:count])) for each in values])
    assert plot is not None
    spots = [spot for line in plot.lines for spot in line.spots]
    assert len(spots) == count * len(values)
    assert all(0 <= spot.x <= plots.WIDTH and 0 <= spot.y <= plots.HEIGHT for spot in spots)


def test_coverage_that_was_not_counted_is_not_drawn_as_none():
    runs = [RunSummary(f"r{number}", spell_time(DAY + timedelta(days=number)), 2, {}, covered=covered)
            for number, covered in reversed(list(enumerate([None, 2, 1])))]  # fmt: skip
    [line] = next(plot for plot in trends.trends(runs) if plot.unit == "%").lines
    assert [spot.text[18:] for spot in line.spots] == ["100% covered", "50% covered"]


def test_a_target_s_history_counts_what_was_there_at_each_moment():
    def found(key, since, gone=None, severity=Severity.HIGH):
        finding = MergedFinding(target="t", key=key, kind="vulnerability", id=key, severity=severity)
        return FoundNow(finding, DAY + timedelta(days=since), None if gone is None else DAY + timedelta(days=gone))

    had = (found("a", 0), found("b", 0, gone=2), found("c", 2), found("d", 1, severity=Severity.LOW))
    view = TargetView("t", "", "", (), (), (state(),), had)
    shown = one_target.show(view, one_target.TargetQuestion())
    assert {line.name: [spot.text.split()[2] for spot in line.spots] for line in shown.history.lines} == {
        "high": ["2", "2", "2"],
        "low": ["0", "1", "1"],
    }
    assert [one.finding.id for one in shown.findings] == ["a", "c", "d"]
    assert shown.counts == {"high": 2, "low": 1}


def test_a_long_history_is_thinned_and_keeps_its_end():
    had = tuple(
        FoundNow(MergedFinding(target="t", key=str(n), kind="check", id=str(n)), DAY + timedelta(hours=n))
        for n in range(1000)
    )
    plot = one_target.show(TargetView("t", "", "", (), (), (), had), one_target.TargetQuestion()).history
    assert len(plot.lines[0].spots) <= 121
    assert plot.lines[0].last.text == "1,000"


def test_a_run_lists_what_is_not_ok_the_failed_cells_first():
    cells = [CellStatus(f"t{n}", "general", state=CellState.OK) for n in range(600)]
    cells += [CellStatus(f"w{n}", "general", state=CellState.WAITING) for n in range(600)]
    cells += [CellStatus("bad", "general", state=CellState.FAILED, message="no room")]
    view = one_run.of_status(RunStatus("r1", "running", cells=tuple(cells)))
    assert (view.cells[0].target, view.cells[0].why) == ("bad", "no room")
    assert len(view.cells) + view.left_out == 601
    assert (view.total, view.done, view.over) == (1201, 601, False)


def test_a_run_that_ended_before_any_cell_did_not_end_well():
    ended = RunStatus(run="r1", state="failed", cells=(), started="", finished="", message="no such image")
    shown = fragment("progress.html.j2", {"run": one_run.of_status(ended)})
    assert "no such image" in shown
    assert "Every cell ended ok" not in shown


def test_the_age_of_results_is_a_line_of_days_once_there_are_two():
    days = [AgeOfDay(86400, 2, 86400), AgeOfDay(2 * 86400, 2, 3 * 86400), AgeOfDay(3 * 86400, 4, 86400)]
    [line] = trends.age_line(days).lines
    assert [spot.text for spot in line.spots] == [
        "1970-01-02 00:00: 0.5 d old", "1970-01-03 00:00: 1.5 d old", "1970-01-04 00:00: 0.2 d old",
    ]  # fmt: skip
    assert trends.age_line(days[:1]) is trends.age_line([]) is None
