import errno
from pathlib import Path

import msgspec
import pytest

from orchestrator.model import Plan
from orchestrator.upkeep.links import evict, hold, release
from orchestrator.volume.layout import Volume
from tests.unit.steps.plans import plan, skip, target


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


def stage(made: Plan, volume: Volume) -> None:
    """All blobs, and every cell's link to its own."""
    for one in made.targets:
        blob = volume.blob(one.digest)
        blob.parent.mkdir(exist_ok=True)
        blob.write_bytes(b"x" * 1000)
    digests = {one.id: one.digest for one in made.targets}
    for cell in made.cells:
        link = volume.tarball(made.run, cell.target, cell.scan)
        link.parent.mkdir(parents=True)
        link.hardlink_to(volume.blob(digests[cell.target]))
        (link.parent / "report.json").write_text("{}")


def tarballs(volume: Volume) -> set[str]:
    found = [*volume.root.glob("blobs/*.tar"), *volume.root.glob("runs/*/*/*/image.tar")]
    return {str(path.relative_to(volume.root)) for path in found}


def test_a_wave_that_ended_gives_its_room_back_and_the_others_keep_theirs(volume):
    made = plan(("a", "b"), ("c",))
    stage(made, volume)
    assert evict(made, made.waves[0], volume) == 2000
    assert {path.split("/")[2] for path in tarballs(volume) if path.startswith("runs")} == {"c"}
    assert len([path for path in tarballs(volume) if path.startswith("blobs")]) == 1
    assert len(list(volume.root.glob("runs/*/*/*/report.json"))) == 6


def test_doing_it_again_does_nothing_and_the_last_wave_empties_the_volume(volume):
    made = plan(("a",), ("b",))
    stage(made, volume)
    assert evict(made, made.waves[0], volume) == 1000
    assert evict(made, made.waves[0], volume) == 0
    assert evict(made, made.waves[1], volume) == 1000
    assert tarballs(volume) == set()


def test_a_blob_that_a_later_wave_needs_stays(volume):
    shared = target("a").digest
    made = plan(("a",), ("b",), targets=(target("a"), target("b", digest=shared)))
    stage(made, volume)
    assert evict(made, made.waves[0], volume) == 0
    assert volume.blob(shared).exists()


def test_a_blob_that_another_run_links_to_counts_as_nothing_yet(volume):
    made = plan(("a",), ("b",))
    stage(made, volume)
    other = volume.root / "other.tar"
    other.hardlink_to(volume.blob(made.targets[0].digest))
    assert evict(made, made.waves[0], volume) == 0
    assert other.exists()


def test_what_a_scanner_put_in_the_place_of_its_tarball_does_no_harm(volume, tmp_path):
    made = plan(("a",), ("b",))
    stage(made, volume)
    link = volume.tarball(made.run, "a", "virus")
    link.unlink()
    link.mkdir()
    (link / "file").write_text("x")
    precious = tmp_path / "precious"
    precious.write_text("x")
    link = volume.tarball(made.run, "a", "root-user")
    link.unlink()
    link.symlink_to(precious)
    evict(made, made.waves[0], volume)
    assert precious.exists()
    assert not link.is_symlink()


def test_when_a_run_ends_its_links_go_and_the_blobs_stay_as_a_cache(volume):
    made = plan(("a", "b"))
    stage(made, volume)
    assert release(made, made.targets_by_id, volume) == 0
    assert {path.split("/")[0] for path in tarballs(volume)} == {"blobs"}
    assert len(list(volume.root.glob("runs/*/*/*/report.json"))) == 4


def test_a_held_blob_outlasts_anybody_who_wants_its_room(volume):
    made = plan(("a",), ("b",))
    blob = volume.blob(made.targets[0].digest)
    blob.parent.mkdir()
    blob.write_bytes(b"x")
    assert hold(made, "a", volume)
    assert blob.stat().st_nlink == 3
    other = msgspec.structs.replace(made, run="run-2")
    assert evict(other, ["a", "b"], volume) == 0
    assert blob.exists()
    assert hold(made, "a", volume)
    assert evict(made, ["a"], volume) == 1
    assert not hold(made, "a", volume)


def test_nothing_is_held_for_cells_that_do_not_run(volume):
    made = plan(("a",))
    made = plan(("a",), targets=made.targets, cells=tuple(map(skip, made.cells)))
    blob = volume.blob(made.targets[0].digest)
    blob.parent.mkdir()
    blob.write_bytes(b"x")
    assert hold(made, "a", volume)
    assert blob.stat().st_nlink == 1


def test_where_links_are_refused_nothing_is_held(volume, monkeypatch):
    made = plan(("a",))
    blob = volume.blob(made.targets[0].digest)
    blob.parent.mkdir()
    blob.write_bytes(b"x")

    def refused(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    assert hold(made, "a", volume)


def test_what_cannot_be_removed_is_left_and_the_rest_goes(volume):
    made = plan(("a", "b"))
    stage(made, volume)
    folder = volume.run(made.run) / "a"
    folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(folder)
    assert release(made, made.targets_by_id, volume) == 0
    assert not list(volume.root.glob("runs/*/b/*/image.tar"))
