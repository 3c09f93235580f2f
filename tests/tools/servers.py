"""Real registry processes on loopback: started on a port of the kernel's choice, ready when they say so."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.tools import require
from tests.tools.images import Image, Index
from tests.tools.push import push

USER = "reader"
PASSWORD = "correct-horse"  # of a registry that lives for one test
# Registries take bcrypt only, which the standard library cannot make.
HTPASSWD = USER + ":$2b$05$abcdefghijklmnopqrstuuZ0Fx87Pb/Aqb0E90lfvCwzXnaFKUHpS\n"

RUNNING: list["Registry"] = []  # for the report of a test that failed


class ServerError(Exception):
    """A server did not start; the message holds its log."""


@dataclass(frozen=True, eq=False)
class Registry:
    """A running registry.

    Attributes:
        name: for people.
        host: `127.0.0.1:port`.
        log: file with its output.
        storage: folder with its blobs.
        credentials: user and password it wants; None for anonymous access.
        pid: of its process.
    """

    name: str
    host: str
    log: Path
    storage: Path
    credentials: tuple[str, str] | None
    pid: int

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://{self.host}"

    def push(self, name: str, image: Image | Index) -> str:
        """Push the image as `repository[:tag]`; return the full reference."""
        repository, _, tag = name.partition(":")
        return push(self.host, repository, image, tag=tag or None, credentials=self.credentials)

    def serves(self, repository: str, digest: str) -> bool:
        """Whether it has this layer in this repository: a cache answers, then stores, and links it last.

        Until then it asks its upstream again.
        """
        algorithm, _, encoded = digest.partition(":")
        layers = self.storage / "docker/registry/v2/repositories" / repository / "_layers"
        return (layers / algorithm / encoded / "link").exists()


@contextmanager
def start_registry(
    folder: Path,
    name: str = "registry",
    *,
    protected: bool = False,
    cache_of: str | None = None,
    credentials: tuple[str, str] | None = None,
    notifies: tuple[str, str] | None = None,
) -> Iterator[Registry]:
    """Run a registry in this empty folder.

    Args:
        folder: for its storage, configuration and log.
        name: for people.
        protected: want basic auth (USER, PASSWORD).
        cache_of: URL of the registry it is a pull-through cache of.
        credentials: what it shows to that registry.
        notifies: URL that it sends its events to, and the value of their header `Authorization`.
    """
    # Version 2 shows its credentials only to registries with a token server, so it cannot cache one with basic auth.
    binary = require("registry-v3" if credentials else "registry")
    folder.mkdir(parents=True, exist_ok=True)
    configuration = _configuration(folder, protected=protected, cache_of=cache_of, credentials=credentials)
    if notifies:
        url, secret = notifies
        # As operators have it: tried again once a second until it is answered.
        endpoint = {"name": "scanmatrix", "url": url, "headers": {"Authorization": [secret]}}
        timing = {"timeout": "2s", "threshold": 3, "backoff": "1s"}
        configuration["notifications"] = {"endpoints": [endpoint | timing]}
    (folder / "config.yml").write_text(json.dumps(configuration))  # JSON is YAML
    (folder / "htpasswd").write_text(HTPASSWD)
    log = folder / "registry.log"
    # Without this the registry tries to send traces to a collector.
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_dies_with_us(), binary, "serve", folder / "config.yml"],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    try:
        host = _wait_until_ready(process, log)
        shown = (USER, PASSWORD) if protected else None
        registry = Registry(name, host, log, folder / "storage", shown, process.pid)
        RUNNING.append(registry)
        try:
            yield registry
        finally:
            RUNNING.remove(registry)
    finally:
        stop(process)


def _dies_with_us() -> list[str]:
    """Prefix that has the kernel end the server when the tests are killed; it keeps the process id."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM"] if setpriv else []


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process we started: politely, then not."""
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _configuration(
    folder: Path, *, protected: bool, cache_of: str | None, credentials: tuple[str, str] | None
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": {
            "filesystem": {"rootdirectory": str(folder / "storage")},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": "127.0.0.1:0", "secret": "one-test"},
        "validation": {"manifests": {"urls": {"allow": ["^https?://"]}}},  # or it refuses foreign layers
    }
    if protected:
        found["auth"] = {"htpasswd": {"realm": "upstream", "path": str(folder / "htpasswd")}}
    if cache_of is not None:
        found["proxy"] = {"remoteurl": cache_of}
        if credentials is not None:
            found["proxy"] |= {"username": credentials[0], "password": credentials[1]}
    return found


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path, timeout: float = 20) -> str:
    """The address it says it listens on, once it answers there."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text(errors="replace")
        said = re.search(r"listening on (127\.0\.0\.1:\d+)", text)
        if said and _answers(f"http://{said[1]}/v2/"):
            return said[1]
        time.sleep(0.01)
    state = "ended" if process.poll() is not None else "did not answer"
    raise ServerError(f"the registry {state} within {timeout:.0f} s; its log:\n{log.read_text(errors='replace')}")


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):
            return True
    except HTTPError as error:
        with error:
            return error.code == 401
    except (URLError, OSError):
        return False
