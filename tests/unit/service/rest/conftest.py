"""A service over a filled volume."""

import shutil

import pytest

from orchestrator.queries.kept import keeping
from orchestrator.volume.layout import Volume
from tests.served import configured, served, volume_in


@pytest.fixture(scope="session")
def _filled(tmp_path_factory):
    """Made once, its store too: each test has a copy."""
    volume = volume_in(tmp_path_factory.mktemp("filled"))
    with keeping(volume, configured(volume)) as kept:
        kept.refresh()
    return volume.root


@pytest.fixture
def volume(_filled, tmp_path):
    shutil.copytree(_filled, tmp_path / "volume")
    return Volume(tmp_path / "volume")


@pytest.fixture
def config(volume):
    return configured(volume)


@pytest.fixture
def client(config):
    with served(config) as found:
        yield found
