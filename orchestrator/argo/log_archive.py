"""The results of a run as text, so that they can leave the cluster as a pod's log.

    -----BEGIN SCANMATRIX RESULTS-----
    <base64 of a gzipped tar, 76 characters a line>
    -----END SCANMATRIX RESULTS sha256:<of the tar.gz>-----

A log may be cut off at its beginning or end, and have lines of others in it: what is not whole is refused.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import io
import re
import tarfile
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.errors import PermanentError, TemporaryError, UsageError
from orchestrator.kit.compression import decompressed
from orchestrator.kit.tar import EntryKind, TarError, TarReader
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

#: Every file of a run's results, the ledger last: where it is, the others are.
FILES = (
    "summary.md",
    "report.html",
    "merged.csv",
    "merged.parquet",
    "findings.csv",
    "findings.parquet",
    "bom.cdx.json",
    "ledger.json",
)
_BEGIN = "-----BEGIN SCANMATRIX RESULTS-----"
_END = "-----END SCANMATRIX RESULTS "
_ENCODED = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_WIDTH = 57  # bytes of a line of 76 characters
#: Most bytes that a file may unfold to.
_LIMIT = 4 * 1024**3


class ResultsCutOffError(TemporaryError):
    """What was read is not the whole of it."""


class ResultsBadError(PermanentError):
    """What was read is not what `pack` makes."""


def pack(folder: Path, names: Sequence[str] = FILES) -> Iterator[str]:
    """Lines that hold files of a results folder; those that are not there are left out.

    Raises:
        UsageError: none of them is there, or a name is not one of `FILES`.
    """
    if unknown := sorted(set(names) - set(FILES)):
        raise UsageError(f"there is no result called {', '.join(unknown)}; there are {', '.join(FILES)}")
    found = [name for name in FILES if name in names and (folder / name).is_file()]
    if not found:
        raise UsageError(f"{folder}: there is none of {', '.join(names)}; the run has not ended, or is unknown")
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as zipped, tarfile.open(fileobj=zipped, mode="w|") as tar:
        for name in found:
            tar.add(folder / name, arcname=name, filter=_anonymous)
    data = buffer.getvalue()
    yield _BEGIN
    for start in range(0, len(data), _WIDTH):
        yield base64.b64encode(data[start : start + _WIDTH]).decode("ascii")
    yield f"{_END}sha256:{hashlib.sha256(data).hexdigest()}-----"


def unpack(lines: Iterable[str], folder: Path) -> tuple[str, ...]:
    """Write the files that lines hold into a folder, each whole or not at all.

    Args:
        lines: as read; others may stand before and after.
        folder: made when it is not there.

    Returns:
        Names of the files.

    Raises:
        ResultsCutOffError: the beginning or the end is missing; reading them again may help.
        ResultsBadError: they hold something else.
    """
    data = _data(lines)
    written = []
    try:
        reader = TarReader(decompressed(io.BytesIO(data)))
        for entry in reader:
            if (
                entry.name not in FILES
                or entry.kind != EntryKind.FILE
                or entry.parts is not None
                or entry.size > _LIMIT
            ):
                raise ResultsBadError(f"the results hold {entry.name[:200]!r}, which is no result of a run")
            write_atomic(folder / entry.name, reader.read(entry))
            written.append(entry.name)
    except (TarError, EOFError, OSError, zlib.error) as error:
        raise ResultsBadError(f"the results cannot be read: {error}") from error
    return tuple(written)


def _data(lines: Iterable[str]) -> bytes:
    encoded: list[str] | None = None
    for line in map(str.strip, lines):
        if line == _BEGIN:
            encoded = []
        elif line.startswith(_END) and encoded is not None:
            with suppress(binascii.Error):
                data = base64.b64decode("".join(encoded), validate=True)
                if line == f"{_END}sha256:{hashlib.sha256(data).hexdigest()}-----":
                    return data
            raise ResultsCutOffError("the results are not whole: their digest is another; fetch them again")
        elif encoded is not None and _ENCODED.fullmatch(line):
            encoded.append(line)
    raise ResultsCutOffError("the results are not whole: their beginning or end is missing; fetch them again")


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
