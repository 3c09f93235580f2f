"""What the scheduler hands over a minute, planned against a real registry, with an engine that ends every cell at once.

python -m tests.benchmarks scheduler [CELLS…]        default 600 2400; four scans an image

The clock runs from an empty store to the last result in it: inventory, plans, runs, results. The public cron of OpenSSF
Scorecard gets through about 118 repositories a minute, Harbor through about 79 artifacts.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from orchestrator.config.loading import default_config
from orchestrator.findings.scanmatrix import encode_report
from orchestrator.model import CellRecord, Decision
from orchestrator.model.documents import spell_time
from orchestrator.service.scheduler import Scheduler
from orchestrator.steps.aggregate import aggregate
from orchestrator.store.backlog.store import BacklogStore
from orchestrator.volume.layout import Volume
from tests.aggregation import put_record, put_report
from tests.benchmarks import costs
from tests.tools.images import Image, layer
from tests.tools.postgres import start_postgres
from tests.tools.servers import start_registry

if TYPE_CHECKING:
    from orchestrator.engines.interface import Observer
    from orchestrator.model import Ledger, Plan

_SCANS = ("distroless", "image-lifetime", "root-user", "sbom")
_CHECKED = encode_report("check", "1", [])
_BOM = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"tools": [{"name": "syft"}]}}).encode()
_OTHERS = {"Scorecard's cron": 118, "Harbor": 79}


class Instant:
    """As much of an engine as the scheduler needs; its cells have all ended well before it has begun."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    def run(self, plan: Plan, observer: Observer) -> Ledger:
        """Write a report for each cell, and aggregate as always."""
        now = spell_time(datetime.now(UTC))
        ended = CellRecord(attempts=1, started=now, finished=now, exit_code=0)
        for cell in plan.cells:
            if cell.decision is Decision.RUN:
                put_report(self._volume, plan, cell.target, cell.scan, _BOM if cell.scan == "sbom" else _CHECKED)
                put_record(self._volume, plan, cell.target, cell.scan, ended)
        return aggregate(plan, self._volume)

    def interrupt(self) -> None:
        """There is nothing to end."""


def main(sizes: list[int]) -> int:
    """Measure each size on each database; a table on stdout."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "registry").mkdir()
        registry = stack.enter_context(start_registry(folder / "registry"))
        images = [
            registry.push(f"app-{number}:1", Image.build([layer({"n": str(number)})]))
            for number in range(max(sizes) // len(_SCANS))
        ]
        urls = {"SQLite": f"sqlite:///{folder}/{{}}.sqlite3"}
        if os.geteuid() == 0:
            server = stack.enter_context(start_postgres("127.0.0.1"))
            urls["PostgreSQL"] = server.url("{}")
        costs.head("store", "cells", "images", "runs", "wall s", "CPU s", "cells/min", words=1)
        slowest = None
        for size in sizes:
            for name, url in urls.items():
                if name == "PostgreSQL":
                    server.create(f"size{size}")
                rate = _measure(
                    folder / f"{name}-{size}", name, url.format(f"size{size}"), images[: size // len(_SCANS)]
                )
                slowest = rate if slowest is None else min(rate, slowest)
        ratios = ", ".join(f"{(slowest or 0) / rate:.0f}× {name}'s {rate}" for name, rate in _OTHERS.items())
        sys.stdout.write(f"\nthe slowest is {ratios} a minute\n")
    return 0


def _measure(folder: Path, name: str, url: str, images: list[str]) -> float:
    config = default_config(
        environment={},
        targets=[{"image": image, "owner": f"owner-{number % 20}"} for number, image in enumerate(images)],
        scans={"default": list(_SCANS)},
        volume={"path": str(folder)},
        schedule={"runsInFlight": 4, "cellsPerRun": 100},
    )
    begun, process = time.perf_counter(), psutil.Process()
    cpu = sum(process.cpu_times()[:2])
    with BacklogStore(url) as store:
        Scheduler(config, store, Instant(Volume(folder))).run(once=True)
        backlog = store.backlog()
    wall, cpu = time.perf_counter() - begun, sum(process.cpu_times()[:2]) - cpu
    cells = len(images) * len(_SCANS)
    if backlog.count("fresh") != cells:
        sys.exit(f"only {backlog.count('fresh')} of {cells} cells are fresh")
    runs = len(list((folder / "results").iterdir()))
    rate = 60 * cells / wall
    costs.row([name, str(cells), str(len(images)), str(runs), f"{wall:.1f}", f"{cpu:.1f}", f"{rate:.0f}"])
    return rate


if __name__ == "__main__":
    sys.exit(main([int(argument) for argument in sys.argv[1:]] or [600, 2400]))
