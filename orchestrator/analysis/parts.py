"""Merged findings of one target in parts of bounded size: all parts but the first lie in a temporary file."""

from __future__ import annotations

import tempfile
from itertools import islice
from typing import TYPE_CHECKING, Self

import msgspec

from orchestrator.model import MergedFinding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import IO

#: Findings of a part; real targets have fewer, so that nothing is written for them.
PART = 16_384
_decode = msgspec.msgpack.Decoder(list[MergedFinding]).decode


def in_parts(findings: Iterable[MergedFinding]) -> Iterator[list[MergedFinding]]:
    """Findings in lists of `PART`; no empty list."""
    waiting = iter(findings)
    while some := list(islice(waiting, PART)):
        yield some


class Parts:
    """Holds parts; a context manager, because of its file.

    Args:
        folder: where the nameless temporary file may lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._first: Sequence[MergedFinding] = ()
        self._file: IO[bytes] | None = None
        self._sizes: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, findings: Sequence[MergedFinding]) -> None:
        """Add one; the first stays in memory."""
        if not self._first:
            self._first = findings
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed with the parts
        self._sizes.append(self._file.write(msgspec.msgpack.encode(findings)))

    def __iter__(self) -> Iterator[Sequence[MergedFinding]]:
        """Every part, in the order in which they were added."""
        if self._first:
            yield self._first
        if self._file is not None:
            self._file.seek(0)
            for size in self._sizes:
                yield _decode(self._file.read(size))
