"""How many cells a minute workers do, beside a Workflow in `layout: image` on the same node: in the campaign only."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.state import NODE_IP
from tests.e2e import nine, quick
from tests.e2e.site import Site, await_, make_site
from tests.e2e.workers import install, named, settings_with, start_run
from tests.tools.postgres import start_postgres
from tests.tools.upstream import Upstream

pytestmark = [pytest.mark.campaign, pytest.mark.alone]
#: Bodies, which ClamAV puts into one automaton: it takes seconds to load them.
SIGNATURES = 500_000
_MANY = """BEGIN {
  srand(1)
  for (n = 0; n < %d; n++) {
    printf "Bench.%%d:0:*:", n
    for (i = 0; i < 8; i++) printf "%%06x", int(rand() * 16777216)
    printf "\\n"
  }
}"""


def nothing(name: str) -> dict[str, Any]:
    """A scan that finds nothing at once."""
    report = json.dumps({"format": "scanmatrix/1", "scanner": {"name": "quick"}, "findings": []})
    command = ["/bin/sh", "-c", 'printf %s "$0" > "$1"', report, "{report}", "{tarball}"]
    return quick.scan(name, command=command)


def virus() -> dict[str, Any]:
    """`virus` with many signatures."""
    found = nine.virus()
    [shell, option, script, *words] = found["database"]["refresh"]
    many = f"awk '{_MANY % SIGNATURES}' > \"$1\"/many.ndb"
    found["database"]["refresh"] = [shell, option, f"{script} && {many}", *words]
    return found


def test_cells_that_do_nothing(upstream: Upstream, tmp_path: Path):
    scans = {name: nothing(name) for name in (f"nothing-{number}" for number in range(4))}
    compared(upstream, tmp_path, scans, 25)


def test_a_scanner_that_takes_seconds_to_load_its_database(upstream: Upstream, tmp_path: Path):
    compared(upstream, tmp_path, {"virus": virus()}, 100)


def compared(upstream: Upstream, folder: Path, scans: dict[str, dict[str, Any]], count: int) -> None:
    """Every image with every scan by one worker a scan, and then as Workflow; from their first cell to their last."""
    images, names = [f"many-{number}" for number in range(count)], list(scans)
    quick.push(upstream, *images)
    csv = "\n".join(["image,scans", *(f"{image}:1,{';'.join(names)}" for image in images), ""])
    with start_postgres(NODE_IP) as database:
        more = {"layout": "image", "limits": {"imagesInFlight": 12, "cellsInFlight": 48}}
        settings = settings_with(database, scans=names, replicas=1) | more
        with make_site(folder, "e2e-many", upstream, csv=csv, templates=scans, settings=settings) as site:
            install(site, database)
            for name in names:
                site.kubectl("rollout", "status", f"deployment/scanmatrix-worker-{name}", "--timeout=300s")
            start_run(site, "by-workers")
            await_((site.volume.results("by-workers") / "summary.md").exists, 1200, "the end of the run")
            for name in names:
                site.kubectl("scale", f"deployment/scanmatrix-worker-{name}", "--replicas=0")
            await_(lambda: not named(site, "name"), 120, "all workers to go")
            ended = site.submit()
            site.wait(ended, seconds=3600)
            sys.stdout.write(f"\n| {count * len(names)} cells | s | cells a minute |\n| --- | ---: | ---: |\n")
            for way, run in (("workers", "by-workers"), ("`layout: image`", ended)):
                seconds = took(site, run, count * len(names))
                sys.stdout.write(f"| {way} | {seconds:.0f} | {60 * count * len(names) / seconds:.0f} |\n")


def took(site: Site, run: str, cells: int) -> float:
    """Seconds from the start of the first cell to the end of the last one, all of which are ok."""
    rows = site.ledger(run).rows
    assert [row.reason for row in rows] == [""] * cells
    begun, ended = min(row.started for row in rows), max(row.finished for row in rows)
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()
