"""The documentation site: built strictly, complete, and quiet: a page asks no other host for anything."""

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import typer

import orchestrator
from orchestrator.cli.app import app
from tests.tools.browser import start_chromium

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def commands(group: object, name: str) -> Iterator[str]:
    for each, command in group.commands.items():  # type: ignore[attr-defined]
        yield f"{name} {each}"
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {each}")


def leaves(group: object) -> Iterator[object]:
    for command in group.commands.values():  # type: ignore[attr-defined]
        yield from leaves(command) if hasattr(command, "commands") else [command]


def opts(command: object) -> Iterator[str]:
    for parameter in command.params:  # type: ignore[attr-defined]
        if parameter.param_type_name == "option":
            yield from parameter.opts


def test_the_references_are_complete(site: Path) -> None:
    anchors = {
        page: set(re.findall(r'\bid="([^"]+)"', (site / page).read_text())) for page in ("cli.html", "python.html")
    }
    names = {name.replace(" ", "-") for name in commands(typer.main.get_command(app), "scanmatrix")}
    assert names - anchors["cli.html"] == set()
    public = [getattr(orchestrator, name) for name in orchestrator.__all__ if name != "__version__"]
    homes = {
        each.__name__ if inspect.ismodule(each) else f"{each.__module__}.{each.__qualname__}": each for each in public
    }
    assert set(homes) - anchors["python.html"] == set()
    methods = {
        f"{home}.{name}"
        for home, each in homes.items()
        if inspect.isclass(each)
        for name, member in inspect.getmembers(each, lambda member: inspect.isroutine(member) and member.__doc__)
        if not name.startswith("_") and str(getattr(member, "__module__", "")).startswith("orchestrator.")
    }
    assert "orchestrator.queries.store.Store.prune" in methods  # an inherited one
    assert methods - anchors["python.html"] == set()
    # What people read of a run without importing its type.
    assert "orchestrator.model.ledger.LedgerRow" in anchors["python.html"]
    assert "orchestrator.model.ledger.Outcome.SKIPPED" in anchors["python.html"]


def test_every_option_stands_in_the_reference(site: Path) -> None:
    text = re.sub(r"<[^>]+>", "", (site / "cli.html").read_text())
    options = {option for command in leaves(typer.main.get_command(app)) for option in opts(command)}
    assert len(options) > 30
    assert {option for option in options if option not in text} == set()


def test_pages_ask_no_other_host_and_can_be_searched(address: str) -> None:
    asked: list[str] = []
    with start_chromium() as browser:
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}/index.html", wait_until="networkidle")
        page.click(".md-search__input")
        page.keyboard.type("distrust")
        page.wait_for_selector(".md-search-result__item a[href*='cli.html']", timeout=20_000)
    assert {url for url in asked if not url.startswith((address, "blob:", "data:"))} == set()
