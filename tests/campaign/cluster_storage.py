"""What is done to what runs in the cluster read and write: the volume, the cache, the database of a scanner."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from orchestrator.images.registry.client import RegistryClient
from orchestrator.model import Blob
from tests.campaign.cluster_bench import DATED, FRESH, MIRROR, ClusterBench, ClusterTrial, image_for
from tests.campaign.expected import ALL, Expected
from tests.campaign.stores import store_away
from tests.cluster import faults
from tests.cluster.state import NODE_IP
from tests.e2e.site import CACHE, await_

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def volume_full(bench: ClusterBench) -> Iterator[None]:
    """Room for the smaller of two images only."""
    with faults.filled(bench.site.storage, but=20_000_000):
        yield


def volume_read_only(bench: ClusterBench) -> None:
    """For a minute from the middle of the run; the kernel waits until nobody has a file open for writing."""
    bench.scanning()
    storage = bench.site.storage
    await_(lambda: _remounted(storage, "ro"), 60, "the volume to be read-only")
    try:
        time.sleep(60)
    finally:
        assert _remounted(storage, "rw")


def _remounted(folder: Path, how: str) -> bool:
    return subprocess.run(["mount", "-o", f"remount,{how}", folder], check=False, capture_output=True).returncode == 0


@contextmanager
def cache_corrupted(bench: ClusterBench) -> Iterator[None]:
    """A byte of a layer changes on the disk of the cache, which has read it; then comes what the reason names."""
    _read(bench, bench.images[0], bench.layers[0])
    path = _stored(bench) / f"blobs/sha256/{bench.layers[0][7:9]}/{bench.layers[0][7:]}/data"
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 0xFF]) + data[1:])
    yield
    assert bench.layers[0] in bench.site.scanmatrix("cache", "drop", bench.layers[0])


def _read(bench: ClusterBench, image: str, digest: str) -> None:
    with RegistryClient(retries=1, backoff=0.1) as client:
        location = f"{bench.site.cache_url}/library/{image}"
        (layer,) = json.loads(client.manifest(location, "1").data)["layers"]
        assert layer["digest"] == digest
        client.blob(location, Blob(digest=digest, size=layer["size"]))


def _stored(bench: ClusterBench) -> Path:
    """The content of the cache, as its node has it."""
    pod = bench.site.kubectl(
        "get", "pods", "-l", f"scanmatrix/cache={CACHE}", "-o", "jsonpath={.items[0].metadata.uid}"
    )
    volumes = bench.state.folder / "kubelet" / "pods" / pod / "volumes"
    return volumes / "kubernetes.io~empty-dir" / "data" / "docker/registry/v2"


class _Mirror(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        data = f"database of {time.time()}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing: pytest has the output."""


#: There is one port for the mirror, and a trial runs in both layouts at the same time.
_ONE_MIRROR = threading.Lock()


@contextmanager
def mirror(_: ClusterBench) -> Iterator[None]:
    """What the database is read from."""
    with _ONE_MIRROR, ThreadingHTTPServer((NODE_IP, MIRROR), _Mirror) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def database_away(bench: ClusterBench) -> Iterator[None]:
    """The database of all runs, which no pod of a run asks."""
    bench.site.folder.joinpath("store").mkdir(exist_ok=True)
    with store_away(bench.site.volume, NODE_IP, bench.site.folder / "store"):
        yield


_DATED = ("finds", DATED)
TRIALS = (
    ClusterTrial(
        "volume full", during=volume_full, sizes=(100_000, 40_000_000), alone=True,
        expected=Expected("*-1/*", must_fail=True, reasons=("no space",)),
    ),
    ClusterTrial(
        "volume read-only", volume_read_only, reaped=True, alone=True,
        expected=Expected(ALL, reasons=("[Rr]ead-only|run ended",)),
    ),
    ClusterTrial(
        "cache wrong bytes", during=cache_corrupted, sizes=FRESH,
        expected=Expected("*-0/*", must_fail=True, reasons=("other bytes than sha256:.*cache drop sha256:",)),
    ),
    # The first one leaves a database, which the second one has.
    ClusterTrial(
        "database refresh failing", again=mirror, scans=_DATED, images=(image_for(DATED),), alone=True,
        expected=Expected(f"*/{DATED}", must_fail=True, reasons=(f"database of {DATED}",)),
    ),
    ClusterTrial(
        "database refresh failing, one is there", scans=_DATED, images=(image_for(DATED),), alone=True,
    ),
    ClusterTrial("store away", during=database_away, alone=True),
)  # fmt: skip
