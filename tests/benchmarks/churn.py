"""A day of a service, lived through in minutes: what its process has in memory after each quarter of it.

    python -m tests.benchmarks churn [--steps 288] [--targets 400]

The service is `scanmatrix serve` with its SQLite store in a process of its own. Each step stands for five minutes: a
run of twenty targets ends and is imported, four results are put and one is deleted, events come, subscribers of both
kinds come and go, some without a word, pages, lists and metrics are asked for, and what is older than four hours goes
from store and volume. From the first quarter on everything that there is to be kept is there, so it should not grow.
"""

import argparse
import http.client
import json
import random
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

from orchestrator.model import Name
from orchestrator.queries import Store
from orchestrator.volume.layout import Volume
from tests.benchmarks import costs
from tests.benchmarks.put import SIZE, document
from tests.benchmarks.serving import ServedApart, served_apart
from tests.stored_runs import day, finding, write_run

_QUARTERS = 4
_KEPT_HOURS = 4
_CELLS, _EVENTS, _SUBSCRIBERS, _PUTS = 20, 5, 5, 4
#: Images that results are put of, the same ones again and again.
_IMAGES = 60
#: Years that the ids of their findings are of; what is remembered of ids has bounds that all real ones seldom reach.
_YEARS = 12
_PAGES = ("/", "/search?q=CVE-2025-7", "/runs", "/scan-results?limit=10", "/api/v1/findings?limit=50", "/metrics")
_STREAM = b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_WEB_SOCKET = (
    b"GET /subscribe HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
_CLOSE = b"\x88\x80\0\0\0\0"


class Life:
    """What happens to a service, step by step."""

    def __init__(self, server: ServedApart, volume: Volume, store: Store, options: argparse.Namespace) -> None:
        self._server = server
        self._volume = volume
        self._store = store
        self._options = options
        self._chance = random.Random(5)
        self._runs: list[str] = []
        self._large = json.dumps(document(0))

    def step(self, number: int) -> None:
        """Live through five minutes."""
        with self._subscribers():
            self._scan(number)
            self._put(number)
            self._send(number)
            for path in (*_PAGES, f"/targets/t{self._chance.randrange(self._options.targets)}"):
                self._ask("GET", path, wanted=(200, 404))
        self._clean(number)

    def _scan(self, number: int) -> None:
        run, some = f"live-{number:04}", self._chance.sample(range(self._options.targets), _CELLS)
        names = {f"t{each}": [Name(f"registry.example/live/t{each}:1", "team")] for each in some}
        cells = {f"{of}/general": [finding(each) for each in self._chance.sample(range(5000), 20)] for of in names}
        write_run(self._volume, run, self._at(number), cells, names=names)
        self._runs.append(run)

    def _put(self, number: int) -> None:
        for each in range(_PUTS):
            image = f"registry.example/put/{(number * _PUTS + each) % _IMAGES}:1"
            report = (
                json.dumps(_small(number))
                if each
                else self._large.replace("CVE-2024-", f"CVE-{2000 + number % _YEARS}-")
            )
            self._ask("PUT", "/scan-results", f'{{"imageId":"{image}","report":{report}}}')
        gone = f"registry.example/put/{(number * _PUTS + _IMAGES // 2) % _IMAGES}:1"
        self._ask("DELETE", f"/scan-results/{quote(gone, safe='')}", wanted=(204, 404))

    def _send(self, number: int) -> None:
        for each in range(_EVENTS):
            event = {
                "specversion": "1.0",
                "id": f"{number}-{each}",
                "source": "/ci",
                "type": "io.scanmatrix.image.pushed",
            }
            body = json.dumps(event | {"data": {"image": f"registry.example/pushed/web:{number}"}})
            self._ask("POST", "/events", body, kind="application/cloudevents+json", wanted=(200, 202))

    @contextmanager
    def _subscribers(self) -> Iterator[None]:
        with ExitStack() as stack:
            for number in range(_SUBSCRIBERS):
                for request in (_STREAM, _WEB_SOCKET):
                    there = socket.create_connection(("127.0.0.1", self._server.port))
                    there.sendall(request)
                    assert b"HTTP/1.1 " in there.recv(1000)
                    stack.callback(there.close)
                    if request is _WEB_SOCKET and number % 2:
                        stack.callback(there.sendall, _CLOSE)  # the others go without a word
            yield

    def _clean(self, number: int) -> None:
        kept = max(1, _KEPT_HOURS * self._options.steps // 24)
        if number % max(1, kept // 4) == 0:
            self._store.prune(_KEPT_HOURS * 3600, self._at(number))
        while len(self._runs) > kept:
            shutil.rmtree(self._volume.results(self._runs.pop(0)))

    def _at(self, number: int):
        return day(number / self._options.steps)

    def _ask(
        self,
        method: str,
        path: str,
        body: str = "",
        *,
        kind: str = "application/json",
        wanted: tuple[int, ...] = (200,),
    ) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=120)
        connection.request(method, path, body or None, {"Content-Type": kind})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        assert answer.status in wanted, (method, path, said[:500])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=288)
    parser.add_argument("--targets", type=int, default=400)
    options = parser.parse_args()
    section = {"rules": [{"name": "all", "images": "registry.example/*"}], "settle": "1h", "waiting": 1_000_000}
    with tempfile.TemporaryDirectory(prefix="churn-") as name:
        config = Path(name) / "scanmatrix.yaml"
        config.write_text(json.dumps({"volume": {"path": "volume"}, "events": section}))
        volume = Volume(config.parent / "volume")
        with (
            served_apart("serve", "--port", "0", "--config", str(config), cwd=config.parent) as server,
            Store(f"sqlite:///{volume.root / 'store.sqlite3'}") as store,
        ):
            _live(Life(server, volume, store, options), server, options.steps)
    return 0


def _live(life: Life, server: ServedApart, steps: int) -> None:
    print(f"{steps} steps, each with a put of {SIZE / 1e6:.0f} MB among others\n")
    costs.head("hour", "MB", "CPU s", "threads", "open files", words=0)
    for number in range(steps + 1):
        if number % max(1, steps // (2 * _QUARTERS)) == 0:
            figures = (24 * number / steps, server.memory, server.cpu, server.threads, server.files)
            costs.row([f"{each:.0f}" for each in figures])
        life.step(number)


def _small(number: int) -> dict[str, object]:
    component = {"type": "library", "bom-ref": "a", "name": "a", "version": f"{number}"}
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": [component]}


if __name__ == "__main__":
    sys.exit(main())
