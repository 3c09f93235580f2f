"""A run that has ended keeps of its scanners' files their reports."""

import os
from pathlib import Path

import msgspec
import pytest

from orchestrator.model import Decision, Plan
from orchestrator.model.documents import encode
from orchestrator.upkeep import leftovers
from orchestrator.upkeep.claims import RunClaim
from orchestrator.upkeep.leftovers import clear_cut_off
from orchestrator.upkeep.links import release
from orchestrator.upkeep.room import reclaim
from orchestrator.volume.layout import TIMED_OUT, Volume, write_atomic
from orchestrator.volume.locks import held
from tests.unit.steps.plans import plan
from tests.unit.upkeep.test_links import stage

LIMIT = 1000


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


def made(volume: Volume) -> Plan:
    found = plan(("a",))
    found = msgspec.structs.replace(
        found, scans=tuple(msgspec.structs.replace(scan, report_limit=LIMIT) for scan in found.scans)
    )
    stage(found, volume)
    return found


def folder_of(found: Plan, volume: Volume) -> Path:
    return volume.cell(found.run, found.cells[0].target, found.cells[0].scan)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_lies_beside_a_report_goes(volume):
    found = made(volume)
    folder = folder_of(found, volume)
    outside = volume.root / "outside"
    outside.write_text("stays")
    (folder / "core").write_bytes(b"x" * 100_000)
    (folder / "tree" / "of" / "folders").mkdir(parents=True)
    (folder / "tree" / "of" / "file").write_text("x")
    (folder / "link").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    assert release(found, found.targets_by_id, volume) >= 100_000
    assert names(folder) == ["report.json"]
    assert (folder / "report.json").read_text() == "{}"
    assert outside.read_text() == "stays"
    assert release(found, found.targets_by_id, volume) == 0


@pytest.mark.parametrize(("text", "stays"), [("", True), ("as much as it likes", False)])
def test_that_a_scanner_was_ended_is_still_known_when_a_shard_has_ended(volume, text, stays):
    found = made(volume)
    mark = folder_of(found, volume) / TIMED_OUT
    mark.write_text(text)
    release(found, found.targets_by_id, volume)
    assert mark.exists() == stays


def test_a_folder_that_its_scanner_closed_holds_nothing_back(volume):
    found = made(volume)
    folder = folder_of(found, volume)
    (folder / "tree" / "below").mkdir(parents=True)
    (folder / "tree" / "below").chmod(0)
    (folder / "tree").chmod(0)
    folder.chmod(0)
    blob = volume.blob(found.targets[0].digest)
    release(found, found.targets_by_id, volume)
    assert names(folder) == ["report.json"]
    assert blob.stat().st_nlink == 1
    assert folder.stat().st_mode & 0o700 == 0o700  # also where root runs the tests


def test_a_report_that_is_too_large_is_cut_and_stays_too_large(volume):
    found = made(volume)
    report = folder_of(found, volume) / "report.json"
    report.write_bytes(b"x" * 500_000)
    report.chmod(0o400)
    assert release(found, found.targets_by_id, volume) > 400_000
    assert report.stat().st_size == LIMIT + 1


def test_a_folder_in_the_place_of_a_report_is_emptied_and_stays(volume):
    found = made(volume)
    report = folder_of(found, volume) / "report.json"
    report.unlink()
    (report / "deep").mkdir(parents=True)
    (report / "large").write_bytes(b"x" * 500_000)
    release(found, found.targets_by_id, volume)
    assert names(report) == []


def test_what_somebody_puts_by_for_an_external_scan_is_left_alone(volume):
    found = made(volume)
    awaited = (msgspec.structs.replace(found.cells[0], decision=Decision.AWAIT), *found.cells[1:])
    found = msgspec.structs.replace(found, cells=awaited)
    (folder_of(found, volume) / "notes.txt").write_text("x")
    release(found, found.targets_by_id, volume)
    assert names(folder_of(found, volume)) == ["notes.txt", "report.json"]


def attempt(volume: Volume, run: str) -> Path:
    """What a scanner left when its engine was killed: one in a folder that nobody can read, and a report of before."""
    folder = volume.cell(run, "t", "s")
    (folder / "attempt-2" / "closed").mkdir(parents=True)
    (folder / "attempt-2" / "closed" / "large").write_bytes(b"x" * (1 << 20))
    (folder / "attempt-2" / "closed").chmod(0)
    (folder / "report.json").write_bytes(b"{}")
    os.sync()
    return folder


def test_what_scanners_of_killed_engines_left_makes_room_and_no_other_does(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    names = ("cut-off", "own", "active", "of-a-cluster", "unclaimed")
    folders = {name: attempt(volume, name) for name in names}
    for name in ("cut-off", "active"):
        write_atomic(volume.claim(name), encode(RunClaim(run=name)))
    write_atomic(volume.claim("of-a-cluster"), encode(RunClaim(run="of-a-cluster", workflow="w", uid="u")))
    with held(volume.lock("active")):
        freed = clear_cut_off(volume, besides="own")
    assert freed >= 2 << 20
    assert {name for name in names if (folders[name] / "attempt-2").exists()} == {"own", "active", "of-a-cluster"}
    assert all((folders[name] / "report.json").exists() for name in names)


def test_layers_that_an_engine_was_killed_over_make_room_too(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    layers = volume.unpacked("cut-off", "t", "s")
    (layers / "0123456789ab" / "usr").mkdir(parents=True)
    (layers / "0123456789ab" / "usr" / "large").write_bytes(b"x" * (1 << 20))
    os.sync()
    assert clear_cut_off(volume, besides="own") >= 1 << 20
    assert not layers.exists()


def test_a_pull_that_lacks_room_takes_it_from_them_first(tmp_path: Path) -> None:
    volume, made = Volume(tmp_path), plan(("a",))
    folder = attempt(volume, "cut-off")
    blob = volume.blob(f"sha256:{'0' * 64}")
    blob.parent.mkdir(parents=True)
    blob.write_bytes(bytes(1 << 20))
    assert reclaim(made, 1 << 19, volume) >= 1 << 20
    assert not (folder / "attempt-2").exists()
    assert blob.exists()


def test_a_folder_with_very_many_files_is_emptied(volume):
    found = made(volume)
    folder = folder_of(found, volume)
    for number in range(2500):
        (folder / str(number)).touch()
    release(found, found.targets_by_id, volume)
    assert names(folder) == ["report.json"]


def test_what_cannot_be_removed_keeps_nothing_else(volume, monkeypatch):
    found = made(volume)
    folder = folder_of(found, volume)
    for name in ("a", "stuck", "z"):
        (folder / name).touch()
    monkeypatch.setattr(leftovers, "remove_quietly", lambda path: path.name == "stuck" or path.unlink())
    release(found, found.targets_by_id, volume)
    assert names(folder) == ["report.json", "stuck"]
