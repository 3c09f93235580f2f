"""The pages of a service over a filled volume."""

import pytest

from orchestrator.volume.layout import Volume
from tests.served import configured, served, volume_in


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with served(configured(volume_in(tmp_path_factory.mktemp("pages")))) as found:
        yield found


@pytest.fixture
def fresh(tmp_path):
    """A service on a volume that has no run."""
    volume = Volume(tmp_path / "volume")
    volume.root.mkdir()
    with served(configured(volume)) as found:
        yield found
