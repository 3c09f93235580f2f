"""What a server that stays running saves: `virus` with signatures that take seconds to load, warm and cold.

python -m tests.benchmarks.warm [IMAGES] [COLD]        default 100 images warm, 10 of them cold

Then what the worker's own process has in memory, after each tenth of the images.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

import psutil

from orchestrator import queues
from orchestrator.catalog.loading import load_catalog
from orchestrator.engines.queue.worker import Worker, WorkerShare
from tests.benchmarks import costs
from tests.integration.queue_place import virus_place
from tests.tools import layouts, signatures
from tests.tools.images import Image, layer

#: Signatures of bodies, which ClamAV puts into one automaton.
_SIGNATURES = 400_000


def main(images: int, cold: int) -> int:
    """Measure; tables on stdout."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = signatures.write(folder / "signatures")
        numbers = random.Random(1)
        lines = (f"Bench.{number}:0:*:{numbers.randbytes(24).hex()}\n" for number in range(_SIGNATURES))
        (database / "many.ndb").write_text("".join(lines))
        costs.head("virus", "cells", "wall s", "cells a minute", words=1)
        _run(folder / "cold", database, cold, warm=False)
        memory = _run(folder / "warm", database, images, warm=True)
        sys.stdout.write("\n")
        costs.head("cells", "worker MB", words=0)
        for cells, size in memory:
            costs.row((str(cells), f"{size:.0f}"))
    return 0


def _run(folder: Path, database: Path, images: int, *, warm: bool) -> list[tuple[int, float]]:
    """Work off one plan by one worker; after how many cells its process had how much."""
    archives = [
        layouts.write_archive(folder.with_name(f"{folder.name}-{number}.tar"), Image.build([layer({"n": str(number)})]))
        for number in range(images)
    ]
    place = virus_place(folder, archives, database, warm=warm)
    place.engine().submit(place.plan())
    memory: list[tuple[int, float]] = []
    done = 0

    def tell(line: str) -> None:
        nonlocal done
        done += line.endswith(": ok")
        if line.endswith(": ok") and done % max(1, images // 10) == 0:
            memory.append((done, psutil.Process().memory_info().rss / 1e6))
        elif "without its server" in line or "failed" in line:
            sys.stderr.write(f"{line}\n")

    config = place.config
    with queues.make(config) as queue:
        queue.migrate()
        share = WorkerShare(once=True)
        worker = Worker(config, queue, place.volume, load_catalog(config), scans=("virus",), share=share, tell=tell)
        began = time.monotonic()
        worker.run()
        wall = time.monotonic() - began
    costs.row(("warm" if warm else "cold", str(done), f"{wall:.1f}", f"{60 * done / wall:,.1f}"))
    return memory


if __name__ == "__main__":
    sys.exit(main(*(int(given) for given in [*sys.argv[1:], *("100", "10")[len(sys.argv) - 1 :]])))
