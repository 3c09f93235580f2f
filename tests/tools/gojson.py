"""Go's `encoding/json` as a reader of images' documents, to compare ours with; built once from `go/jsonread`."""

import json
import struct
import subprocess
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from tests.tools.goprogram import go_program

#: Manifest or index, config, manifest.json of `docker save`, oci-layout, list of tags, any object.
Kind = Literal["m", "c", "s", "l", "t", "x"]


class GoRead(NamedTuple):
    """What Go read, encoded and decoded again; `error` is empty when it took the document."""

    error: str
    value: Any


def read_documents(documents: Sequence[tuple[Kind, bytes]]) -> list[GoRead]:
    """Have Go read documents, all in one process."""
    given = b"".join(kind.encode() + struct.pack(">Q", len(data)) + data for kind, data in documents)
    done = subprocess.run([go_program("jsonread")], input=given, capture_output=True, check=True, timeout=120)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(documents)
    return [GoRead(one["error"], one["value"]) for one in found]


def folds() -> list[tuple[str, str]]:
    """Pairs of characters that Go takes for the same letter."""
    done = subprocess.run([go_program("jsonread"), "folds"], capture_output=True, check=True, text=True, timeout=120)
    pairs = (line.split() for line in done.stdout.splitlines()[1:])
    return [(chr(int(one)), chr(int(other))) for one, other in pairs]
