"""For all tests: nothing of this machine's user gets into a test."""

import os

import pytest
from hypothesis import settings

from tests.golden import pytest_addoption, pytest_configure  # noqa: F401 - hooks, which pytest finds here

# How long an example takes says something of the machine, not of the code.
settings.register_profile("scanmatrix", deadline=None)
settings.load_profile("scanmatrix")

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
