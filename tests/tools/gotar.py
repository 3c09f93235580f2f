"""Go's `archive/tar` as a listing of archives, to compare our reader with; built once from `go/tarlist`."""

import json
import struct
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from tests.tools.goprogram import go_program


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
    command = [str(go_program("tarlist")), *(["gzip"] if gzipped else [])]
    done = subprocess.run(command, input=given, capture_output=True, check=True, timeout=120)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(archives)
    return [Listing(tuple(_listed(entry) for entry in one["entries"] or ()), one["error"]) for one in found]


def _listed(entry: dict[str, str]) -> Listed:
    name, link = bytes.fromhex(entry["name"]), bytes.fromhex(entry["link"])
    return Listed(entry["type"], name, link, int(entry["size"]), int(entry["mode"]), entry["content"])
