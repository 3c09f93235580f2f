"""What is done to runs of the local engine, with a real registry, cache, filesystem, clock and scanners."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from orchestrator.engines.local.warden import family
from orchestrator.model import Database, Resources
from orchestrator.upkeep.databases import commit, prepare
from tests.campaign import clock
from tests.campaign.expected import ALL, UNDISTURBED, Expected
from tests.campaign.scanners import FAULTS, GOOD, PROGRAMS
from tests.integration.engine import wait_for
from tests.tools.faults import BLOBS, Fault, answer, corrupt, reset, slow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from orchestrator.model import Plan
    from orchestrator.volume.layout import Volume
    from tests.tools.images import Image
    from tests.tools.proxy import Proxy
    from tests.tools.servers import Registry
    from tests.tools.upstream import Upstream

#: Its blobs are the largest.
LARGE = "one"
IMAGES = (LARGE, "two", "three")
#: Seconds in which an engine gets as far as something is done to it, on a machine that does much else.
_PATIENCE = 300
_OF_LARGE = f"/v2/*{LARGE}/blobs/*"


@dataclass
class LocalBench:
    """Where a trial takes place.

    Attributes:
        folder: of the trial.
        volume: of the run, not made yet.
        plan: of the run; a trial may change it.
        upstream: the registry that the cache reads.
        proxy: between the engine and the cache.
        cache: the pull-through cache; it has all blobs, unless a trial takes a `new_cache`.
        new_cache: starts an empty one.
        images: what is in the registry, by name.
        environment: further variables of the engine.
    """

    folder: Path
    volume: Volume
    plan: Plan
    upstream: Upstream
    proxy: Proxy
    cache: Registry
    new_cache: Callable[[], Registry]
    images: dict[str, Image]
    environment: dict[str, str] = field(default_factory=dict)

    def change_scan(self, name: str, **changes: object) -> None:
        """Change one scan of the plan."""
        scans = [msgspec.structs.replace(one, **changes) if one.name == name else one for one in self.plan.scans]
        self.plan = msgspec.structs.replace(self.plan, scans=tuple(scans))


def nothing(_: LocalBench) -> AbstractContextManager[None]:
    """The scanners are the fault."""
    return nullcontext()


@dataclass(frozen=True)
class Trial:
    """One fault.

    Attributes:
        fault: in words; the row of the table.
        expected: of the run's cells.
        inflict: does it; undone at its end.
        scans: of the run.
        short: whether CI has it as well.
        ends: what the engine says where it ends without a ledger; empty where there is one.
        strike: what is done while the engine is active.
        cut: whether that ends the engine, and the run ends when it is resumed.
    """

    fault: str
    expected: Expected
    inflict: Callable[[LocalBench], AbstractContextManager[None]] = nothing
    scans: tuple[str, ...] = GOOD
    short: bool = False
    ends: str = ""
    strike: Callable[[LocalBench, subprocess.Popen[str]], None] = lambda *_: None
    cut: bool = False


def kill_scanner(bench: LocalBench, engine: subprocess.Popen[str]) -> None:
    """The process of one that takes a moment."""
    slow = PROGRAMS["waits"].encode()

    def killed() -> bool:
        for pid in family(engine.pid):
            with suppress(OSError):
                if slow in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
                    return True
        return False

    wait_for(killed, engine, _PATIENCE)


def kill_while_writing(bench: LocalBench, engine: subprocess.Popen[str]) -> None:
    """The engine, when the first of its results' files appears."""
    folder = bench.volume.results(bench.plan.run)
    wait_for(lambda: any(folder.glob(".*.tmp")), engine, _PATIENCE)
    os.killpg(engine.pid, signal.SIGKILL)


def terminate(bench: LocalBench, engine: subprocess.Popen[str]) -> None:
    """The engine is asked to end when a cell has ended."""
    wait_for(lambda: any(bench.volume.run(bench.plan.run).glob("*/finds/report.json")), engine, _PATIENCE)
    engine.terminate()


