"""The service's page with 2,500 targets × 8 scans: how long it is in the making, and how soon a change is drawn.

    python -m tests.benchmarks page [--targets 2500]

Three figures of the server, in CPU seconds of its process: the matrix asked for the first time after a change, asked
for again, and the row of one target. Then Chromium, five times in fresh contexts: from the start of the navigation to
the end of the layout; and how long after the commit of one new result its cell is drawn in a page that is open. As a
measure for the machine the same table is drawn from a file without any server: the ratio says what the service adds.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from orchestrator.model import Name
from orchestrator.service.rest.settings import ServeSettings
from orchestrator.volume.layout import Volume
from tests.live_server import listening
from tests.served import configured, served
from tests.stored_runs import day, finding, write_run
from tests.tools.browser import start_chromium

SCANS = ("config", "dependency", "general", "license", "python", "sbom", "secrets", "virus")
_OPENED, _CHANGES = 5, 5
_QUICK = ServeSettings(refresh_seconds=0.05)
_LAID_OUT = "performance.getEntriesByType('navigation')[0].domComplete"

_WATCH = """() => {
  const matrix = document.getElementById("matrix");
  window.drawn = new Promise((done) => new MutationObserver(done).observe(matrix, {childList: true, subtree: true}));
}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=int, default=2_500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        volume = Volume(Path(folder) / "volume")
        _fill(volume, options.targets)
        with served(configured(volume)) as client:
            server, page = _server(client)
        with start_chromium() as browser:
            file = Path(folder) / "matrix.html"
            file.write_bytes(page)
            alone = _opened(browser, file.as_uri())
            with listening(configured(volume), settings=_QUICK) as service:
                address = f"http://127.0.0.1:{service.port}/"
                _opened(browser, address)  # the first one asks the store
                loaded, drawn = _opened(browser, address), _drawn(browser, address, volume)
    print(f"{options.targets:,} targets × {len(SCANS)} scans, {len(page) / 1e6:.1f} MB of HTML")
    for what, seconds in server.items():
        print(f"{what:42} {seconds * 1000:8.0f} ms of CPU")
    print(f"{'page loaded and laid out':42} {loaded * 1000:8.0f} ms, {loaded / alone:.1f}× the same page as a file")
    print(f"{'a new result is drawn after its commit':42} {drawn * 1000:8.0f} ms")
    return 0


def _fill(volume: Volume, count: int) -> None:
    dice = random.Random(1)
    names = {
        f"t{n}": [Name(f"registry.example/team-{n % 40}/service-{n}:1.{n % 9}", f"team-{n % 40}")] for n in range(count)
    }
    cells = {f"{target}/{scan}": _found(dice) for target in names for scan in SCANS}
    write_run(volume, "run-1", day(1), cells, names=names)


def _found(dice: random.Random) -> list | str:
    luck = dice.random()
    if luck < 0.03:
        return "timed out after 600 s"
    return [] if luck < 0.4 else [finding(dice.randrange(400)) for _ in range(dice.randint(1, 4))]


def _server(client: TestClient) -> tuple[dict[str, float], bytes]:
    rows = {"target": ["t7"], "scan": SCANS}
    asked = {
        "the matrix, for the first time": lambda: client.get("/"),
        "the matrix again": lambda: client.get("/"),
        "the row of one target": lambda: client.get("/matrix/rows", params=rows),
    }
    while "scanmatrix_findings{" not in client.get("/metrics").text:
        time.sleep(0.1)  # they are counted aside when the service starts
    found, page = {}, b""
    for what, ask in asked.items():
        begin = time.process_time()
        answer = ask()
        found[what] = time.process_time() - begin
        assert answer.status_code == 200
        page = page or answer.content
    return found, page


def _opened(browser: Browser, address: str) -> float:
    times = []
    for _ in range(_OPENED):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.goto(address)
        times.append(page.evaluate(_LAID_OUT) / 1000)
        context.close()
    return statistics.median(times)


def _drawn(browser: Browser, address: str, volume: Volume) -> float:
    """From the end of the run's files on the volume to the cell in the page."""
    times = []
    page = browser.new_page()
    page.goto(address)
    page.wait_for_function("document.getElementById('live').textContent === 'live'")
    for number in range(_CHANGES):
        page.evaluate(_WATCH)
        name = {"t3": [Name("registry.example/team-3/service-3:1.3", "team-3")]}
        write_run(volume, f"run-{number + 2}", day(2 + number), {"t3/general": [finding(number)]}, names=name)
        begin = time.perf_counter()
        page.evaluate("window.drawn")
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
