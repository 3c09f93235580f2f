"""Runs of the local engine in a process of its own, cut off and resumed, on volumes of their own.

As a program it is an engine that kills itself just before it changes the volume for the n-th time:

    python -m tests.campaign.local_bench POINT WHOM PLAN.json VOLUME RUNNER SANDBOX

POINT 0 kills nobody and says how many points there are; WHOM is `process` or `group`.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orchestrator.model import Resources, Scan
from orchestrator.model.documents import encode
from orchestrator.volume.layout import Volume
from tests.campaign.expected import UNDISTURBED
from tests.campaign.judge import judge
from tests.campaign.outcome import outcomes_of
from tests.campaign.scanners import format_of, program
from tests.campaign.whole import half_written
from tests.integration.engine import ROOT, main, start_engine, wait_for
from tests.tools import samples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.engines.local.sandbox import Sandboxing
    from orchestrator.model import Plan
    from tests.campaign.outcome import Outcomes
    from tests.tools.images import Image

    Whom = Literal["process", "group"]

#: Seconds after which an engine that was resumed, or a scanner without one, is an error.
_PATIENCE = 300
#: What changes a volume, as Python's audit events call it; `open` counts where it is for writing.
_CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.utime", "os.symlink"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing happened to.

    Attributes:
        plan: of it.
        outcomes: its results.
        seconds: from its lock to its end.
        points: times that it changed the volume.
    """

    plan: Plan
    outcomes: Outcomes
    seconds: float
    points: int


@dataclass(frozen=True)
class Cut:
    """Where a run is cut off.

    Attributes:
        seconds: after it took its lock; None for a point.
        point: just before it changes the volume for this time, counted from 1.
        whom: its process alone, as the kernel does for lack of memory, or its group as well.
        sandbox: how its scanners are kept.
    """

    seconds: float | None = None
    point: int = 0
    whom: Whom = "process"
    sandbox: Sandboxing = "off"

    def __str__(self) -> str:
        where = f"change {self.point}" if self.seconds is None else f"{self.seconds:.3f} s"
        return f"{self.whom} at {where}, sandbox {self.sandbox}"


def scans(*names: str, **fields: object) -> list[Scan]:
    """Scans whose scanners are those of the campaign."""
    return [
        Scan(
            **{
                "name": name,
                "image": "localhost/campaign:1",
                "command": (sys.executable, "-c", program(name), "{tarball}", "{report}"),
                "format": format_of(name),
                "timeout": 60,
                "resources": Resources(memory_limit="256Mi"),
                **fields,
            }
        )
        for name in names
    ]


def images() -> list[Image]:
    """Three, of different sizes."""
    return [samples.bulky(layers=3, megabytes=2), samples.system(), samples.small()]


def cuts(seed: int, number: int, undisturbed: Undisturbed, *, sandboxes: Sequence[Sandboxing]) -> list[Cut]:
    """Random places, half of them in time, half of them at a change of the volume.

    Args:
        seed: of chance.
        number: of places.
        undisturbed: the run that is cut off.
        sandboxes: how scanners are kept, one of them each time.
    """
    chance = random.Random(seed)
    found = []
    for each in range(number):
        whom: Whom = chance.choice(("process", "group"))
        sandbox = chance.choice(sandboxes)
        if each % 2:
            found.append(Cut(chance.uniform(0, undisturbed.seconds), whom=whom, sandbox=sandbox))
        else:
            found.append(Cut(point=chance.randint(1, undisturbed.points), whom=whom, sandbox=sandbox))
    return found


def run_undisturbed(plan: Plan, root: Path) -> Undisturbed:
    """Run a plan, measured.

    Raises:
        AssertionError: something is wrong with the run all the same.
    """
    volume = Volume(root)
    process = start(plan, volume)
    wait_for(lambda: volume.lock(plan.run).exists(), process)
    began = time.monotonic()
    _, said = process.communicate(timeout=_PATIENCE)
    seconds = time.monotonic() - began
    assert process.returncode == 0, said
    assert judge(volume, plan, UNDISTURBED) == []
    return Undisturbed(plan, outcomes_of(volume, plan.run), seconds, int(said.split()[-1]))


