"""The folder of a pull-through cache on a disk that has gone bad."""

from pathlib import Path

import pytest

from orchestrator.images.registry.stored import StoredCache

BROKEN = Path("/proc/self/mem")
"""A file of which reading the first bytes is an input/output error, as of a bad block."""


def cache(folder: Path) -> tuple[Path, Path, Path]:
    """State, a blob and a link to it, all as they should be."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    state, content = folder / "scheduler-state.json", folder / "docker/registry/v2"
    blob = content / "blobs/sha256/e3" / empty / "data"
    link = content / "repositories/a/_layers/sha256" / empty / "link"
    for path, text in ((state, "{}"), (blob, ""), (link, f"sha256:{empty}")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return state, blob, link


@pytest.mark.skipif(not BROKEN.exists(), reason="there is no /proc")
@pytest.mark.parametrize("which", range(3))
def test_what_cannot_be_read_is_dropped_and_no_end_of_the_command(tmp_path: Path, which: int) -> None:
    paths = cache(tmp_path)
    assert list(StoredCache(tmp_path).drop_damaged()) == []
    paths[which].unlink()
    paths[which].symlink_to(BROKEN)
    said = [str(each) for each in StoredCache(tmp_path).drop_damaged()]
    assert said[-1].endswith("cannot be read: Input/output error")
    assert not paths[which].is_symlink()
    assert BROKEN.exists()
