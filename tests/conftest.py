"""For all tests: nothing of this machine's user gets into a test."""

import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.kit import advice
from tests import examples, golden
from tests.campaign import table

# Each full collection of garbage goes over all that pytest has collected, too: a sixth of the time of the unit tests.
gc.disable()

# Started to ignore a signal (`nohup`, `&` in a script), we would hand that on to the engines under test, which obey.
for _number, _usual in {
    signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL
}.items():  # fmt: skip
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

_FOREIGN = {"http_proxy", "https_proxy", "all_proxy", "registry_auth_file"}


def pytest_addoption(parser: pytest.Parser) -> None:
    golden.pytest_addoption(parser)
    parser.addoption("--campaign", action="store_true", help="run also the long tests that CI leaves out")


def pytest_configure(config: pytest.Config) -> None:
    golden.pytest_configure(config)
    examples.choose(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `campaign`, unless it was asked for."""
    if config.getoption("--campaign"):
        return
    left_out = [item for item in items if item.get_closest_marker("campaign")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not item.get_closest_marker("campaign")]


def pytest_collection_finish() -> None:
    """From here on there is garbage; what is there by now stays, and need not be looked at again."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> table.Tell:
    """Tell the outcome of a fault, for the campaign's table."""
    return lambda *told: request.node.user_properties.append((table.PROPERTY, told))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests of the campaign told."""
    reports = [each for several in terminalreporter.stats.values() for each in several]
    told = table.told_by(each for each in reports if getattr(each, "when", "") == "call")
    if told:
        table.keep(told)
        terminalreporter.section("fault × layout → outcome")
        terminalreporter.write_line(table.render(told))


@pytest.fixture(scope="session")
def _empty_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("empty"))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, _empty_folder: str) -> None:
    """No settings of ours, no registry credentials and no HTTP proxy out of the environment."""
    for name in list(os.environ):
        ours = name.startswith("SCANMATRIX_") and name != "SCANMATRIX_REQUIRE_TOOLS"
        if ours or name.lower() in _FOREIGN:
            monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_CONFIG", _empty_folder)


@pytest.fixture(autouse=True)
def _nothing_given() -> Iterator[None]:
    """No message repeats options of a command that another test ran in this process."""
    yield
    advice.remember()


@pytest.fixture
def credential_helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a credential helper of registries, `docker-credential-test`, on PATH: a shell script."""

    def write(script: str) -> None:
        path = tmp_path / "docker-credential-test"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return write