def cut_and_resume(undisturbed: Undisturbed, cut: Cut, root: Path) -> list[str]:
    """Kill a run at one place and run it again; what is wrong with it then, or was when it lay there killed."""
    volume, plan = Volume(root), undisturbed.plan
    process = start(plan, volume, point=cut.point, whom=cut.whom, sandbox=cut.sandbox)
    if cut.seconds is not None:
        wait_for(lambda: volume.lock(plan.run).exists(), process)
        time.sleep(cut.seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL) if cut.whom == "group" else process.kill()
    process.communicate(timeout=_PATIENCE)
    said = [f"killed: {each}" for each in half_written(volume)]
    said += resume(plan, volume, cut.sandbox)
    return said + judge(volume, plan, UNDISTURBED, undisturbed.outcomes)


def resume(plan: Plan, volume: Volume, sandbox: Sandboxing = "off") -> list[str]:
    """Run a plan again on its volume; what is wrong with that."""
    again = start_engine(plan, volume.root, sandbox=sandbox)
    _, text = again.communicate(timeout=_PATIENCE)
    said = [] if again.returncode == 0 else [f"the resumed engine ended with {again.returncode}: {text[-1000:]}"]
    return said + [f"still running: {each}" for each in survivors(volume.root)]


def survivors(root: Path, seconds: float = 10) -> list[str]:
    """Command lines of processes that still name a volume or have something of it open, after some time to end."""
    end = time.monotonic() + seconds
    while (found := _left(root)) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def _left(root: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        named = any(word.startswith(f"{root}/") for word in words) and process.name != str(os.getpid())
        if open_there := _open_below(process, root):
            found.append(f"{' '.join(words)[-300:]} (has {', '.join(open_there)} open)")
        elif named:
            found.append(" ".join(words)[-300:])
    return found


def _open_below(process: Path, root: Path) -> list[str]:
    """What a process, as its folder of proc(5), has open of a folder, or works or runs in."""
    try:
        links = [process / "cwd", process / "root", process / "exe", *(process / "fd").iterdir()]
        maps = (process / "maps").read_text(errors="replace")
    except OSError:  # it has ended, or is another user's
        return []
    targets = []
    for link in links:
        with contextlib.suppress(OSError):
            targets.append(link.readlink())
    found = [str(each) for each in targets if each.is_relative_to(root)]
    return found + [line for line in maps.splitlines() if f" {root}/" in line]


def start(
    plan: Plan,
    volume: Volume,
    *,
    point: int = 0,
    whom: Whom = "process",
    sandbox: Sandboxing = "off",
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start an engine in a process and a session of its own, which counts how often it changes the volume."""
    path = volume.root.with_name(f"{volume.root.name}-{plan.run}.plan.json")
    path.write_bytes(encode(plan))
    command = [sys.executable, "-m", "tests.campaign.local_bench", str(point), whom, str(path), str(volume.root)]
    return subprocess.Popen(
        [*command, "process", sandbox],
        cwd=ROOT,
        env=os.environ | (environment or {}),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


class _Counter:
    """Counts what changes the volume, and kills at one of these points."""

    def __init__(self, point: int, whom: str) -> None:
        self.changes, self._point, self._whom = 0, point, whom

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in _CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING):
            self.changes += 1
            if self.changes == self._point:
                os.killpg(0, signal.SIGKILL) if self._whom == "group" else os.kill(os.getpid(), signal.SIGKILL)


def _engine(point: str, whom: str, *rest: str) -> int:
    counter = _Counter(int(point), whom)
    sys.argv[1:] = rest
    sys.addaudithook(counter)
    status = main()
    if not int(point):
        sys.stderr.write(f"\n{counter.changes}\n")
    return status


if __name__ == "__main__":
    sys.exit(_engine(*sys.argv[1:]))
