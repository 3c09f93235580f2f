"""The stage step: a cell made whole, whatever its folder looks like."""

import errno
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from orchestrator.errors import PermanentError
from orchestrator.inventory.labels import MAX_LIFETIME
from orchestrator.model import CellRecord, Name, Plan
from orchestrator.model.documents import read
from orchestrator.net.errors import Broken
from orchestrator.steps.stage import stage
from orchestrator.upkeep.databases import DatabaseError, commit, pinned, prepare
from orchestrator.volume.layout import MAX_AGE, Volume, VolumeError
from tests.integration.pulls import SCAN, TARGET, fast_client, make_plan
from tests.tools import faults
from tests.tools.images import Image, layer
from tests.tools.proxy import Proxy
from tests.tools.servers import Registry

IMAGE = Image.build([layer({"a": "b"}), layer({"c": "d" * 10_000}, "zstd")])


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def location(registry: Registry, proxy: Proxy, repository: str) -> str:
    registry.push(f"{repository}:1", IMAGE)
    return f"{proxy.url}/{repository}"


@pytest.fixture
def plan(location: str) -> Plan:
    return make_plan(location, IMAGE)


def _stage(plan: Plan, volume: Volume) -> CellRecord:
    with fast_client(retries=0) as client:
        return stage(plan, TARGET, SCAN, volume, client=client)


def _record(plan: Plan, volume: Volume) -> CellRecord:
    return read(volume.record(plan.run, TARGET, SCAN), CellRecord)


def _tarball(plan: Plan, volume: Volume) -> Path:
    return volume.tarball(plan.run, TARGET, SCAN)


def test_the_cell_gets_a_hard_link_of_the_one_copy(plan: Plan, volume: Volume) -> None:
    record = _stage(plan, volume)
    assert record == _record(plan, volume)
    assert record.attempts == 1
    assert record.started
    assert not record.finished
    assert _tarball(plan, volume).samefile(volume.blob(IMAGE.digest))
    assert _tarball(plan, volume).stat().st_nlink == 2
    assert [each.name for each in _tarball(plan, volume).parent.iterdir()] == ["image.tar"]


