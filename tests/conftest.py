"""Options that every test run knows."""

import os

from tests.golden import REFRESH


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew instead of comparing")


def pytest_configure(config):
    if config.getoption("--update-golden"):
        os.environ[REFRESH] = "1"  # in the environment, so that the workers of pytest-xdist know it too
