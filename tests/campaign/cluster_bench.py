"""Where a trial in the cluster takes place, and what a trial is; `cluster_faults` and `cluster_storage` have them."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orchestrator
from orchestrator.argo.names import REAPER
from orchestrator.argo.names import Component as Of
from tests.campaign.expected import UNDISTURBED, Expected
from tests.campaign.scanners import GOOD, format_of, program
from tests.cluster import faults
from tests.cluster.images import ORCHESTRATOR
from tests.cluster.state import NODE_IP
from tests.e2e import quick

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from tests.cluster.state import State
    from tests.e2e.site import Site

    #: Something that is so for a while.
    While = Callable[["ClusterBench"], AbstractContextManager[None]]

IMAGES = ("one", "two")
#: Scanners that do something wrong, with the reason that their cells have; none where they end well.
BAD = {
    "oom": "ran out of memory",
    "hang": "timed out after 20 s|longer than its deadline",
    "fork-bomb": "exit code|killed|memory",
    "huge-log": "",
    "huge-report": "report|limit",
    "garbage": "report",
    "half": "report",
    "no-report": "report",
    "locks-up": "",
}
#: A scan with a database, and the port of its mirror: databases are let go to 80 and 443 only, and 80 may be in use.
DATED, MIRROR = "dated", 443
_REFRESH = f"""
import pathlib, sys, urllib.request
data = urllib.request.urlopen("http://{NODE_IP}:{MIRROR}/db", timeout=10).read()
pathlib.Path(sys.argv[1], "db").write_bytes(data)
"""


def templates() -> dict[str, dict[str, Any]]:
    """The scans of the runs, good and bad ones."""
    found = {}
    for name in (*GOOD, *BAD):
        source = program(name)
        if name == "waits":
            source = source.replace("'0.3'", "'8'")
        keys: dict[str, Any] = {"format": format_of(name), "retries": 2 if name in GOOD else 0}
        if name == "huge-report":
            keys["reportLimit"] = "1Mi"
        found[name] = quick.scan(name) | keys | {"command": ["python3", "-c", source, "{tarball}", "{report}"]}
    found["hang"]["timeout"] = "20s"
    source = f"{program('finds')}\nopen(sys.argv[3] + '/db').close()"
    command = ["python3", "-c", source, "{tarball}", "{report}", "{database}"]
    refresh = ["python3", "-c", _REFRESH, "{database}"]
    database = {"refresh": refresh, "timeout": "1m", "maxAge": "0s"}
    found[DATED] = quick.scan(DATED) | {"command": command, "database": database}
    return found


def installed(layout: str, *, scanner: str = ORCHESTRATOR, **settings: Any) -> dict[str, Any]:
    """What is installed: targets, templates and settings, as `make_site` wants them.

    Args:
        layout: of the pods.
        scanner: image of the scanners.
        settings: further keys of the configuration.
    """
    limits = {"imagesInFlight": 4, "deadline": "10m", "retries": 3}
    scans = {name: scan | {"image": scanner} for name, scan in templates().items()}
    return {"csv": targets(), "templates": scans, "settings": {"layout": layout, "limits": limits, **settings}}


def image_for(scan: str) -> str:
    """The image of a scan that is alone with a good one: a set of scans of its own."""
    return f"for-{scan}"


def targets() -> str:
    """The sets of scans that have a template in `layout: image`."""
    good = [f"{image}:1,{';'.join(GOOD)}" for image in IMAGES]
    others = [f"{image_for(scan)}:1,finds;{scan}" for scan in (*BAD, DATED)]
    return "\n".join(["image,scans", *good, *others, ""])


@dataclass
class ClusterBench:
    """Where a trial takes place.

    Attributes:
        images: of its run.
        layers: digests of their layers, where they are new to the cache.
        run: its run's id, once it is submitted.
    """

    site: Site
    state: State
    layout: str
    images: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    run: str = ""

    def scanning(self) -> str:
        """Wait for a pod that scans; its name."""
        return quick.await_pod(self.site, self.run, Of.SCAN if self.layout == "cell" else Of.IMAGE)

    def kill(self, pod: str, container: str = "main") -> None:
        """One of its containers dies."""
        faults.kill_container(self.state, self.site.namespace, pod, container)


@dataclass(frozen=True)
class ClusterTrial:
    """One fault.

    Attributes:
        fault: in words; the row of the table.
        strike: does it while the run is active, and undoes it.
        around: what is so from before the run is submitted until it has been struck.
        during: what is so until the run has ended.
        again: what is so while what failed is run again.
        expected: of the run's cells.
        scans: of the run.
        images: of the run.
        sizes: of the layers of images that are new to the cache, in the place of `images`; empty for none.
        reaped: whether the run ends without its exit handler, and is finished by the reaper.
        alone: whether it disturbs what runs beside it.
        wide: whether it is one of the cluster, not of an installation; it strikes when all runs scan.
    """

    fault: str
    strike: Callable[[ClusterBench], None] = lambda _: None
    around: While = lambda _: nullcontext()
    during: While = lambda _: nullcontext()
    again: While = lambda _: nullcontext()
    expected: Expected = UNDISTURBED
    scans: tuple[str, ...] = GOOD
    images: tuple[str, ...] = IMAGES
    sizes: tuple[int, ...] = field(default=())
    reaped: bool = False
    alone: bool = False
    wide: bool = False


#: Of images that nobody has pulled before.
FRESH = (100_000, 100_000)


def reap(site: Site) -> None:
    """Have the reaper come now."""
    name = site.argo("submit", "--from", f"cronwf/{REAPER}", "-o", "name").strip()
    assert site.wait(name) == "Succeeded"


def retry(site: Site, run: str) -> None:
    """Run what is left of a run, to its end."""
    phase = site.wait(orchestrator.retry(site.config, run))
    assert phase == "Succeeded", f"the retry of {run} ended {phase}"
