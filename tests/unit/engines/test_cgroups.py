"""Control groups of scanners: made with limits, gone afterwards, and never taken from another engine."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.engines.local import cgroups
from orchestrator.engines.local.cgroups import Group, Place, places

needed = pytest.mark.skipif(not places(), reason="no control group can be made here")


@needed
def test_a_group_ends_what_is_in_it_and_goes() -> None:
    group = Group.make(memory=1 << 30, pids=20)
    assert group
    try:
        assert all(Path(join).exists() for join in group.joins)
        process = subprocess.Popen(["/bin/sh", "-c", "sleep 60 & sleep 60"])
        for join in group.joins:
            Path(join).write_text(str(process.pid))
    finally:
        group.remove()
    assert process.wait(timeout=30) < 0
    assert not any(Path(join).exists() for join in group.joins)


def test_only_old_groups_of_engines_that_are_gone_are_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    groups = {
        name: tmp_path / f"scanmatrix-{name}" for name in (f"{done.pid}-new", f"{done.pid}-old", f"{os.getpid()}-old")
    }
    for name, folder in groups.items():
        folder.mkdir()
        if name.endswith("old"):
            os.utime(folder, (time.time() - 7200,) * 2)
    monkeypatch.setattr(cgroups, "_version_1", lambda names, path: Place(tmp_path, 1, ("pids",)))
    monkeypatch.setattr(cgroups, "_version_2", lambda path: Place(tmp_path, 1, ("pids",)))
    places.cache_clear()
    try:
        places()
    finally:
        places.cache_clear()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        folder.name for name, folder in groups.items() if name != f"{done.pid}-old"
    )
