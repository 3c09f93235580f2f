"""The layers of an image, unpacked for a scan that names their files."""

from pathlib import Path

import pytest

from orchestrator.net.errors import ArchiveError
from orchestrator.steps.stage import _lay_out
from tests.tools.images import Image, layer
from tests.unit.steps.plans import target
from tests.unit.tarballs import write_tarball


def test_what_is_too_large_leaves_the_volume_its_room(tmp_path: Path) -> None:
    tarball = write_tarball(tmp_path / "image.tar", Image.build([layer({"a": "x" * 5000, "b": "x" * 5000})]))
    folder = tmp_path / "layers"
    with pytest.raises(ArchiveError, match=r"more than 9,000 bytes unpacked: raise limits\.cellDisk"):
        _lay_out(tarball, target("a"), folder, 9000)
    assert list(folder.iterdir()) == []
