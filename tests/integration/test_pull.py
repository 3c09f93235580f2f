"""The pull step against real registries: whatever goes wrong, the right tarball in the end, or none."""

import hashlib
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from orchestrator.errors import Cancelled, PermanentError, VolumeFullError
from orchestrator.images.manifests import read_image
from orchestrator.images.members import section
from orchestrator.images.tarball.layout import layout as lay_out
from orchestrator.model import Cell, Plan, Platform, Scan
from orchestrator.model.documents import encode
from orchestrator.net.errors import ArchiveError, Broken, Busy, Denied, NotFound, Unsupported, WrongBytes
from orchestrator.steps.pull import pull, pull_held
from orchestrator.steps.tarballs import is_sound
from orchestrator.upkeep import room
from orchestrator.upkeep.links import hold
from orchestrator.volume.layout import Volume, VolumeError, write_atomic
from tests.filesystems import small_filesystem
from tests.integration.pulls import TARGET, check_tarball, fast_client, make_plan
from tests.tools import faults, layouts
from tests.tools.faults import Fault
from tests.tools.images import Image, Index, layer
from tests.tools.proxy import Proxy
from tests.tools.servers import Registry
from tests.tools.upstream import Upstream

_RANDOM = random.Random(7)
BIG = layer({"opt/big": _RANDOM.randbytes(6_000_000)}, "none")
SMALL = layer({"etc/os-release": "ID=debian\n"})
IMAGE = Image.build([SMALL, BIG, layer({"opt/z": _RANDOM.randbytes(700_000)}, "zstd"), SMALL])


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def location(registry: Registry, proxy: Proxy, repository: str) -> str:
    """Where the image is, behind the proxy."""
    registry.push(f"{repository}:1", IMAGE)
    return f"{proxy.url}/{repository}"


@pytest.fixture
def plan(location: str) -> Plan:
    return make_plan(location, IMAGE)


def _pull(plan: Plan, volume: Volume, **options: object) -> Path:
    with fast_client() as client:
        return pull(plan, TARGET, volume, **{"client": client} | options)  # type: ignore[arg-type]


def _nothing_left(volume: Volume) -> bool:
    folder = volume.root / "blobs"
    return not folder.exists() or not list(folder.iterdir())


# When all goes well


