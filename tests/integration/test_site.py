"""The documentation site: built strictly, complete, and quiet: a page asks no other host for anything."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from inspect import ismodule
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


def test_the_references_are_complete(site: Path) -> None:
    cli = (site / "cli.html").read_text()
    names = list(commands(typer.main.get_command(app), "scanmatrix"))
    assert [name for name in names if f'id="{name.replace(" ", "-")}"' not in cli] == []
    python = (site / "python.html").read_text()
    named = {name: getattr(orchestrator, name) for name in orchestrator.__all__ if name != "__version__"}
    homes = {
        name: each.__name__ if ismodule(each) else f"{each.__module__}.{each.__qualname__}"
        for name, each in named.items()
    }
    assert [name for name, home in homes.items() if f'id="{home}"' not in python] == []


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
