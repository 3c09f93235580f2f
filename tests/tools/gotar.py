"""Go's `archive/tar` as a listing of archives, to compare our reader with; built once from `go/tarlist`."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.tools._catalog import HERE, cache

_SOURCE = HERE / "go" / "tarlist"


class Listed(NamedTuple):
    """One entry: type flag, name, link target, size, mode, and SHA-256 of the first 8 MiB of content."""

    kind: str
    name: bytes
    link: bytes
    size: int
    mode: int
    content: str


class Listing(NamedTuple):
    """What Go makes of one archive; `error` is empty when it got to its end."""

    entries: tuple[Listed, ...]
    error: str


def list_archives(archives: Sequence[bytes], *, gzipped: bool = False) -> list[Listing]:
    """Have Go read archives, all in one process; skips the running test where Go is missing."""
    given = b"".join(struct.pack(">Q", len(data)) + data for data in archives)
    command = [str(_program()), *(["gzip"] if gzipped else [])]
    done = subprocess.run(command, input=given, capture_output=True, check=True, timeout=120)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(archives)
    return [Listing(tuple(_listed(entry) for entry in one["entries"]), one["error"]) for one in found]


def _listed(entry: dict[str, str]) -> Listed:
    name, link = bytes.fromhex(entry["name"]), bytes.fromhex(entry["link"])
    return Listed(entry["type"], name, link, int(entry["size"]), int(entry["mode"]), entry["content"])


def _program() -> Path:
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_SOURCE.iterdir()))).hexdigest()
    program = cache() / f"tarlist-{digest[:16]}" / "tarlist"
    if program.exists():
        return program
    if shutil.which("go") is None:
        import pytest  # noqa: PLC0415 - the installer imports this package before anything is installed

        required = os.environ.get("SCANMATRIX_REQUIRE_TOOLS", "") not in {"", "0"}
        raise (pytest.fail.Exception if required else pytest.skip.Exception)("go is missing; install Go 1.22 or newer")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent.parent, prefix=".unfinished-") as folder:
        built = Path(folder) / "tarlist"
        environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=mod"}
        subprocess.run(["go", "build", "-trimpath", "-o", built, "."], cwd=_SOURCE, env=environment, check=True)
        built.rename(program)
    return program
