"""The service's pages in a real Chromium: silent, usable by everybody, at any width, and live."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from orchestrator.errors import TemporaryError
from orchestrator.model import Name
from orchestrator.service.page import questions
from orchestrator.volume.layout import Volume
from tests.live_server import listening
from tests.page_volume import company, dependency_bom, write_boms
from tests.served import NAMES, QUICK, configured, volume_in
from tests.stored_runs import LOG4J, day, finding, write_run
from tests.tools import samples
from tests.tools.artifacts import axe_script
from tests.tools.browser import start_chromium
from tests.tools.servers import start_registry

# A machine that does much else is slow; only what never comes is wrong.
expect.set_options(timeout=30_000)

VIEWS = {
    "matrix": "/",
    "target": "/targets/t00",
    "unknown target": "/targets/unknown",
    "nothing known": "/targets/t07",
    "runs": "/runs",
    "run": "/runs/202506-nightly",
    "changes": "/changes",
    "trends": "/trends",
    "search": "/search?q=CVE-2025-1*",
    "empty search": "/search?q=nothing-has-this",
    "packages": "/targets/t00/packages",
    "vulnerable packages": "/targets/t00/packages?vulnerable=true",
    "no packages": "/targets/t03/packages",
    "nothing like it": "/nowhere",
}

WIDTHS = [400, 1280]
#: Sets of rules of axe-core.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


@contextlib.contextmanager
def running(volume: Volume, port: int = 0) -> Iterator[str]:
    """A service over a volume, on loopback; its address."""
    with listening(configured(volume), settings=QUICK, port=port) as service:
        yield f"http://127.0.0.1:{service.port}"


@pytest.fixture(scope="module")
def volume(tmp_path_factory) -> Volume:
    return volume_in(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def address(volume) -> Iterator[str]:
    with running(volume) as found:
        yield found


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Iterator[str]:
    """A service over what a company has."""
    with running(company(tmp_path_factory.mktemp("company"), datetime.now(UTC))) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with start_chromium() as started:
        yield started


@contextlib.contextmanager
def opened(browser: Browser, *, ignore: tuple[str, ...] = (), **how: object) -> Iterator[Page]:
    """A page that may say nothing on its console but what is ignored, and ask nobody but the service."""
    context = browser.new_context(**how)
    page = context.new_page()
    trouble: list[str] = []
    expected = ("status of 404", *ignore)
    page.on("console", lambda said: None if any(each in said.text for each in expected) else trouble.append(said.text))
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: None if "://127.0.0.1:" in request.url else trouble.append(request.url))
    yield page
    context.close()
    assert trouble == []


@pytest.mark.parametrize("width", WIDTHS)
def test_every_view_can_be_used_by_everybody(browser, many, tmp_path, width) -> None:
    """No serious issue by axe-core (WCAG 2.1 AA), nothing wider than the window; screenshots are left with the test.

    Each view is loaded once: what is dark has other colours, and nothing else, and those are the same at any width.
    """
    axe, serious = axe_script(), []
    schemes = {"light": RULES} | ({"dark": ["color-contrast"]} if width == max(WIDTHS) else {})
    with opened(browser, viewport={"width": width, "height": 800}, bypass_csp=True) as page:
        for name, path in VIEWS.items():
            page.emulate_media(color_scheme="light")
            page.goto(many + path)
            page.add_script_tag(content=axe)
            for scheme, rules in schemes.items():
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=tmp_path / f"{name}-{scheme}.png", full_page=True)
                # Each node that passes is not described: there are thousands, and all would be sent here.
                found = page.evaluate("rules => axe.run({runOnly: rules, resultTypes: ['violations']})", rules)
                assert found["passes"], (name, scheme)
                serious += [
                    (name, scheme, each["id"], [node["html"][:200] for node in each["nodes"][:3]])
                    for each in found["violations"]
                    if each["impact"] in {"serious", "critical"}
                ]
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    assert serious == []


def test_every_view_is_there_without_a_script(browser, address) -> None:
    with opened(browser, java_script_enabled=False) as page:
        page.goto(address)
        expect(page.get_by_role("rowheader")).to_have_count(3)
        page.get_by_label("Any cell").select_option("never ended ok")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("rowheader")).to_have_count(2)
        page.get_by_label("CVE or package").fill("log4j*")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("rowheader")).to_have_text("registry.example/shop/web:1")


def test_the_keyboard_leads_to_a_finding_s_holders(browser, address) -> None:
    with opened(browser) as page:
        page.goto(address)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.get_by_role("link", name="registry.example/bank/api:1").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("registry.example/bank/api:1")
        page.get_by_role("link", name="CVE-2025-3").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Who has CVE-2025-3")
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("registry.example/bank/api:1")


def test_a_tree_of_packages_is_opened_by_the_keyboard(browser, many) -> None:
    with opened(browser) as page:
        page.goto(f"{many}/targets/t00/packages")
        first = page.locator("summary", has_text="curl").first
        first.focus()
        page.keyboard.press("Enter")
        inner = page.locator("details details summary", has_text="lib-1").first
        expect(inner).to_be_visible()
        inner.focus()
        page.keyboard.press("Enter")
        page.locator("details details details summary", has_text="lib-2").first.click()
        page.locator("details details details details summary", has_text="lib-1")
        expect(page.get_by_text("a circle: it is on the way here")).to_be_visible()
        assert page.locator("details details").count() < 10  # of 70 packages, only what was opened


def test_a_branch_that_cannot_be_read_leads_to_a_page_of_its_own(browser, many) -> None:
    with opened(browser, ignore=("status of 503",)) as page:
        page.route("**/packages/below*", lambda route: route.fulfill(status=503))
        page.goto(f"{many}/targets/t00/packages")
        page.locator("summary", has_text="spring-core").click()
        page.get_by_role("link", name="It could not be read; open it on a page of its own").click()
        expect(page.get_by_role("heading", level=2)).to_have_text("What spring-core needs")


def test_what_is_hidden_holds_no_connection_and_is_up_to_date_when_it_is_seen(browser, tmp_path) -> None:
    """A browser has six connections to a host of HTTP/1.1: of eight tabs, only the one that is seen uses one."""
    volume = volume_in(tmp_path)
    with running(volume) as address, opened(browser) as page:
        hide = "value => { Object.defineProperty(document, 'hidden', {value, configurable: true});"
        hide += " document.dispatchEvent(new Event('visibilitychange')); }"
        others = [page.context.new_page() for _ in range(7)]
        for other in others:
            other.goto(address)
            expect(other.get_by_role("status")).to_have_text("live")
            other.evaluate(hide, True)
            expect(other.get_by_role("status")).to_contain_text("paused")
        page.goto(address)
        expect(page.get_by_role("status")).to_have_text("live")
        write_run(volume, "run-3", day(3), {"a/general": [LOG4J], "a/virus": []}, names={"a": NAMES["a"]})
        expect(page.locator("#t-a [role=cell]")).to_have_text(["1", "0"])
        expect(others[0].locator("#t-a [role=cell]")).to_have_text(["2", "0"])
        others[0].evaluate(hide, False)
        expect(others[0].locator("#t-a [role=cell]")).to_have_text(["1", "0"])
        expect(others[0].get_by_role("status")).to_have_text("live")


def test_windows_that_are_all_seen_share_one_connection_and_each_misses_nothing(browser, tmp_path) -> None:
    """More of them than a browser has connections to a host; the one with it is closed, and another takes its place."""
    volume, web = volume_in(tmp_path), "#t-a [role=cell]"

    def holding(page: Page, address: str) -> list[str]:
        lines = page.request.get(f"{address}/metrics").text().splitlines()
        return [line.partition(" ")[2] for line in lines if line.startswith("scanmatrix_followers")]

    with running(volume) as address, opened(browser) as page:
        pages = [page, *(page.context.new_page() for _ in range(8))]
        for each in pages:
            each.goto(address)
            expect(each.get_by_role("status")).to_have_text("live")
        assert holding(page, address) == ["1.0"]
        write_run(volume, "run-3", day(3), {"a/general": [LOG4J], "a/virus": []}, names={"a": NAMES["a"]})
        for each in pages:
            expect(each.locator(web)).to_have_text(["1", "0"])
        pages.remove(page)
        page.goto("about:blank")
        write_run(volume, "run-4", day(4), {"a/general": [], "a/virus": []}, names={"a": NAMES["a"]})
        for each in pages:
            expect(each.locator(web)).to_have_text(["0", "0"])
        assert holding(page, address) == ["1.0"]
        # One whose page is older than what the others have heard is sent what it lacks.
        held: list[Route] = []
        late = page.context.new_page()
        late.route("**/static/**/live.js", lambda route, _: held.append(route))
        late.goto(address, wait_until="commit")
        expect(late.locator(web)).to_have_text(["0", "0"])
        write_run(volume, "run-5", day(5), {"a/general": [LOG4J], "a/virus": []}, names={"a": NAMES["a"]})
        for each in pages:
            expect(each.locator(web)).to_have_text(["1", "0"])
        held[0].continue_()
        expect(late.locator(web)).to_have_text(["1", "0"])
        expect(late.get_by_role("status")).to_have_text("live")


def test_a_target_s_page_says_that_it_has_new_results(browser, tmp_path) -> None:
    volume = volume_in(tmp_path)
    with running(volume) as address, opened(browser) as page:
        page.goto(f"{address}/targets/a")
        expect(page.get_by_role("status")).to_have_text("live")
        write_run(volume, "run-3", day(3), {"a/general": [LOG4J], "a/virus": []}, names={"a": NAMES["a"]})
        expect(page.get_by_role("status")).to_have_text("new results are there; reload the page")


def test_a_page_that_could_not_be_made_is_asked_for_again_by_itself(browser, address, monkeypatch) -> None:
    def away(*_: object) -> None:
        raise TemporaryError("the database does not answer")

    with opened(browser, ignore=("status of 503",)) as page, monkeypatch.context() as patched:
        patched.setattr(questions, "holders", away)
        page.goto(f"{address}/search?q=CVE-2025-3")
        expect(page.get_by_role("alert")).to_contain_text("the database does not answer")
        expect(page.get_by_role("status")).to_have_text("trying again in 5 s")
        patched.undo()
        expect(page.get_by_role("heading", level=1)).to_have_text("Who has CVE-2025-3")


def test_what_strangers_wrote_does_nothing_in_a_browser(browser, tmp_path) -> None:
    """Names, versions, titles, reasons, packages: no dialog, no request, no error, and nothing of it is an element."""
    bad = "<img src=//evil.example onerror=alert(1)>\"'><script>alert(2)</script>{{7*7}}${7*7}\u202e"
    link = "javascript:alert(3)"
    volume = Volume(tmp_path / "volume")
    names = {"a": [Name(f"registry.example/{bad}:1", bad)], "b": [Name(link, link)]}
    found = [finding(1, title=bad, package=link, version=bad, fixed_version=link, aliases=(f"CVE-1{bad}",), purl=link)]
    write_run(volume, "run-1", day(1), {"a/general": found, "a/virus": bad, "b/general": found}, names=names)
    write_boms(volume, "run-1", {"a": [dependency_bom("a", [(bad, bad), (link, link)], {bad: [link]})]}, names)
    with running(volume) as address, opened(browser) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        for path in (
            "/",
            "/targets/a",
            "/targets/b",
            "/targets/a/packages",
            "/runs/run-1",
            "/changes",
            f"/search?q={link}",
        ):
            page.goto(address + path)
            for summary in page.locator("summary").all():
                summary.click()
            assert page.locator("main img, main script").count() == 0
            hrefs = page.eval_on_selector_all(
                "a[href], form[action]", "all => all.map(each => each.href || each.action)"
            )
            assert [each for each in hrefs if not each.startswith(address)] == []


def test_what_changes_is_drawn_into_the_page_that_is_there(browser, tmp_path) -> None:
    volume = volume_in(tmp_path)
    with running(volume) as address, opened(browser) as page:
        page.goto(address)
        expect(page.get_by_role("status")).to_have_text("live")
        page.evaluate("window.mark = 'the same page'")
        web = page.locator("#t-a [role=cell]")
        expect(web).to_have_text(["2", "0"])
        write_run(volume, "run-3", day(3), {"a/general": [LOG4J], "a/virus": []}, names={"a": NAMES["a"]})
        expect(web).to_have_text(["1", "0"])
        assert page.evaluate("window.mark") == "the same page"


def test_what_changes_before_the_page_listens_is_drawn_too(browser, tmp_path) -> None:
    volume = volume_in(tmp_path)
    with running(volume) as address, opened(browser) as page:
        held: list[Route] = []
        page.route("**/api/v1/events*", lambda route, _: held.append(route))
        page.goto(address)
        write_run(volume, "run-3", day(3), {"a/general": [LOG4J], "a/virus": []}, names={"a": NAMES["a"]})
        rows = f"{address}/matrix/rows?target=a&scan=general&scan=virus"
        while ">1</div>" not in page.request.get(rows).text():
            page.wait_for_timeout(100)
        page.wait_for_timeout(1000)  # the service has read the event by now
        held[0].continue_()
        expect(page.locator("#t-a [role=cell]")).to_have_text(["1", "0"])


def test_a_page_says_that_the_service_is_gone_and_is_up_to_date_when_it_is_back(browser, tmp_path) -> None:
    volume = volume_in(tmp_path)
    web = "#t-a [role=cell]"
    with opened(browser, ignore=("net::ERR_",)) as page:
        with running(volume) as address:
            page.goto(address)
            expect(page.get_by_role("status")).to_have_text("live")
            page.evaluate("window.mark = 'the same page'")
        expect(page.get_by_role("status")).to_contain_text("reconnecting")
        write_run(volume, "run-3", day(3), {"a/general": [LOG4J], "a/virus": []}, names={"a": NAMES["a"]})
        with running(volume, int(address.rpartition(":")[2])):
            expect(page.locator(web)).to_have_text(["1", "0"], timeout=20_000)
            expect(page.get_by_role("status")).to_have_text("live")
            assert page.evaluate("window.mark") == "the same page"


def test_a_page_listens_again_after_a_proxy_answered_for_the_service(browser, address) -> None:
    with opened(browser, ignore=("status of 502",)) as page:
        page.route("**/api/v1/events*", lambda route: route.fulfill(status=502), times=1)
        page.goto(address)
        expect(page.get_by_role("status")).to_contain_text("trying again")
        expect(page.get_by_role("status")).to_have_text("live", timeout=15_000)


def test_a_row_that_could_not_be_read_is_read_again(browser, tmp_path) -> None:
    volume = volume_in(tmp_path)
    with running(volume) as address, opened(browser, ignore=("status of 503",)) as page:
        page.route("**/matrix/rows*", lambda route: route.fulfill(status=503), times=1)
        page.goto(address)
        expect(page.get_by_role("status")).to_have_text("live")
        write_run(volume, "run-3", day(3), {"a/general": [LOG4J], "a/virus": []}, names={"a": NAMES["a"]})
        expect(page.locator("#t-a [role=cell]")).to_have_text(["1", "0"], timeout=15_000)


def test_the_first_result_of_all_is_shown_by_itself(browser, tmp_path) -> None:
    volume = Volume(tmp_path / "volume")
    volume.root.mkdir()
    with running(volume) as address, opened(browser) as page:
        page.goto(address)
        expect(page.get_by_role("status")).to_have_text("live")
        write_run(volume, "run-1", day(1), {"a/general": [LOG4J]}, names={"a": NAMES["a"]})
        expect(page.get_by_role("rowheader")).to_have_count(1)


def test_a_target_is_scanned_again_and_its_run_is_watched(browser, tmp_path) -> None:
    volume = Volume(tmp_path / "volume")
    volume.root.mkdir()
    with start_registry(tmp_path / "registry", "registry") as registry, running(volume) as address:
        image = registry.push("shop/web:1", samples.small())
        with opened(browser) as page:
            asked = {"targets": [image], "scans": ["root-user"]}
            assert page.request.post(f"{address}/api/v1/runs", data=asked).status == 202
            page.goto(address)
            page.get_by_role("rowheader").get_by_role("link").click(timeout=60_000)  # shown by itself once it is there
            page.get_by_role("button", name="Scan again").click()
            expect(page.get_by_role("heading", level=1)).to_contain_text("Run ")
            expect(page.locator("#progress")).to_contain_text("1 of 1 cells have ended", timeout=60_000)
            expect(page.get_by_role("link", name="What it changed")).to_be_visible(timeout=60_000)
            expect(page.get_by_role("button", name="Cancel this run")).to_have_count(0)
            page.goto(f"{address}/runs")
            expect(page.get_by_role("rowheader")).to_have_count(2)
