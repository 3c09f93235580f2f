"""Workers that KEDA scales: none until cells wait, several while they do, none afterwards."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.argo import beside
from tests.cluster.state import NODE_IP
from tests.e2e import quick
from tests.e2e.keda import run_keda
from tests.e2e.site import Site, await_, make_site
from tests.e2e.workers import assert_each_once, at_work, await_end, install, named, settings_with, start_run
from tests.tools.kafka import start_kafka
from tests.tools.postgres import start_postgres
from tests.tools.upstream import Upstream

IMAGES = ("scaled-a", "scaled-b", "scaled-c", "scaled-d", "scaled-e")
MOST = 3
NAME = "scanmatrix-worker-held"
#: Waits until it is let go.
PROGRAM = f"""
import os
while not os.path.exists("{beside.DATABASES_AT}/go"):
    time.sleep(0.2)
"""


@contextmanager
def queue(kind: str) -> Iterator[dict[str, object]]:
    """What a configuration says of the queue, beside the store."""
    if kind == "postgres":
        yield {}
        return
    with start_kafka(NODE_IP) as broker:
        yield {"kind": "kafka", "kafka": {"servers": broker.server, "partitions": MOST}}


@pytest.mark.campaign
@pytest.mark.parametrize("kind", ["postgres", "kafka"])
def test_there_are_workers_as_long_as_cells_wait(upstream: Upstream, tmp_path: Path, kind: str):
    quick.push(upstream, *IMAGES)
    csv = "\n".join(["image,scans", *(f"{image}:1,held" for image in IMAGES), ""])
    scans = {"held": quick.scan("held", PROGRAM)}
    with start_postgres(NODE_IP) as database, queue(kind) as more:
        settings = settings_with(database, scans=["held"], scaling="keda", most=MOST)
        settings["queue"] = {"lease": "10s", **more}
        with (
            make_site(tmp_path, f"e2e-scaled-{kind}", upstream, csv=csv, templates=scans, settings=settings) as site,
            run_keda(site, tmp_path),
        ):
            install(site, database)
            # It would wait for five minutes after the last cell.
            site.kubectl("patch", "scaledobject", NAME, "--type=merge", "-p", '{"spec":{"cooldownPeriod":15}}')
            site.kubectl("wait", "--for=condition=Ready", "--timeout=180s", f"scaledobject/{NAME}")
            await_(lambda: not named(site, "name"), 240, "no worker to be there while there is nothing to do")
            began = time.monotonic()
            start_run(site, "scaled")
            await_(lambda: len(named(site, "name")) >= 1, 180, "a first worker")
            first = time.monotonic() - began
            await_(lambda: len(at_work(site)) >= 2, 240, "several workers to be at work")
            several = time.monotonic() - began
            _never_more(site)
            (site.storage / "databases" / "held" / "go").touch()
            await_end(site, "scaled")
            ended = time.monotonic() - began
            assert_each_once(site, "scaled", IMAGES)
            await_(lambda: not named(site, "name"), 240, "all workers to go")
            gone = time.monotonic() - began
    sys.stdout.write(
        f"\n{kind}: first worker after {first:.0f} s, two at work after {several:.0f} s,"
        f" run ended after {ended:.0f} s, no worker after {gone:.0f} s\n"
    )


def _never_more(site: Site) -> None:
    """Cells wait for as long as the autoscaler looks a few times."""
    end = time.monotonic() + 45
    while time.monotonic() < end:
        assert len(named(site, "name")) <= MOST
        time.sleep(3)
