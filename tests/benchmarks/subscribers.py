"""A change, seen by 1,000 WebSockets and 1,000 readers of server-sent events at once: how soon, and what that takes.

    python -m tests.benchmarks subscribers [--each 1000] [--changes 20]

The service is `scanmatrix serve` with its SQLite store in a process of its own. A change is a result that is put; its
time counts from the moment at which the put is sent to the one at which a subscriber has the event.
"""

import argparse
import asyncio
import http.client
import json
import re
import sys
import tempfile
import time
from pathlib import Path

from websockets.asyncio.client import connect

from orchestrator.volume.layout import Volume
from tests.benchmarks import costs
from tests.benchmarks.serving import ServedApart, many_files, median_and_worse, served_apart
from tests.served import fill

_AT_ONCE = 50
_PAUSE = 1.0
_PATIENCE = 30.0
_IMAGE = re.compile(rb"registry\.example/live/(\d+):1")


class Seen:
    """Who has seen which change when.

    Attributes:
        begun: when each was sent.
        seconds: until somebody had it, of one kind of subscribers each.
    """

    def __init__(self, *kinds: str) -> None:
        self.begun: list[float] = []
        self.seconds: dict[str, list[float]] = {kind: [] for kind in kinds}

    def look(self, kind: str, data: bytes) -> None:
        """Note what a subscriber was sent: whole events."""
        now = time.monotonic()
        for number in set(_IMAGE.findall(data)):
            self.seconds[kind].append(now - self.begun[int(number)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=20)
    options = parser.parse_args()
    many_files()
    with tempfile.TemporaryDirectory(prefix="subscribers-") as name:
        volume = fill(Volume(Path(name) / "volume"))
        with served_apart("serve", "--port", "0", "--volume", str(volume.root)) as server:
            return asyncio.run(_measure(server, options.each, options.changes))


async def _measure(server: ServedApart, each: int, changes: int) -> int:
    seen = Seen("WebSockets", "server-sent events")
    seen.begun = [0.0]
    await _put(server, seen, 0)  # what the service imports for the first put is no matter of subscribers
    await asyncio.sleep(_PAUSE)
    memory = {"alone": server.memory}
    turns, ready = asyncio.Semaphore(_AT_ONCE), asyncio.Semaphore(0)
    following = []
    for kind, follow in (("WebSockets", _socket), ("server-sent events", _stream)):
        following += [asyncio.create_task(follow(server.port, seen, turns, ready)) for _ in range(each)]
        for _ in range(each):
            await asyncio.wait_for(ready.acquire(), _PATIENCE * 4)
        memory[f"and {each:,} × {kind}"] = server.memory
    busy = server.cpu
    for number in range(changes):
        await _put(server, seen, number)
        await asyncio.sleep(_PAUSE)
    busy = (server.cpu - busy) / changes
    until = time.monotonic() + _PATIENCE
    while sum(map(len, seen.seconds.values())) < 2 * each * changes and time.monotonic() < until:
        await asyncio.sleep(0.1)
    lost = 0
    costs.head("subscribers", "changes", "lost", "median ms", "95th percentile ms", "most ms", words=1)
    for kind, seconds in seen.seconds.items():
        lost += each * changes - len(seconds)
        shown = [f"{1000 * figure:.0f}" for figure in median_and_worse(seconds)]
        costs.row([f"{each:,} × {kind}", f"{changes}", f"{each * changes - len(seconds)}", *shown])
    print()
    costs.head("", "MB", words=1)
    for what, held in {**memory, "at most": server.peak}.items():
        costs.row([what, f"{held:.0f}"])
    print(f"\nA change takes {1000 * busy:.0f} ms of the service's CPU, its put included.")
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    return int(lost > 0)


async def _put(server: ServedApart, seen: Seen, number: int) -> None:
    component = {"type": "library", "bom-ref": "a", "name": "a", "version": f"{time.time()}"}
    report = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": [component]}
    body = json.dumps({"imageId": f"registry.example/live/{number}:1", "report": report})
    seen.begun[number:] = [time.monotonic()]

    def put() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("PUT", "/scan-results", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        connection.close()

    await asyncio.to_thread(put)


async def _socket(port: int, seen: Seen, turns: asyncio.Semaphore, ready: asyncio.Semaphore) -> None:
    async with turns:
        socket = await connect(f"ws://127.0.0.1:{port}/subscribe?format=event", compression=None, open_timeout=120)
        assert json.loads(await socket.recv())["kind"] == "ready"
    ready.release()
    async with socket:
        async for message in socket:
            seen.look("WebSockets", str(message).encode())


async def _stream(port: int, seen: Seen, turns: asyncio.Semaphore, ready: asyncio.Semaphore) -> None:
    async with turns:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        await reader.readuntil(b"event: ready")
    ready.release()
    try:
        while True:
            seen.look("server-sent events", await reader.readuntil(b"\n\n"))
    finally:
        writer.close()


if __name__ == "__main__":
    sys.exit(main())