def rules(*given: Callable[[], Fault]) -> Callable[[LocalBench], AbstractContextManager[None]]:
    """The registry, as the engine sees it, misbehaves."""

    @contextmanager
    def inflict(bench: LocalBench) -> Iterator[None]:
        bench.proxy.faults.add(*(make() for make in given))
        try:
            yield
        finally:
            bench.proxy.faults.clear()

    return inflict


@contextmanager
def cache_down(bench: LocalBench) -> Iterator[None]:
    """The cache's process is killed; another one comes afterwards."""
    dying, before = bench.new_cache(), bench.proxy.target
    bench.proxy.target = dying.host
    os.kill(dying.pid, signal.SIGKILL)
    try:
        yield
    finally:
        bench.proxy.target = before


@contextmanager
def cache_corrupted(bench: LocalBench) -> Iterator[None]:
    """One byte of a layer changes on the disk of the cache, which has served it before."""
    digest = bench.images[LARGE].layers[0].digest.removeprefix("sha256:")
    path = bench.cache.storage / "docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data"
    _flip(path)
    try:
        yield
    finally:
        _flip(path)


def _flip(path: Path, at: int = 1000) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0xFF]))


@contextmanager
def tag_moved(bench: LocalBench) -> Iterator[None]:
    """Each tag names another image since the plan was made."""
    names = list(bench.images)
    for name, other in zip(names, [*names[1:], names[0]], strict=True):
        bench.upstream.push(f"campaign/{name}:1", bench.images[other])
    try:
        yield
    finally:
        for name, image in bench.images.items():
            bench.upstream.push(f"campaign/{name}:1", image)


