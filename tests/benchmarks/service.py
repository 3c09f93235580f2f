"""The service over a store of 1,000,000 findings of 20,000 targets, asked 50 times a second from another process.

    python -m tests.benchmarks.service [--targets 20000] [--on postgresql] [--rate 50] [--seconds 20]

Each page is asked for at moments that are fixed beforehand, whether or not the answers before have come, and its time
counts from its moment: a service that falls behind shows it. The CPU is that of the service's process, from its start
of the load to its end; that of the database is not in it. The first request for each page comes alone, and is what is
asked for the first time after something changed.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from orchestrator import load_config
from orchestrator.api import external
from orchestrator.queries import Store
from orchestrator.queries.kept import keeping
from orchestrator.volume.layout import Volume
from tests.benchmarks import costs
from tests.benchmarks.serving import ServedApart, median_and_worse, served_apart
from tests.benchmarks.store import database, gather_statistics, write_runs

_STORE = "SCANMATRIX_STORE__URL"
_PUT = 100
_CONNECTIONS = 16
_WANTED = 80


class Asked(NamedTuple):
    """Answers to one kind of request: seconds from when each was due, sizes, and how many were none."""

    seconds: list[float]
    sizes: list[int]
    failed: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=int, default=20_000)
    parser.add_argument("--on", choices=("sqlite", "postgresql", "mariadb"), default="postgresql")
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="service-") as folder:
        volume = Volume(Path(folder) / "volume")
        begin = time.monotonic()
        write_runs(volume, options.targets)
        with database(options.on, Path(folder)) as url:
            os.environ[_STORE] = url
            fill(volume, url)
            sys.stderr.write(f"the store was filled in {time.monotonic() - begin:.0f} s\n")
            with served_apart("serve", "--port", "0", "--volume", str(volume.root)) as server:
                _loads(server, options)
    return 0


def fill(volume: Volume, url: str) -> None:
    """Import what lies on the volume, and put some results beside it."""
    config = load_config(volume=volume.root)
    with keeping(volume, config) as kept, Store(url) as store:
        store.migrate()
        store.take_in_all(volume)
        kept.filled = True
        with kept.here():
            for number in range(_PUT):
                external.put_result(config, f"registry.example/put/{number}:1", small_bom(number), by="benchmark")
    gather_statistics(url)


def small_bom(number: int) -> bytes:
    """A small BOM, as `curl` puts it."""
    package = f"pkg:apk/alpine/package-{number}@1"
    component = f'{{"bom-ref":"{package}","type":"library","name":"package-{number}","version":"1","purl":"{package}"}}'
    return f'{{"bomFormat":"CycloneDX","specVersion":"1.5","version":1,"components":[{component}]}}'.encode()


def pages(targets: int, chance: random.Random) -> dict[str, Callable[[], str]]:
    """Paths to ask for, by what they show."""
    return {
        "target": lambda: f"/targets/t{chance.randrange(targets)}",
        "matrix": lambda: "/",
        "search": lambda: f"/search?q=CVE-2025-{chance.randrange(5000)}",
        "scan results": lambda: "/scan-results",
    }


def _loads(server: ServedApart, options: argparse.Namespace) -> None:
    begin = time.monotonic()
    while b"\nscanmatrix_findings{" not in server.read("/metrics"):
        time.sleep(0.5)  # they are counted aside, when the service starts and after something changed
    sys.stderr.write(f"the gauges of the matrix took {time.monotonic() - begin:.0f} s\n")
    load = os.getloadavg()[0]
    print(f"{options.targets:,} targets in {options.on}, {options.rate:g} requests/s; load of the machine {load:.1f}\n")
    columns = ("requests", "KB", "first ms", "median ms", "95th percentile ms", "most ms", "CPU ms", "failed")
    costs.head("page", *columns, words=1)
    for name, path in pages(options.targets, random.Random(3)).items():
        first = ask(server, [path()], 1.0)
        begin = server.cpu
        asked = ask(server, [path() for _ in range(int(options.rate * options.seconds))], options.rate)
        busy = 1000 * (server.cpu - begin) / max(1, len(asked.seconds))
        shown = (*(1000 * each for each in median_and_worse(asked.seconds)), busy)
        size = sum(asked.sizes) / max(1, len(asked.sizes)) / 1e3
        figures = [f"{len(asked.seconds)}", f"{size:.1f}", f"{1000 * max(first.seconds, default=0):.0f}"]
        costs.row([name, *figures, *(f"{each:.1f}" for each in shown), f"{asked.failed}"])
    print(f"\nAt most {_WANTED} ms at the 95th percentile are wanted. The service has {server.memory:.0f} MB.")


def ask(server: ServedApart, paths: list[str], rate: float) -> Asked:
    """Ask for each path at its moment."""
    begin = time.monotonic() + 0.2

    def one(numbered: tuple[int, str]) -> tuple[float, int, bool]:
        number, path = numbered
        due = begin + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        status, size = server.get(path)
        return time.monotonic() - due, size, status == 200

    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        found = list(pool.map(one, enumerate(paths)))
    well = [(seconds, size) for seconds, size, ok in found if ok]
    return Asked([seconds for seconds, _ in well], [size for _, size in well], len(found) - len(well))


if __name__ == "__main__":
    sys.exit(main())