def test_every_stage_is_an_attempt_and_none_reads_the_registry_again(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    first = _stage(plan, volume)
    seen = len(proxy.log)
    second = _stage(plan, volume)
    assert (second.attempts, second.started) == (2, first.started)
    assert len(proxy.log) == seen


def test_an_evicted_blob_is_pulled_again(plan: Plan, volume: Volume) -> None:
    _stage(plan, volume)
    volume.blob(IMAGE.digest).unlink()
    _stage(plan, volume)
    assert _tarball(plan, volume).samefile(volume.blob(IMAGE.digest))
    assert volume.blob(IMAGE.digest).stat().st_nlink == 2


def test_a_blob_that_is_evicted_before_it_is_linked(
    plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Path.hardlink_to
    times = 1

    def evict_first(self: Path, target: Path) -> None:
        nonlocal times
        if times:
            times -= 1
            target.unlink()
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", evict_first)
    _stage(plan, volume)
    assert _tarball(plan, volume).samefile(volume.blob(IMAGE.digest))
    _tarball(plan, volume).unlink()
    times = 99
    with pytest.raises(VolumeError):
        _stage(plan, volume)


def test_a_blob_that_was_written_to_is_pulled_again(plan: Plan, volume: Volume) -> None:
    _stage(plan, volume)
    tarball = _tarball(plan, volume)
    tarball.chmod(0o644)
    with tarball.open("ab") as file:
        file.write(b"a scanner's own user may do this where nothing mounts it read-only")
    _stage(plan, volume)
    assert tarball.stat().st_size == plan.targets[0].size
    assert tarball.samefile(volume.blob(IMAGE.digest))


def _link_away(path: Path) -> None:
    (path.parents[1] / "secret").write_text("secret")
    path.symlink_to("../secret")


def _folder(path: Path) -> None:
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "file").touch()


@pytest.mark.parametrize("put", [_link_away, _folder, os.mkfifo, Path.touch])
@pytest.mark.parametrize("name", ["image.tar", "report.json"])
def test_what_a_scanner_left_under_our_names_goes(
    plan: Plan, volume: Volume, put: Callable[[Path], None], name: str
) -> None:
    folder = volume.cell(plan.run, TARGET, SCAN)
    folder.mkdir(parents=True)
    put(folder / name)
    _stage(plan, volume)
    assert _tarball(plan, volume).samefile(volume.blob(IMAGE.digest))
    assert not _tarball(plan, volume).is_symlink()
    assert not (folder / "report.json").exists()
    if put is _link_away:
        assert (folder.parent / "secret").read_text() == "secret"


def test_an_attempt_begins_with_nothing_that_the_one_before_left(plan: Plan, volume: Volume) -> None:
    folder = _tarball(plan, volume).parent
    _stage(plan, volume)
    held = _tarball(plan, volume).stat().st_ino
    (folder / "core").write_bytes(b"x" * 10_000)
    _folder(folder / "cache")
    folder.chmod(0)
    _stage(plan, volume)
    assert [each.name for each in folder.iterdir()] == ["image.tar"]
    assert _tarball(plan, volume).stat().st_ino == held


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_where_links_are_refused_the_cell_gets_a_copy(
    plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(link: Path, target: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    for _ in range(2):
        _stage(plan, volume)
        tarball = _tarball(plan, volume)
        assert not tarball.samefile(volume.blob(IMAGE.digest))
        assert tarball.read_bytes() == volume.blob(IMAGE.digest).read_bytes()
        assert tarball.stat().st_mode & 0o777 == 0o444
        assert [each.name for each in tarball.parent.iterdir()] == ["image.tar"]


@pytest.mark.parametrize("offline", [False, True])
def test_a_scan_that_cannot_read_the_layers_is_refused(location: str, volume: Volume, offline: bool) -> None:
    plan = make_plan(location, IMAGE, reads=("gzip", "none"), offline=offline)
    with pytest.raises(PermanentError, match="zstd"):
        _stage(plan, volume)
    assert "zstd" in _record(plan, volume).error
    assert not _tarball(plan, volume).exists()


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        ([], None),
        (["30d"], "30d"),
        (["3650d"], "3650d"),
        (["30d", "", "2w"], "2w"),
        (["30d", "3650d"], "30d"),
        (["3650d", "30d"], "30d"),
        (["3650d", ""], None),  # one who says nothing keeps the scan's own limit
        (["", "30d"], "30d"),
    ],
)
def test_the_strictest_lifetime_that_an_image_has_is_left_for_the_check(plan: Plan, volume: Volume, said, allowed):
    names = tuple(Name(reference=f"a:{number}", labels={MAX_LIFETIME: text}) for number, text in enumerate(said))
    targets = tuple(replace(each, names=names or each.names) for each in plan.targets)
    scans = tuple(replace(each, parameters={"maxAge": "180d"}) for each in plan.scans)
    for _ in range(2):
        _stage(replace(plan, targets=targets, scans=scans), volume)
        path = volume.cell(plan.run, TARGET, SCAN) / MAX_AGE
        assert path.read_text() == (allowed or "")  # a pod mounts it: it is there


def test_a_lifetime_that_cannot_be_understood_fails_its_cell(plan: Plan, volume: Volume):
    names = (Name(reference="a:1", labels={MAX_LIFETIME: "soon"}),)
    targets = tuple(replace(each, names=names) for each in plan.targets)
    scans = tuple(replace(each, parameters={"maxAge": "180d"}) for each in plan.scans)
    with pytest.raises(PermanentError, match="soon"):
        _stage(replace(plan, targets=targets, scans=scans), volume)
    assert "soon" in _record(plan, volume).error


def test_a_failed_pull_is_an_attempt_and_says_why(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(faults.answer(500, times=None))
    with pytest.raises(Broken):
        _stage(plan, volume)
    record = _record(plan, volume)
    assert record.attempts == 1
    assert "500" in record.error
    assert record.finished
    proxy.faults.clear()
    again = _stage(plan, volume)
    assert (again.attempts, again.error, again.finished) == (2, "", "")


def test_the_database_is_the_one_that_is_current_now(location: str, volume: Volume) -> None:
    plan = make_plan(location, IMAGE, database=True)
    with pytest.raises(DatabaseError):
        _stage(plan, volume)
    assert _record(plan, volume).error
    (prepare(volume, SCAN, "key") / "data").write_text("x")
    version = commit(volume, SCAN, "key", longest=timedelta(hours=1))
    assert _stage(plan, volume).database_version == version
    assert (pinned(volume, plan.run, TARGET, SCAN) / "data").read_text() == "x"


def test_a_damaged_record_and_unknown_names(plan: Plan, volume: Volume) -> None:
    path = volume.record(plan.run, TARGET, SCAN)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert _stage(plan, volume).attempts == 1
    with pytest.raises(PermanentError, match="nothing"):
        stage(plan, TARGET, "nothing", volume)
    with pytest.raises(PermanentError, match="nobody"):
        stage(plan, "nobody", SCAN, volume)
