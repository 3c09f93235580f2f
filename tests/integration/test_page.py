"""The service's pages in a real Chromium: silent, usable by everybody, at any width, and live."""

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from orchestrator.volume.layout import Volume
from tests.live_server import listening
from tests.served import NAMES, QUICK, configured, volume_in
from tests.stored_runs import LOG4J, day, write_run
from tests.tools import samples
from tests.tools.artifacts import axe_script
from tests.tools.browser import start_chromium
from tests.tools.servers import start_registry

# A machine that does much else is slow; only what never comes is wrong.
expect.set_options(timeout=30_000)

VIEWS = {
    "matrix": "/",
    "target": "/targets/b",
    "unknown target": "/targets/unknown",
    "nothing known": "/targets/c",
    "runs": "/runs",
    "run": "/runs/run-2",
    "changes": "/changes",
    "trends": "/trends",
    "search": "/search?q=CVE-2025-*",
    "empty search": "/search?q=nothing-has-this",
}


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_every_view_can_be_used_by_everybody(browser, address, tmp_path, width, scheme) -> None:
    """No serious issue by axe-core (WCAG 2.1 AA), nothing wider than the window; screenshots are left with the test."""
    axe, serious = axe_script(), []
    with opened(browser, viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True) as page:
        for name, path in VIEWS.items():
            page.goto(address + path)
            page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
            page.add_script_tag(content=axe)
            found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})")
            serious += [
                (name, each["id"], [node["html"][:200] for node in each["nodes"][:3]])
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
            while page.get_by_role("rowheader").count() == 0:
                page.reload()
            page.get_by_role("rowheader").get_by_role("link").click()
            page.get_by_role("button", name="Scan again").click()
            expect(page.get_by_role("heading", level=1)).to_contain_text("Run ")
            expect(page.locator("#progress")).to_contain_text("1 of 1 cells have ended", timeout=60_000)
            expect(page.get_by_role("link", name="What it changed")).to_be_visible(timeout=60_000)
            expect(page.get_by_role("button", name="Cancel this run")).to_have_count(0)
            page.goto(f"{address}/runs")
            while page.get_by_role("rowheader").count() < 2:
                page.reload()
