"""For all tests: nothing of this machine's user gets into a test."""

import os
import signal

import pytest
from hypothesis import settings

from tests.golden import pytest_addoption, pytest_configure  # noqa: F401 - hooks, which pytest finds here

# How long an example takes says something of the machine, not of the code.
settings.register_profile("scanmatrix", deadline=None)
settings.load_profile("scanmatrix")

# Started to ignore a signal (`nohup`, `&` in a script), we would hand that on to the engines under test, which heed it.
for _number, _usual in {
    signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL
}.items():  # fmt: skip
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

_FOREIGN = {"http_proxy", "https_proxy", "all_proxy", "registry_auth_file"}


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
