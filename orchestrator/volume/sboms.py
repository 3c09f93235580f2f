"""SBOMs on the volume, each made once of an image's platform by one cataloguer, and read until nobody asks for it.

sboms/<digest>/<question>.json    what is known of it (`orchestrator.model.StoredSbom`)
sboms/<digest>/<its own>.zst      its bytes, compressed, under their own digest; its time is that of its last use

The bytes are there before the document that names them, under a name that depends on what they are: two runs that make
the same SBOM at once leave one of two whole ones, and a reader has the bytes that it looks for, or none.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import zstandard

from orchestrator.errors import PermanentError
from orchestrator.kit.compression import decompressed
from orchestrator.kit.quantities import spell_size
from orchestrator.kit.removal import remove_quietly
from orchestrator.model import StoredSbom
from orchestrator.model.documents import DocumentError, decode, encode
from orchestrator.volume.layout import atomic_file, write_atomic
from orchestrator.volume.partial import full_volume
from orchestrator.volume.records import read_small

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.model import BomSource
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)

_LEVEL = 10  # of zstd: a fifth smaller than its default, at 60 MB/s
_PIECE = 1 << 20
#: Bytes of an SBOM, unpacked: a report may have no more, unless its template says so.
MOST_BYTES = 256 * 1024**2
#: A scanner of another user reads it.
_READABLE = 0o644
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
#: Seconds for which bytes without a document are left alone: their document may be on its way.
_UNFINISHED = 3600.0


class StoredSbomError(PermanentError):
    """A stored SBOM that cannot be used: damaged, gone, or about another image."""


def find_sbom(volume: Volume, digest: str, asked: str) -> StoredSbom | None:
    """What is known of the SBOM of an image's platform that answers a cataloguer's question; None where there is none.

    Args:
        volume: where it lies.
        digest: of the platform's manifest.
        asked: the question of the scan that makes it (`orchestrator.catalog.question`).

    Raises:
        StoredSbomError: what is said of it there cannot be read, or is about another one.
    """
    path = volume.sboms(digest) / f"{asked}.json"
    try:
        found = decode(read_small(path), StoredSbom, origin=str(path))
    except FileNotFoundError:
        return None
    except (DocumentError, OSError) as error:
        raise StoredSbomError(f"what is known of its stored SBOM cannot be read: {error}") from error
    if (found.digest, found.asked) != (digest, asked):
        raise StoredSbomError(f"its stored SBOM {path.name} says that it is of {found.digest}")
    return found


def keep_sbom(volume: Volume, sbom: StoredSbom, data: bytes) -> None:
    """Store an SBOM, in place of an earlier answer to the same question.

    Raises:
        StoredSbomError: it is too large to be read again.
        OSError: the volume cannot be written.
    """
    if len(data) > MOST_BYTES:
        raise StoredSbomError(f"it has {spell_size(len(data))}, and a stored SBOM at most {spell_size(MOST_BYTES)}")
    folder = volume.sboms(sbom.digest)
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(data)
    content = _content(folder, sbom.source)
    with full_volume(content, len(packed)):
        write_atomic(content, packed)
        write_atomic(folder / f"{sbom.asked}.json", encode(sbom))


def open_sbom(volume: Volume, digest: str, source: BomSource, to: Path) -> None:
    """Write a stored SBOM's bytes to a file, whole and as they were stored, and note that it was used.

    Args:
        volume: where it lies.
        digest: of the manifest of the image's platform.
        source: which of its SBOMs.
        to: the file.

    Raises:
        StoredSbomError: it is gone, too large, or not what was stored.
        OSError: the file cannot be written.
    """
    content = _content(volume.sboms(digest), source)
    seen, size = hashlib.sha256(), 0
    try:
        with content.open("rb") as packed, atomic_file(to, mode=_READABLE, lasting=False) as file:
            plain = decompressed(packed)
            while piece := plain.read(_PIECE):
                size += len(piece)
                if size > MOST_BYTES:
                    raise StoredSbomError(f"its stored SBOM has more than {spell_size(MOST_BYTES)}")
                seen.update(piece)
                file.write(piece)
            if f"sha256:{seen.hexdigest()}" != source.bom:
                raise StoredSbomError("its stored SBOM is damaged: it is not what was stored")
    except FileNotFoundError as error:
        raise StoredSbomError("its stored SBOM is no longer on the volume") from error
    except (EOFError, zlib.error, zstandard.ZstdError) as error:
        raise StoredSbomError(f"its stored SBOM is damaged: {error}") from error
    with suppress(OSError):
        os.utime(content)


class _Kept(NamedTuple):
    """One stored SBOM, as its files tell."""

    used: float
    size: int
    document: Path
    content: Path


def prune_sboms(volume: Volume, *, unused_after: float, budget: int, now: float | None = None) -> int:
    """Remove SBOMs that nobody has read for long, and those read longest ago where all take more than they may.

    Args:
        volume: where they lie.
        unused_after: seconds.
        budget: bytes, compressed.
        now: seconds since 1970, instead of the clock.

    Returns:
        How many were removed.
    """
    now = time.time() if now is None else now
    removed, taken = 0, 0
    for kept in sorted(_kept(volume, now), reverse=True):
        taken += kept.size
        if kept.used < now - unused_after or taken > budget:
            remove_quietly(kept.document)
            remove_quietly(kept.content)
            removed += 1
    return removed


def _kept(volume: Volume, now: float) -> Iterator[_Kept]:
    """Every stored SBOM; bytes that no document names go."""
    if not volume.all_sboms.is_dir():
        return
    for folder in volume.all_sboms.iterdir():
        named = set()
        for document in folder.glob("*.json"):
            try:
                sbom = decode(read_small(document), StoredSbom, origin=str(document))
                content = _content(folder, sbom.source)
                status = content.stat()
                yield _Kept(status.st_mtime, status.st_size, document, content)
                named.add(content.name)
            except (DocumentError, StoredSbomError, OSError) as error:
                _log.warning("%s is removed, it is no whole stored SBOM: %s", document, error)
                remove_quietly(document)
        for other in folder.iterdir():
            if other.suffix != ".json" and other.name not in named and other.stat().st_mtime < now - _UNFINISHED:
                remove_quietly(other)
        with suppress(OSError):
            folder.rmdir()


def _content(folder: Path, source: BomSource) -> Path:
    """The file of its bytes; a digest that would lead elsewhere is none."""
    found = _DIGEST.fullmatch(source.bom)
    if found is None:
        raise StoredSbomError(f"{source.bom!r} is no digest of a stored SBOM")
    return folder / f"{found[1]}.zst"
