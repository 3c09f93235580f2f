"""Locks on the volume."""

from orchestrator.volume.locks import held
from tests.filesystems import fill_up, small_filesystem


def test_a_full_volume_keeps_nobody_from_its_locks(tmp_path):
    """Who ends a run holds its lock, and only then gives back the room that was kept for its results."""
    with small_filesystem(tmp_path / "volume", "1m"):
        old, new = tmp_path / "volume" / "old", tmp_path / "volume" / "new"
        with held(old):
            pass
        fill_up(tmp_path / "volume" / "filler")
        with held(old), held(new):
            assert old.read_text().startswith("process ")
            assert new.read_bytes() == b""