def test_each_blob_is_read_once_and_a_second_pull_reads_nothing(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    path = _pull(plan, volume)
    assert path == volume.blob(IMAGE.digest)
    check_tarball(path, IMAGE)
    assert proxy.log.blob_reads() == dict.fromkeys(IMAGE.blobs, 1)
    proxy.log.clear()
    inode = path.stat().st_ino
    assert _pull(plan, volume) == path
    assert path.stat().st_ino == inode
    assert len(proxy.log) == 0


def test_the_same_digest_gives_the_same_file(
    plan: Plan, registry: Registry, volume: Volume, tmp_path: Path, repository: str
) -> None:
    registry.push(f"{repository}/alias:other", IMAGE)
    one = _pull(plan, volume).read_bytes()
    other = _pull(make_plan(f"{registry.url}/{repository}/alias", IMAGE), Volume(tmp_path / "other")).read_bytes()
    assert hashlib.sha256(one).digest() == hashlib.sha256(other).digest()


def test_without_a_client_one_is_made_from_the_plan(plan: Plan, volume: Volume) -> None:
    check_tarball(pull(plan, TARGET, volume), IMAGE)


def test_progress_ends_with_all_bytes(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(faults.slow(SMALL.digest, delay=0.4))
    told: list[tuple[int, int]] = []
    _pull(plan, volume, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (IMAGE.size, IMAGE.size)
    assert {total for _, total in told} == {IMAGE.size}
    assert len(told) > 1


def test_layers_come_in_at_the_same_time(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(faults.slow(delay=0.3))
    _pull(plan, volume)
    assert proxy.log.overlap(faults.BLOBS) > 1


def test_through_a_pull_through_cache_that_alone_has_the_credentials(
    upstream: Upstream, cache: Registry, repository: str, volume: Volume
) -> None:
    upstream.push(f"{repository}:1", IMAGE)
    check_tarball(_pull(make_plan(f"{cache.url}/{repository}", IMAGE), volume), IMAGE)
    assert upstream.log.blob_reads() == dict.fromkeys(IMAGE.blobs, 1)
    with pytest.raises(Denied):
        _pull(make_plan(f"{upstream.url}/{repository}", IMAGE), Volume(volume.root / "other"))


def test_blobs_that_are_redirected(
    make_proxy: Callable[..., Proxy], registry: Registry, repository: str, volume: Volume
) -> None:
    registry.push(f"{repository}:1", IMAGE)
    proxy = make_proxy(redirect_blobs=True)
    proxy.faults.add(faults.reset(f"*/blobs/{BIG.digest}", after_bytes=1_000_000, after=1))
    check_tarball(_pull(make_plan(f"{proxy.url}/{repository}", IMAGE), volume), IMAGE)


def test_a_plan_made_offline_may_have_pinned_an_index(registry: Registry, repository: str, volume: Volume) -> None:
    arm = Image.build([SMALL], platform="linux/arm64/v8")
    index = Index.build([IMAGE, arm])
    registry.push(f"{repository}:1", index)
    platform = Platform(architecture="arm64")
    location = f"{registry.url}/{repository}"
    plan = make_plan(location, arm, offline=True, digest=index.digest, platform=platform)
    path = _pull(plan, volume)
    assert path == volume.blob(index.digest)
    check_tarball(path, arm)
    inode = path.stat().st_ino
    assert _pull(plan, volume).stat().st_ino == inode
    other = _pull(make_plan(location, IMAGE, offline=True, digest=index.digest), volume)
    check_tarball(other, IMAGE)


# Cuts, and what passes


@pytest.mark.parametrize(
    "rules",
    [
        [faults.reset(BIG.digest, after_bytes=2_500_000)],
        [faults.short(BIG.digest, after_bytes=2_500_000)],
        [faults.reset(BIG.digest, after_bytes=2_500_000), faults.reset(BIG.digest, after_bytes=100)],
        [faults.reset(BIG.digest)],
        [faults.no_length(BIG.digest, times=None)],
        [faults.no_length(BIG.digest, times=1), faults.reset(BIG.digest, after_bytes=1_000)],
        [faults.answer(429, BIG.digest, retry_after=0), faults.answer(503, BIG.digest)],
        [faults.reset(after_bytes=50, times=4)],
        [faults.answer(500, faults.MANIFESTS, times=2)],
    ],
    ids=range(9),
)
def test_what_passes_is_overcome(plan: Plan, volume: Volume, proxy: Proxy, rules: list[Fault]) -> None:
    proxy.faults.add(*(_copy(rule) for rule in rules))
    check_tarball(_pull(plan, volume), IMAGE)


def _copy(rule: Fault) -> Fault:
    """Rules count themselves down."""
    return Fault(**vars(rule))


def test_a_cut_blob_continues_where_it_was_cut(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(faults.reset(BIG.digest, after_bytes=2_500_000))
    check_tarball(_pull(plan, volume), IMAGE)
    first, second = proxy.log.select(path=f"*{BIG.digest}")
    assert second.range == "bytes=2500000-"
    assert first.sent + second.sent == len(BIG.blob)


def test_a_server_that_ignores_range_begins_again(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(faults.reset(BIG.digest, after_bytes=2_500_000), faults.ignore_range(BIG.digest))
    check_tarball(_pull(plan, volume), IMAGE)
    assert proxy.log.select(path=f"*{BIG.digest}")[1].sent == len(BIG.blob)


def test_a_blob_that_is_cut_again_and_again_gets_there(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(faults.reset(BIG.digest, after_bytes=1_100_000, times=None))
    with fast_client(retries=1) as client:
        check_tarball(pull(plan, TARGET, volume, client=client), IMAGE)
    assert proxy.log.count(path=f"*{BIG.digest}") == 6


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (faults.answer(401, times=None), Denied),
        (faults.answer(403, BIG.digest, times=None), Denied),
        (faults.answer(404, BIG.digest, times=None), NotFound),
        (faults.answer(429, BIG.digest, times=None), Busy),
        (faults.answer(500, BIG.digest, times=None), Broken),
        (faults.reset(BIG.digest, after_bytes=100, times=None), Broken),
        (faults.stall(BIG.digest, after_bytes=100, times=None), Broken),
    ],
    ids=["401", "403", "404", "429", "500", "reset", "stall"],
)
def test_what_does_not_pass_is_reported(
    plan: Plan, volume: Volume, proxy: Proxy, rule: Fault, error: type[Exception]
) -> None:
    proxy.faults.add(_copy(rule))
    client = fast_client(retries=1)
    client._transport._timeout.__init__(connect=2, read=0.5)  # type: ignore[misc] # stalls must not last
    with client, pytest.raises(error):
        pull(plan, TARGET, volume, client=client)
    assert not volume.blob(IMAGE.digest).exists()
    proxy.faults.clear()
    check_tarball(_pull(plan, volume), IMAGE)


def test_after_a_failure_that_may_pass_what_is_whole_is_kept(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(Fault(path=SMALL.digest, status=500, delay=1, times=None))
    with fast_client(retries=0) as client, pytest.raises(Broken):
        pull(plan, TARGET, volume, client=client)
    proxy.faults.clear()
    proxy.log.clear()
    check_tarball(_pull(plan, volume), IMAGE)
    assert set(proxy.log.blob_reads()) == {SMALL.digest}


# Bytes that are wrong


@pytest.mark.parametrize("at", [0, 3_000_000, len(BIG.blob) - 1])
def test_wrong_bytes_are_read_once_more_then_refused(plan: Plan, volume: Volume, proxy: Proxy, at: int) -> None:
    proxy.faults.add(faults.corrupt(BIG.digest, at=at))
    check_tarball(_pull(plan, volume), IMAGE)
    assert proxy.log.blob_bytes()[BIG.digest] == 2 * len(BIG.blob)
    volume.blob(IMAGE.digest).unlink()
    proxy.faults.add(faults.corrupt(BIG.digest, at=at, times=None))
    with pytest.raises(WrongBytes, match=BIG.digest):
        _pull(plan, volume)
    assert _nothing_left(volume)


def test_a_flip_before_a_cut_is_found_too(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(Fault(path=BIG.digest, corrupt_at=5, reset_after=2_500_000))
    check_tarball(_pull(plan, volume), IMAGE)
    assert proxy.log.count(path=f"*{BIG.digest}") == 3


@pytest.mark.parametrize("body", [b"", b"x", BIG.blob + b"x", BIG.blob[:-1]], ids=["empty", "one", "long", "short"])
def test_another_length(plan: Plan, volume: Volume, proxy: Proxy, body: bytes) -> None:
    proxy.faults.add(faults.answer(200, BIG.digest, body=body or b"\0", times=None))
    with pytest.raises(WrongBytes):
        _pull(plan, volume)
    assert _nothing_left(volume)


def test_a_manifest_with_a_tampered_layer_size(registry: Registry, repository: str, volume: Volume) -> None:
    manifest = json.loads(IMAGE.manifest)
    manifest["layers"][1]["size"] += 1
    liar = Image(json.dumps(manifest).encode(), IMAGE.config, IMAGE.layers, {}, IMAGE.media_type)
    registry.push(f"{repository}:1", liar)
    with pytest.raises(WrongBytes):
        _pull(make_plan(f"{registry.url}/{repository}", liar), volume)
    assert _nothing_left(volume)


def test_foreign_layers_only_from_the_registry_itself(registry: Registry, repository: str, volume: Volume) -> None:
    foreign = layer({"windows": "base"}, urls=["http://127.0.0.1:1/base.tar.gz"])
    image = Image.build([foreign, SMALL])
    registry.push(f"{repository}:1", image)
    plan = make_plan(f"{registry.url}/{repository}", image)
    with pytest.raises(Unsupported, match=foreign.digest):
        _pull(plan, volume)
    assert _nothing_left(volume)
    registry.push(f"{repository}:with-it", Image.build([layer({"windows": "base"})]))
    check_tarball(_pull(plan, volume), image)


# The volume


def test_a_full_volume_is_known_before_the_first_layer(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    with small_filesystem(volume.root, "5m"):
        with pytest.raises(VolumeFullError) as error:
            _pull(plan, volume)
        assert str(plan.targets[0].size) in str(error.value)
        assert str(volume.root) in str(error.value)
        assert _nothing_left(volume)
        assert not proxy.log.blob_reads()


def _cache(volume: Volume, name: str, size: int) -> Path:
    """A blob that nobody has a link to, too large to lie beside the image."""
    blob = volume.blob(f"sha256:{name}")
    blob.parent.mkdir(exist_ok=True)
    blob.write_bytes(b"x" * size)
    return blob


def test_on_a_full_volume_what_is_only_a_cache_goes(
    plan: Plan, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_filesystem(volume.root, "12m"):
        cached = _cache(volume, "1", 9_000_000)
        with pytest.raises(VolumeFullError):  # just pulled by somebody
            _pull(plan, volume)
        assert cached.exists()
        monkeypatch.setattr(room, "_URGENT", -1.0)
        linked = volume.root / "of-another-run"
        linked.hardlink_to(cached)
        with pytest.raises(VolumeFullError):
            _pull(plan, volume)
        linked.unlink()
        assert is_sound(_pull(plan, volume), plan.targets[0])
        assert not cached.exists()


def test_on_a_full_volume_images_go_whose_cells_have_all_ended_well(plan: Plan, volume: Volume) -> None:
    """The run's own, though the cells still have their links: nothing will read them any more."""
    scan = Scan(name="root-user", image="x", command=("x",), format="scanmatrix", builtin=True)
    other = msgspec.structs.replace(plan.targets[0], id="other", digest=f"sha256:{'1' * 64}", size=None)
    cells = tuple(Cell(target=id_, scan=scan.name) for id_ in ("other", plan.targets[0].id))
    two = msgspec.structs.replace(plan, targets=(*plan.targets, other), scans=(scan,), cells=cells)
    with small_filesystem(volume.root, "12m"):
        blob = _cache(volume, "1" * 64, 9_000_000)
        assert hold(two, "other", volume)
        with pytest.raises(VolumeFullError):
            _pull(two, volume)
        report = volume.cell(two.run, "other", scan.name) / scan.report
        report.write_bytes(b'{"format": "scanmatrix/1", "scanner": {"name": "root-user"}, "findings": []}')
        assert is_sound(_pull(two, volume), plan.targets[0])
        assert not blob.exists()
        assert report.exists()


def test_a_pull_that_is_held_stays_until_the_run_has_ended(plan: Plan, volume: Volume) -> None:
    scan = Scan(name="root-user", image="x", command=("x",), format="scanmatrix", builtin=True)
    cells = (Cell(target=plan.targets[0].id, scan=scan.name),)
    one = msgspec.structs.replace(plan, scans=(scan,), cells=cells)
    blob = pull_held(one, plan.targets[0].id, volume)
    assert blob.samefile(volume.tarball(one.run, plan.targets[0].id, scan.name))
    assert pull_held(one, plan.targets[0].id, volume) == blob


def test_a_limit_on_file_sizes_is_reported_the_same_way(plan: Plan, volume: Volume) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, before[1]))
    try:
        with pytest.raises(VolumeError):
            _pull(plan, volume)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert _nothing_left(volume)


def _truncate(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, 4000)


def _overwrite(path: Path) -> None:
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(-5_000_000, os.SEEK_END)
        file.write(b"damage")


@pytest.mark.parametrize("damage", [_truncate, _overwrite, Path.unlink])
def test_a_damaged_or_missing_tarball_is_pulled_again(
    plan: Plan, volume: Volume, damage: Callable[[Path], None]
) -> None:
    damage(_pull(plan, volume))
    check_tarball(_pull(plan, volume), IMAGE)


def test_targets_that_cannot_be_pulled(plan: Plan, volume: Volume) -> None:
    with pytest.raises(PermanentError, match="nobody"):
        pull(plan, "nobody", volume)
    unresolved = make_plan("", IMAGE).targets[0].__class__(id="x", names=plan.targets[0].names, error="no such tag")
    with pytest.raises(PermanentError, match="no such tag"):
        pull(Plan(run="r", created="", version="", scans=(), targets=(unresolved,), cells=()), "x", volume)


def test_an_image_of_schema_1_or_an_artifact_leaves_nothing(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(faults.answer(404, faults.MANIFESTS, times=None))
    with pytest.raises(NotFound):
        _pull(plan, volume)
    assert _nothing_left(volume)


# Several at once, and cut off


def test_threads_that_pull_the_same_digest_read_it_once(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    with fast_client() as client, ThreadPoolExecutor(6) as pool:
        paths = list(pool.map(lambda _: pull(plan, TARGET, volume, client=client), range(6)))
    assert set(paths) == {volume.blob(IMAGE.digest)}
    check_tarball(paths[0], IMAGE)
    assert proxy.log.blob_reads() == dict.fromkeys(IMAGE.blobs, 1)


def _start(plan: Plan, volume: Volume) -> subprocess.Popen[bytes]:
    """The step as its pod runs it."""
    write_atomic(volume.plan(plan.run), encode(plan))
    command = [sys.executable, "-m", "orchestrator.steps", "pull", "--run", plan.run, "--target", TARGET]
    return subprocess.Popen([*command, "--volume", str(volume.root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_processes_that_pull_the_same_digest_read_it_once(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(faults.slow(BIG.digest, delay=2))  # long enough to meet
    processes = [_start(plan, volume) for _ in range(3)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    check_tarball(volume.blob(IMAGE.digest), IMAGE)
    assert proxy.log.blob_reads() == dict.fromkeys(IMAGE.blobs, 1)


def test_one_of_two_pulls_is_killed_and_the_other_ends_it(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(faults.slow(BIG.digest, rate=3_000_000, delay=0))
    first, second = _start(plan, volume), _start(plan, volume)
    _wait_for(lambda: proxy.log.blob_bytes()[BIG.digest] > 1_000_000)
    first.kill()
    first.communicate()
    proxy.faults.clear()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 0, errors
    check_tarball(volume.blob(IMAGE.digest), IMAGE)


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_at_any_moment_and_run_again(
    plan: Plan, registry: Registry, repository: str, tmp_path: Path, proxy: Proxy
) -> None:
    proxy.faults.add(faults.slow(rate=20_000_000))  # its layers then take a third of a second
    moments = random.Random(11)
    killed = left = 0
    for number in range(16):
        volume = Volume(tmp_path / str(number % 3))  # most begin with what an earlier one left
        proxy.log.clear()
        process = _start(plan, volume)
        if number % 6:  # the others are killed while Python starts
            _wait_for(lambda: len(proxy.log) > 0)
        try:
            process.wait(timeout=moments.uniform(0, 0.4))
        except subprocess.TimeoutExpired:
            process.send_signal(moments.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            killed += 1
        process.communicate()
        final = volume.blob(IMAGE.digest)
        if final.exists():  # a final name is never that of half a file
            check_tarball(final, IMAGE)
            final.unlink()
        left += not _nothing_left(volume)
    assert killed >= 7
    assert left >= 2
    proxy.faults.clear()
    for number in range(3):
        check_tarball(_pull(plan, Volume(tmp_path / str(number))), IMAGE)


def test_a_killed_pull_s_layers_are_not_read_again(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(faults.stall(SMALL.digest, times=1))
    process = _start(plan, volume)
    place = lay_out(read_image(IMAGE.manifest, origin="test")).blobs[BIG.digest]
    hidden = volume.blob(IMAGE.digest).with_name(f".{volume.blob(IMAGE.digest).name}.partial")

    def is_written() -> bool:
        with suppress(FileNotFoundError), hidden.open("rb") as file:
            return section(file.fileno(), place.offset, place.size).read() == BIG.blob
        return False

    _wait_for(is_written)
    process.kill()
    process.communicate()
    proxy.log.clear()
    check_tarball(_pull(plan, volume), IMAGE)
    assert BIG.digest not in proxy.log.blob_reads()


def test_damage_in_what_was_left_is_found(plan: Plan, volume: Volume) -> None:
    path = _pull(plan, volume)
    hidden = path.with_name(f".{path.name}.partial")
    path.rename(hidden)
    hidden.chmod(0o644)
    with hidden.open("r+b") as file:
        file.seek(-5_000_000, os.SEEK_END)
        file.write(b"damage")
    check_tarball(_pull(plan, volume), IMAGE)


def test_cancelled_in_the_middle(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(faults.stall(BIG.digest, after_bytes=1_000_000))
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        _pull(plan, volume, cancelled=stop)
    assert time.monotonic() - began < 30  # not only when the read times out
    assert _nothing_left(volume)


def test_ctrl_c_in_the_middle(plan: Plan, volume: Volume, proxy: Proxy) -> None:
    proxy.faults.add(faults.stall(BIG.digest, after_bytes=1_000_000))
    process = _start(plan, volume)
    _wait_for(lambda: proxy.log.blob_bytes()[BIG.digest] == 1_000_000)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode != 0
    assert _nothing_left(volume)


# Local archives


@pytest.mark.parametrize("form", ["archive", "folder", "docker-save"])
def test_a_local_archive_becomes_the_same_kind_of_tarball(tmp_path: Path, volume: Volume, form: str) -> None:
    image = IMAGE
    if form == "archive":
        path = layouts.write_archive(tmp_path / "app.tar", IMAGE)
    elif form == "folder":
        path = layouts.write_layout(tmp_path / "app", IMAGE)
    else:
        image = Image.build([layer({"a": "b"}, "none"), BIG])
        path = layouts.write_docker_save(tmp_path / "app.tar", image)
        image = _as_saved(path, image)
    check_tarball(_pull(make_plan(f"file:{path}", image), volume), image)


def _as_saved(path: Path, image: Image) -> Image:
    """The image with the manifest that is made of a `docker save` archive."""
    from orchestrator.images.local.archives import open_local  # noqa: PLC0415

    with open_local(path) as archive:
        return Image(archive.found[0].manifest, image.config, image.layers, image.platform, image.media_type)


def test_a_local_archive_that_changed_or_is_damaged(tmp_path: Path, volume: Volume) -> None:
    path = layouts.write_archive(tmp_path / "app.tar", IMAGE)
    plan = make_plan(f"file:{path}", IMAGE)
    data = path.read_bytes()
    path.write_bytes(data.replace(BIG.blob[1_000_000:1_000_050], b"?" * 50))
    with pytest.raises(ArchiveError, match=BIG.digest):
        _pull(plan, volume)
    path.write_bytes(data[:5_000_000])
    with pytest.raises(ArchiveError):
        _pull(plan, volume)
    layouts.write_archive(path, Image.build([SMALL]))
    with pytest.raises(ArchiveError, match="plan"):
        _pull(plan, volume)
    assert _nothing_left(volume)
