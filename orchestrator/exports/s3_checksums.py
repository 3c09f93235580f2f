"""SHA-256 of a file as S3 keeps it, also of one that is sent in parts.

Amazon S3 User Guide, "Checking object integrity": of a multipart upload the checksum is that of the parts' checksums,
one after the other, with `-` and their number behind it (a composite checksum).
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from orchestrator.model import Document

if TYPE_CHECKING:
    from pathlib import Path

_PART_LIMIT = 10_000
_PIECE = 1024 * 1024


class Sum(Document, frozen=True):
    """What a file should look like once it is there.

    Attributes:
        whole: SHA-256 of its bytes, hexadecimal.
        checksum: as the server gives it, base64.
        part_size: bytes of each part but the last; a file of at least this many is sent in parts.
    """

    size: int
    whole: str
    checksum: str
    part_size: int


def sum_file(path: Path, part_size: int) -> Sum:
    """Read a file once.

    Args:
        path: a regular file.
        part_size: wanted bytes of a part; doubled until there are at most 10,000 parts.
    """
    size = path.stat().st_size
    while size > part_size * _PART_LIMIT:
        part_size *= 2
    whole = hashlib.sha256()
    parts: list[bytes] = []
    with path.open("rb") as file:
        while True:
            part = hashlib.sha256()
            left = part_size
            while left and (data := file.read(min(left, _PIECE))):
                whole.update(data)
                part.update(data)
                left -= len(data)
            if left == part_size and parts:
                break
            parts.append(part.digest())
            if left:
                break
    if size < part_size:
        checksum = base64.b64encode(whole.digest()).decode()
    else:
        checksum = f"{base64.b64encode(hashlib.sha256(b''.join(parts)).digest()).decode()}-{len(parts)}"
    return Sum(size=size, whole=whole.hexdigest(), checksum=checksum, part_size=part_size)
