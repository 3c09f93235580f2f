"""What a pull-through cache (`distribution`) keeps in its folder, and how it is made to read something again.

It serves what lies there without looking at it: a flipped bit, or a file that a crash cut short, is served until it
expires, and its API removes nothing (a cache answers 405 to DELETE). A blob whose file is gone is read from its
upstream again. Blobs and manifests lie in `docker/registry/v2/blobs/<algorithm>/<xx>/<hex>/data`; below
`repositories`, a file `link` has the digest that its folder is called after; `scheduler-state.json` says what expires
when, and a registry that cannot read it does not start.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import UsageError
from orchestrator.images.digests import DIGEST, new_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

_CONTENT = "docker/registry/v2"
_STATE = "scheduler-state.json"
_PIECE = 1 << 20
#: A link is one digest; a state has some 200 bytes for each blob and manifest.
_LINK_LIMIT, _STATE_LIMIT = 256, 1 << 28


class Dropped(NamedTuple):
    """Something that was removed from a cache.

    Attributes:
        what: a digest, or the path of another file.
        size: in bytes.
        why: what was wrong with it; empty where it was asked for.
    """

    what: str
    size: int
    why: str

    def __str__(self) -> str:
        return f"dropped {self.what} ({self.size} bytes){self.why and ': '}{self.why}"


def require_cache(folder: Path) -> None:
    """Make sure that a folder is a pull-through cache's: what is removed from another registry is lost.

    Raises:
        UsageError: it is not, or nothing was read through it yet.
    """
    if not (folder / _STATE).is_file():
        raise UsageError(
            f"{folder} is not the folder of a pull-through cache that has read something (there is no {_STATE} in it);"
            " name the `rootdirectory` of its configuration"
        )


class StoredCache:
    """The folder of a cache. Its registry may be running, unless it keeps descriptors in memory (`storage.cache`).

    Args:
        folder: its `rootdirectory`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._content = folder, folder / _CONTENT

    def drop_wanted(self, digests: Sequence[str], repositories: Sequence[str]) -> Iterator[Dropped]:
        """Remove these blobs and manifests, and all of these repositories; with neither, whatever is damaged."""
        yield from self.drop(digests)
        for name in repositories:
            yield from self.drop_repository(name)
        if not digests and not repositories:
            yield from self.drop_damaged()

    def drop_damaged(self) -> Iterator[Dropped]:
        """Remove every blob whose bytes are not those of its digest, and every link that is not the one of its folder.

        With a damaged state everything is removed: what is not in it would never expire.
        """
        if why := _damage_of_state(self._folder / _STATE):
            yield from self.drop_all()
            yield from _remove(self._folder / _STATE, _STATE, why)
            return
        for digest, path in self._blobs():
            if why := _damage(digest, path):
                yield from _remove(path, digest, why)
        for path in sorted((self._content / "repositories").glob("**/link")):
            if why := _damage_of_link(path):
                yield from _remove(path, str(path.relative_to(self._folder)), why)

    def drop(self, digests: Iterable[str]) -> Iterator[Dropped]:
        """Remove these blobs and manifests, as far as they are there."""
        for digest in digests:
            algorithm, _, hexadecimal = digest.partition(":")
            yield from _remove(self._content / "blobs" / algorithm / hexadecimal[:2] / hexadecimal / "data", digest, "")

    def drop_repository(self, name: str) -> Iterator[Dropped]:
        """Remove all that was read of a repository, also what others have in common with it."""
        folder = self._content / "repositories" / name
        links = [path for kind in ("_layers", "_manifests/revisions") for path in folder.glob(f"{kind}/*/*/link")]
        yield from self.drop(sorted({digest for path in links if (digest := _digest_of(path))}))

    def drop_all(self) -> Iterator[Dropped]:
        """Remove every blob and manifest."""
        for digest, path in self._blobs():
            yield from _remove(path, digest, "")

    def _blobs(self) -> Iterator[tuple[str, Path]]:
        """Digest and file of each blob and manifest."""
        found = sorted((self._content / "blobs").glob("*/*/*/data"))
        return ((digest, path) for path in found if (digest := _digest_of(path)))


def _digest_of(path: Path) -> str:
    """The digest that a file's folder is called after; empty where it is called otherwise."""
    digest = f"{path.parent.parent.name}:{path.parent.name}"
    if path.name == "data":  # between them is a folder for the first two digits
        digest = f"{path.parent.parent.parent.name}:{path.parent.name}"
    return digest if DIGEST.fullmatch(digest) else ""


def _damage(digest: str, path: Path) -> str:
    """What is wrong with a blob; empty where nothing is, or somebody removed it meanwhile."""
    state = new_hash(digest)
    try:
        with path.open("rb") as file:
            while data := file.read(_PIECE):
                state.update(data)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return _unreadable(error)
    found = f"{digest.partition(':')[0]}:{state.hexdigest()}"
    return "" if found == digest else f"its bytes are those of {found}"


def _damage_of_link(path: Path) -> str:
    """What is wrong with a link: to a blob by its digest, or from a tag to any manifest."""
    try:
        with path.open("rb") as file:
            text = file.read(_LINK_LIMIT).decode(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return _unreadable(error)
    named = _digest_of(path)
    if DIGEST.fullmatch(text) and text == (named or text):
        return ""
    return f"leads to {text[:100]!r}"


def _damage_of_state(path: Path) -> str:
    try:
        with path.open("rb") as file:
            json.loads(file.read(_STATE_LIMIT))
    except FileNotFoundError:
        return ""
    except OSError as error:
        return _unreadable(error)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return ""


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"


def _remove(path: Path, what: str, why: str) -> Iterator[Dropped]:
    """Remove a file, and its folder when nothing else is in it; nothing happens when it is not there."""
    try:
        size = path.lstat().st_size
        path.unlink()
    except FileNotFoundError:
        return
    if path.name != _STATE:
        with suppress(OSError):
            path.parent.rmdir()
    yield Dropped(what, size, why)
