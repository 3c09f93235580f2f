"""The HTML report in a real Chromium: it opens in silence and offline, filters, sorts, prints, and runs no markup."""

import re
from collections.abc import Iterator

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from orchestrator.exports.html import export
from orchestrator.kit.text import visible
from orchestrator.model import Severity
from orchestrator.results.run import RunResults
from orchestrator.volume.layout import Volume
from tests.results_of_runs import make_found, make_ledger, make_row, put_demo, put_results
from tests.tools.browser import start_chromium

HOSTILE = ("<img src=x onerror=alert(1)>", "</script><script>alert(2)</script>")
ROWS = "#body tr:not(.gap)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_chromium() as started:
        yield started


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> RunResults:
    results = put_demo(Volume(tmp_path_factory.mktemp("demo")), targets=40, findings=3000, runs=4)
    export(results, None)
    return results


@pytest.fixture
def page(browser) -> Iterator[Page]:
    """A page that may say nothing on its console, ask for nothing but itself, and open no dialog."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, offline=True)
    page = context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: trouble.append(request.url) if not request.is_navigation_request() else None)
    yield page
    context.close()
    assert trouble == []


@pytest.fixture
def opened(page, demo) -> Page:
    return show(page, demo)


def show(page: Page, results: RunResults) -> Page:
    page.goto((results.folder / "report.html").as_uri())
    return page


def count(page: Page) -> int:
    """How many findings match, as the page says."""
    return int(page.locator("#status").inner_text().split()[0].replace(",", ""))


def column(page: Page, number: int) -> list[str]:
    return page.locator(f"{ROWS} td:nth-child({number})").all_inner_texts()


def in_sight(demo: RunResults) -> pd.DataFrame:
    frame = demo.merged
    return frame[frame.suppressed == ""]


def test_opens_with_its_table_drawn_and_only_what_is_in_sight_in_the_document(opened, demo) -> None:
    assert demo.run in opened.title()
    assert count(opened) == len(in_sight(demo)) > 1000
    assert 10 < opened.locator(ROWS).count() < 100
    assert set(column(opened, 1)) == {"critical"}


def test_text_narrows_the_rows(opened, demo) -> None:
    opened.fill("#text", "LOG4J  fraud")
    frame = in_sight(demo)
    expected = frame[frame.package.str.contains("log4j") & frame.target.str.contains("fraud")]
    assert count(opened) == len(expected) > 0
    assert all("log4j" in package for package in column(opened, 3))
    opened.fill("#text", "nothing is called so")
    assert (count(opened), opened.locator(ROWS).count()) == (0, 0)


def test_every_choice_narrows_the_rows(opened, demo) -> None:
    frame = in_sight(demo)
    by_scan = frame.found_by.map(lambda scans: "secrets" in scans)
    for choice, value, expected in (
        ("#kind", "check", frame.kind == "check"),
        ("#scan", "secrets", by_scan),
        ("#owner", "payments", frame.owners.map(lambda owners: "payments" in owners)),
        ("#owner", "(nobody)", frame.owners.map(len) == 0),
        ("#fix", "no", frame.fixed_version == ""),
        ("#rule", "no-old-criticals", frame.rules.map(lambda rules: "no-old-criticals" in rules)),
    ):
        opened.select_option(choice, value)
        assert count(opened) == expected.sum() > 0, choice
        opened.click("button[type=reset]")
        expect(opened.locator("#status")).to_contain_text(f"{len(frame):,} of")
    opened.check("input[value=critical]")
    opened.check("input[value=low]")
    opened.select_option("#fix", "yes")
    expected = frame[frame.severity.isin(["critical", "low"]) & (frame.fixed_version != "")]
    assert count(opened) == len(expected) > 0


def test_suppressed_findings_are_shown_when_asked_for(opened, demo) -> None:
    opened.select_option("#hidden", "yes")
    assert count(opened) == (demo.merged.suppressed != "").sum() > 0
    opened.select_option("#hidden", "")
    assert count(opened) == len(demo.merged)


def test_filters_work_by_keyboard(opened, demo) -> None:
    opened.focus("#text")
    opened.keyboard.type("openssl")
    for _ in range(6):
        opened.keyboard.press("Tab")
    opened.keyboard.press("Tab")
    expect(opened.locator("input[value=critical]")).to_be_focused()
    opened.keyboard.press("Space")
    frame = in_sight(demo)
    assert count(opened) == ((frame.package == "openssl") & (frame.severity == "critical")).sum() > 0


def test_sorts_by_a_column_and_back_with_what_is_empty_last(opened) -> None:
    opened.click("#head button:text-is('Fixed in')")
    upwards = column(opened, 5)
    assert upwards[0] == "0.28.0"
    expect(opened.locator("#head th:nth-child(5)")).to_have_attribute("aria-sort", "ascending")
    opened.click("#head button:text-is('Fixed in')")
    assert column(opened, 5)[0] == "v0.33.0"
    opened.click("#head button:text-is('Severity')")
    opened.click("#head button:text-is('Severity')")
    assert column(opened, 1)[0] == "unknown"


def test_the_last_row_is_reached_by_scrolling(opened, demo) -> None:
    opened.locator("#box").evaluate("box => box.scrollTop = box.scrollHeight")
    last = str(len(in_sight(demo)) + 1)
    expect(opened.locator(f"{ROWS}[aria-rowindex='{last}']")).to_be_visible()
    assert opened.locator(ROWS).count() < 100


def test_a_cell_of_the_matrix_leads_to_its_findings(opened, demo) -> None:
    cell = opened.locator("table.heat a[data-scan=general]").first
    target = cell.get_attribute("data-target")
    cell.click()
    frame = in_sight(demo)
    expected = frame[(frame.target == target) & frame.found_by.map(lambda scans: "general" in scans)]
    expect(opened.locator("#status")).to_contain_text(f"{len(expected):,} of")
    opened.click("#only")
    expect(opened.locator("#only")).to_be_hidden()


def test_a_broken_rule_leads_to_the_findings_that_broke_it(opened, demo) -> None:
    opened.click("#verdict a[data-rule]")
    broke = demo.merged.rules.map(lambda rules: "no-old-criticals" in rules)
    expect(opened.locator("#status")).to_contain_text(f"{broke.sum():,} of")


def test_a_finding_opens_in_full_and_closes_by_keyboard(opened) -> None:
    button = opened.locator(f"{ROWS} button.open").first
    button.focus()
    opened.keyboard.press("Enter")
    detail = opened.locator("#detail")
    expect(detail).to_be_visible()
    expect(detail.locator("h3")).to_have_text(button.inner_text())
    link = detail.locator("a").first
    assert link.get_attribute("href") == f"https://nvd.nist.gov/vuln/detail/{button.inner_text()}"
    assert "noreferrer" in link.get_attribute("rel")
    opened.keyboard.press("Escape")
    expect(detail).to_be_hidden()
    expect(button).to_be_focused()


def test_markup_in_names_is_shown_as_text_and_never_run(page, tmp_path) -> None:
    found = [
        make_found(
            number, package=text, title=text, id=text, locations=(text,), aliases=(text,), severity=Severity.CRITICAL
        )
        for number, text in enumerate(HOSTILE)
    ]
    row = make_row(references=(HOSTILE[0],), owners=(HOSTILE[1],), note=HOSTILE[1])
    results = put_results(Volume(tmp_path), make_ledger([row]), {"app-1": found})
    export(results, None)
    show(page, results)
    assert column(page, 3) == list(HOSTILE)
    page.click(f"{ROWS} button.open >> nth=1")
    expect(page.locator("#detail h3")).to_have_text(HOSTILE[1])
    page.keyboard.press("Escape")
    page.fill("#text", "<img")
    assert page.locator("img").count() == 0
    page.pdf()


def test_what_is_hidden_in_a_name_is_shown_as_the_files_show_it(page, tmp_path) -> None:
    hidden = "a\u202eb\u200b\x1b[31m\n\U000e0041\\u202e 图像 🐳"
    found = [make_found(number=1, package=hidden, title=hidden)]
    results = put_results(Volume(tmp_path), make_ledger([make_row(owners=(hidden,))]), {"app-1": found})
    export(results, None)
    show(page, results)
    assert column(page, 3) == [visible(hidden)]
    page.locator(f"{ROWS} button.open").first.click()
    assert visible(hidden) in page.locator("#facts").inner_text()
    page.keyboard.press("Escape")
    # What leads from a name to its findings has it exactly.
    page.locator("a[data-owner]").first.click()
    assert count(page) == 1


def test_a_script_that_got_in_all_the_same_would_not_run(browser, demo) -> None:
    context = browser.new_context()
    page = show(context.new_page(), demo)
    page.evaluate(
        """const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", '<img src="data:," onerror="window.ran = true">')"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    context.close()


def test_prints_its_first_rows_and_says_so(opened) -> None:
    printed = opened.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b", printed)) > 5
    before = count(opened)
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert opened.locator(ROWS).count() == 200
    assert "200" in opened.locator("#status").inner_text()
    opened.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.locator(ROWS).count() < 100
    assert count(opened) == before


def test_without_a_script_everything_but_the_whole_table_is_there(browser, demo) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = show(context.new_page(), demo)
    assert page.locator(ROWS).count() == 50
    assert page.locator("table.heat tbody tr").count() == 40
    assert page.locator("#trend figure svg").count() == 4
    expect(page.locator("#filter")).to_be_hidden()
    expect(page.locator("noscript p")).to_be_visible()
    context.close()


@pytest.mark.parametrize("width", [360, 1440])
def test_the_page_is_never_wider_than_the_window(page, demo, width) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    show(page, demo)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
