"""Events sent at a fixed rate to a service in a process of its own: none lost, none doubled, and how long each takes.

    python -m tests.benchmarks.events [--rate 200] [--seconds 20]

Each event is sent at a moment that is fixed beforehand, and its time counts from there; every tenth is sent twice. What
is kept is then counted in the store. No event is due while it is measured, so nothing is planned.
"""

import argparse
import http.client
import json
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local

_LISTENING = re.compile(r"listening on http://\S+:(\d+)")
_CONNECTIONS = 32
_OWN = local()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    number = int(options.rate * options.seconds)
    with tempfile.TemporaryDirectory(prefix="events-") as name:
        folder = Path(name)
        section = {"rules": [{"name": "all", "images": "registry.example/*"}], "settle": "1h", "waiting": 1_000_000}
        (folder / "scanmatrix.yaml").write_text(json.dumps({"volume": {"path": "volume"}, "events": section}))
        command = [sys.executable, "-m", "scanmatrix", "serve", "--port", "0", "--config", "scanmatrix.yaml"]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, cwd=folder, stderr=log)
        try:
            port = _port(folder / "log", process)
            before = _memory(process.pid)
            begin = time.monotonic() + 0.5
            places = [place for place in range(number) for _ in range(1 + (place % 10 == 0))]
            with ThreadPoolExecutor(_CONNECTIONS) as threads:
                seconds = list(threads.map(lambda place: _send(port, place, begin + place / options.rate), places))
            after = _memory(process.pid)
        finally:
            process.terminate()
            process.wait(60)
        with sqlite3.connect(folder / "volume" / "store.sqlite3") as store:
            kept, different = store.execute("SELECT count(*), count(DISTINCT event) FROM inbox").fetchone()
    cuts = statistics.quantiles(seconds, n=100)
    print("| events | sent | kept | lost | doubled | median | p95 | worst | memory before | after |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {number:,} | {len(places):,} | {kept:,} | {number - different} | {kept - different}"
        f" | {cuts[49] * 1e3:.0f} ms | {cuts[94] * 1e3:.0f} ms | {max(seconds) * 1e3:.0f} ms"
        f" | {before:.0f} MB | {after:.0f} MB |"
    )
    return int(kept != number or different != number)


def _port(log: Path, process: subprocess.Popen[bytes]) -> int:
    until = time.monotonic() + 120
    while not (found := _LISTENING.search(log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.05)
    return int(found[1])


def _send(port: int, place: int, due: float) -> float:
    """Send one event when it is due; seconds until it was answered, counted from there."""
    time.sleep(max(0.0, due - time.monotonic()))
    if not hasattr(_OWN, "connection"):
        _OWN.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    event = {"specversion": "1.0", "id": str(place), "source": "/ci", "type": "io.scanmatrix.image.pushed"}
    body = json.dumps(event | {"data": {"image": f"registry.example/shop/web:{place}"}})
    _OWN.connection.request("POST", "/events", body, {"Content-Type": "application/cloudevents+json"})
    answer = _OWN.connection.getresponse()
    said = answer.read()
    assert answer.status in {200, 202}, said
    return time.monotonic() - due


def _memory(pid: int) -> float:
    """MB in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    sys.exit(main())
