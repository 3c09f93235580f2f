"""A real Chromium, Debian's, driven by Playwright; it brings no browser of its own here."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.tools import require


@contextmanager
def start_chromium() -> Iterator[Browser]:
    """Start it without a window; it ends with the block. Playwright leaves its sandbox off, which root cannot have."""
    program = require("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(program))
        yield browser
        browser.close()
