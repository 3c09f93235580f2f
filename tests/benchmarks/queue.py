"""What the queue costs: handing cells over, taking and ending them, and a plan by a worker beside the local engine.

python -m tests.benchmarks.queue [CELLS]        default 20000

The scans of the plans are our own and find nothing, so what is measured is everything around them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from orchestrator.config.loading import load_config
from orchestrator.queues.kafka.queue import KafkaQueue
from orchestrator.store.cell_queue.messages import Handover, QueuedCell, QueueOffer
from orchestrator.store.cell_queue.store import QueueStore
from tests.benchmarks import costs
from tests.integration.queue_place import QueuePlace
from tests.tools.kafka import start_kafka
from tests.tools.mariadb import start_mariadb
from tests.tools.postgres import start_postgres

if TYPE_CHECKING:
    from collections.abc import Callable

#: Cells that are taken and ended; images of the plans, each with two scans.
_TAKEN, _IMAGES = 100, 10
_COLUMNS = (
    "database",
    "cells",
    "handed over /s",
    "CPU µs/cell",
    "taken and ended /s",
    "CPU ms each",
    "in a short queue",
)
_BUILTIN = ("root-user", "distroless")
_OFFER = QueueOffer("w1", {"virus": "1", "general": "2"})


def main(cells: int) -> int:
    """Measure; tables on stdout."""
    costs.head(*_COLUMNS, words=1)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = {
            "PostgreSQL": stack.enter_context(start_postgres("127.0.0.1")).create("queue"),
            "MariaDB": stack.enter_context(start_mariadb("127.0.0.1")).create("queue"),
            "SQLite": f"sqlite:///{folder / 'store.sqlite3'}",
        }
        for name, url in urls.items():
            _queue(name, QueueStore(url), cells)
        broker = stack.enter_context(start_kafka())
        for name, url in urls.items():
            _queue(f"{name}, Kafka", _by_kafka(url, broker.server, _fresh(folder / f"kafka-{name}")), cells)
        sys.stdout.write("\n")
        costs.head("engine", "cells", "wall s", "cells a minute", "CPU ms/cell", words=1)
        _plan("local", folder, urls["SQLite"])
        for name, url in urls.items():
            _plan(f"queue, {name}", folder, url)
    return 0


def _by_kafka(url: str, server: str, folder: Path) -> QueueStore:
    """A queue whose workers a broker wakes; its topics are there, and somebody has used the broker before."""
    path = folder / "scanmatrix.yaml"
    kafka = {"servers": server, "prefix": f"{folder.name}."}
    path.write_text(yaml.safe_dump({"store": {"url": url}, "queue": {"kind": "kafka", "kafka": kafka}}))
    queue = KafkaQueue.of(load_config(path, environment={}))
    queue.migrate()
    queue.hand_over(_order("first", 2))
    queue.forget_run("first")
    return queue


def _queue(name: str, opened: QueueStore, cells: int) -> None:
    with opened as queue:
        queue.migrate()
        wall, cpu = _timed(lambda: queue.hand_over(_order("long", cells)))
        taken, spent = _timed(lambda: _take(queue))
        queue.forget_run("long")
        queue.hand_over(_order("short", _TAKEN))
        short, _ = _timed(lambda: _take(queue))
        queue.forget_run("short")
    costs.row(
        (
            name,
            str(cells),
            f"{cells / wall:,.0f}",
            f"{cpu / cells * 1e6:.0f}",
            f"{_TAKEN / taken:.0f}",
            f"{1000 * spent / _TAKEN:.1f}",
            f"{_TAKEN / short:.0f}",
        )
    )


def _order(run: str, cells: int) -> Handover:
    scans = tuple(_OFFER.scans.items())
    return Handover(run, [QueuedCell(f"t{number // 2}", *scans[number % 2]) for number in range(cells)], 3600)


def _take(queue: QueueStore) -> None:
    for _ in range(_TAKEN):
        lease = queue.take(_OFFER, lease=60)
        assert lease is not None
        queue.finish(lease)


def _plan(name: str, folder: Path, url: str) -> None:
    place = QueuePlace(
        _fresh(folder / name.replace(" ", "")), images=_IMAGES, url=url, scans={},
        limits={"imagesInFlight": 1, "cellsInFlight": 1}, engine=name.split(",", maxsplit=1)[0],
    )  # fmt: skip
    plan = place.plan(f"bench-{len(name)}-{name[-1].lower()}", _BUILTIN)

    def run() -> None:
        if name == "local":
            place.run(plan)
            return
        engine = place.engine()
        engine.submit(plan)
        place.work_off(*_BUILTIN)
        engine.finish_left()

    wall, cpu = _timed(run)
    count = len(plan.cells)
    costs.row((name, str(count), f"{wall:.1f}", f"{60 * count / wall:,.0f}", f"{1000 * cpu / count:.0f}"))


def _fresh(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of this process's CPU."""
    began, spent = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - began, time.process_time() - spent


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