@contextmanager
def image_gone(bench: LocalBench) -> Iterator[None]:
    """The tag was moved, and what it named was removed from the registry; the cache never had it."""
    before = bench.proxy.target
    bench.proxy.target = bench.new_cache().host
    rule = answer(404, f"/v2/*{LARGE}/manifests/*", times=None, body=b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
    bench.upstream.faults.add(rule)
    try:
        yield
    finally:
        bench.upstream.faults.clear()
        bench.proxy.target = before


def mounted(options: str, mended: str) -> Callable[[LocalBench], AbstractContextManager[None]]:
    """The volume is a filesystem of its own.

    Args:
        options: how it is mounted while the fault lasts.
        mended: how it is mounted again afterwards.
    """

    @contextmanager
    def inflict(bench: LocalBench) -> Iterator[None]:
        bench.volume.root.mkdir()
        _mount("-t", "tmpfs", "-o", options, "tmpfs", bench.volume.root)
        yield
        _mount("-o", f"remount,{mended}", bench.volume.root)

    return inflict


def _mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def database(*, before: bool) -> Callable[[LocalBench], AbstractContextManager[None]]:
    """A scan has a database whose refresh fails; its mirror is there again afterwards.

    Args:
        before: whether an earlier refresh left one.
    """

    @contextmanager
    def inflict(bench: LocalBench) -> Iterator[None]:
        away = bench.folder / "mirror-is-away"
        away.touch()
        script = (
            "import os, sys\n"
            f"if os.path.exists({str(away)!r}): sys.exit('the mirror is away')\n"
            "open(sys.argv[1] + '/db', 'w').write('data')"
        )
        bench.change_scan("finds", database=Database(refresh=(sys.executable, "-c", script, "{database}")))
        if before:
            (prepare(bench.volume, "finds", "before") / "db").write_text("old")
            commit(bench.volume, "finds", "before", longest=_hour())
        try:
            yield
        finally:
            away.unlink()

    return inflict


def _hour() -> timedelta:
    from datetime import timedelta  # noqa: PLC0415

    return timedelta(hours=1)


@contextmanager
def clock_stepping(bench: LocalBench) -> Iterator[None]:
    """The clock of the day goes a day forward and two days back, again and again, while the run is active."""
    library, file = clock.library(bench.folder), bench.folder / "clock"
    file.write_text("0")
    bench.environment |= {"LD_PRELOAD": str(library), "CAMPAIGN_CLOCK": str(file)}
    stopped = threading.Event()

    def step() -> None:
        steps = (86_400, -86_400, 3600, -7)
        number = 0
        while not stopped.wait(0.2):
            file.write_text(str(steps[number % len(steps)]))
            number += 1

    thread = threading.Thread(target=step, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        bench.environment.clear()


def limited(name: str, **changes: object) -> Callable[[LocalBench], AbstractContextManager[None]]:
    """A scan of the run has other limits."""

    @contextmanager
    def inflict(bench: LocalBench) -> Iterator[None]:
        bench.change_scan(name, **changes)
        yield

    return inflict


def scanner(name: str, *reasons: str, short: bool = False, **changes: object) -> Trial:
    """A trial in which one of three scans is bad; one without reasons ends well all the same."""
    expected = Expected(f"*/{name}", must_fail=True, reasons=reasons, mended=False) if reasons else UNDISTURBED
    return Trial(FAULTS[name], expected, limited(name, **changes), ("finds", "lists", name), short=short)


def _large(*reasons: str, must_fail: bool = True) -> Expected:
    return Expected(f"{LARGE}/*", must_fail=must_fail, reasons=reasons)


def _of(scan: str, *reasons: str) -> Expected:
    return Expected(f"*/{scan}", must_fail=True, reasons=reasons)


TRIALS = (
    Trial("cache down", Expected(ALL, must_fail=True, reasons=("pull: ",)), cache_down),
    Trial("cache wrong bytes", _large("pull: .*(digest|sha256)"), cache_corrupted, short=True),
    Trial("registry wrong bytes once", UNDISTURBED, rules(lambda: corrupt(_OF_LARGE, at=1000))),
    Trial("registry 401", _large("pull: .*401"), rules(lambda: answer(401, _OF_LARGE, times=None))),
    Trial("registry 403", _large("pull: .*403"), rules(lambda: answer(403, _OF_LARGE, times=None))),
    Trial("registry 429 for a while", UNDISTURBED, rules(lambda: answer(429, BLOBS, times=2, retry_after=1))),
    Trial("registry 429", _large("pull: .*429"), rules(lambda: answer(429, _OF_LARGE, times=None))),
    Trial("registry 5xx for a while", UNDISTURBED, rules(lambda: answer(503, BLOBS), lambda: answer(500, BLOBS))),
    Trial("registry 5xx", _large("pull: .*50[03]"), rules(lambda: answer(503, _OF_LARGE, times=None))),
    Trial("registry reset", UNDISTURBED, rules(lambda: reset(_OF_LARGE, after_bytes=100_000, times=2)), short=True),
    Trial("registry reset always", _large("pull: "), rules(lambda: reset(_OF_LARGE, after_bytes=0, times=None))),
    Trial("registry slow", UNDISTURBED, rules(lambda: slow(_OF_LARGE, rate=2_000_000))),
    Trial("tag moved", UNDISTURBED, tag_moved, short=True),
    Trial("tag moved, image gone", _large("pull: .*(404|does not have|not found|unknown)"), image_gone),
    Trial("volume full", _large("no space"), mounted("size=5m", "size=100m"), short=True),
    Trial("volume read-only", Expected(), mounted("ro", "rw"), ends="[Rr]ead-only"),
    Trial("scan killed", Expected("*/waits", reasons=("signal 9|SIGKILL|killed",)), strike=kill_scanner),
    Trial("aggregate killed while writing", UNDISTURBED, strike=kill_while_writing, cut=True),
    Trial("engine terminated", UNDISTURBED, strike=terminate, cut=True),
    scanner("oom", "ran out of memory|memory"),
    scanner("hang", "timed out", timeout=2),
    scanner("fork-bomb", "exit code 9|processes|killed", resources=Resources(pids=40)),
    scanner("huge-log"),
    scanner("huge-report", "limit", report_limit=1 << 20),
    scanner("garbage", "report", short=True),
    scanner("half", "report"),
    scanner("no-report", "no report"),
    scanner("locks-up"),
    Trial("database refresh failing", _of("finds", "database of finds"), database(before=False)),
    Trial("database refresh failing, one is there", UNDISTURBED, database(before=True)),
    Trial("clock stepping", UNDISTURBED, clock_stepping, short=True),
)  # fmt: skip
