"""The REST service in tests: over a volume with runs, asked in this process without a socket.

    with served(tmp_path) as client:
        client.get("/api/v1/runs").json()

`served` has the application's background tasks running, too. `client.app.state.service` is its `ServiceState`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
from fastapi.testclient import TestClient

from orchestrator import load_config
from orchestrator.config.loading import Config
from orchestrator.model import Name
from orchestrator.service.rest.app import make_app
from orchestrator.service.rest.caller import CallerGuard
from orchestrator.service.rest.settings import ServeSettings
from orchestrator.service.rest.state import serving
from orchestrator.volume.layout import Volume
from tests.stored_runs import LOG4J, day, finding, write_run

#: The repositories of the images on the filled volume, whose tags are `1`, and their owners.
NAMES = {
    "a": [Name("registry.example/shop/web:1", "shop")],
    "b": [Name("registry.example/bank/api:1", "bank")],
    "c": [Name("registry.example/shop/idle:1", "shop")],
}


def fill(volume: Volume) -> Volume:
    """Two runs: `a` has Log4j and two more, `b` one and a failed scan, `c` only a failed scan; one was fixed since."""
    first = {"a/general": [LOG4J, finding(1), finding(2)], "b/general": [finding(1)], "c/general": "timed out"}
    write_run(volume, "run-1", day(1), first, names=NAMES)
    second = {
        "a/general": [LOG4J, finding(1)],
        "a/virus": [],
        "b/general": [finding(1), finding(3, fixed_version="3.1")],
        "b/virus": "timed out after 2 s",
        "c/general": "timed out",
    }
    write_run(volume, "run-2", day(2), second, names=NAMES, ignored=["CVE-2025-1"])
    return volume


def configured(volume: Volume, **changes: Any) -> Config:
    """A configuration without a file, for a volume."""
    return load_config(volume=volume.root).model_copy(update=changes)


QUICK = ServeSettings(refresh_seconds=0.2)


@contextmanager
def served(
    config: Config, settings: ServeSettings = QUICK, *, guard: CallerGuard | None = None
) -> Iterator[TestClient]:
    """A client of the service, once what the volume has is imported."""
    with serving(config, settings) as state:
        state.kept.refresh()
        with TestClient(make_app(state, guard=guard), base_url="http://127.0.0.1", raise_server_exceptions=False) as it:
            yield it


def volume_in(folder: Path) -> Volume:
    """A filled volume."""
    return fill(Volume(folder / "volume"))


def run_async(function, *args):
    """The result of a coroutine function."""
    return anyio.run(function, *args)
