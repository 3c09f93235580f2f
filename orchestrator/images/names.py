"""How people mean a target by a name: the one rule, for rules in files, and for every name on a command line.

A rule in a file means a target by

* its name as plans and ledgers show it, or as Docker shortens it (`nginx:1.27`, `docker.io/nginx:1.27`);
* the same without the tag;
* its digest, or that of an index it was found by;
* the URL of a repository, with or without its ref.

A person may write less (`short`): the name without its registry (`shop/web:1.0` for `registry.example/shop/web:1.0`),
a name with the digest of what was scanned under it (`shop/web@sha256:…`), an archive's or a plain folder's last name, a
repository without `https://` or without its host.
"""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING

from orchestrator.errors import UsageError
from orchestrator.git.url import project
from orchestrator.images.reference import is_host
from orchestrator.kit.docker_hub import HUB, HUB_OLD
from orchestrator.kit.sources import suggest
from orchestrator.model.image import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SHOWN = 5
_COMPARED = 10_000


def split_reference(text: str) -> tuple[str, str, str]:
    """Repository as Docker normalises it (registry before it, in lower case), tag and digest of an image's name."""
    name, _, digest = text.partition("@")
    first, slash, rest = name.partition("/")
    if not slash or not is_host(first):
        first, rest = HUB, name
    first = HUB if first == HUB_OLD else first
    rest, _, tag = rest.partition(":")
    if first == HUB and "/" not in rest:
        rest = f"library/{rest}"
    return f"{first}/{rest}".lower(), tag, digest


def names_of_target(
    references: Iterable[str], digest: str = "", indexes: Sequence[str] = (), *, short: bool = False
) -> tuple[str, ...]:
    """Every name by which a glob may mean a target.

    Args:
        references: its names, as plans have them.
        digest: of it.
        indexes: digests of those it was found by.
        short: also what a person may write on a command line.
    """
    names = dict.fromkeys(each for each in (digest, *indexes) if each)
    for reference in references:
        names[reference] = None
        if "://" in reference:
            names |= dict.fromkeys(_of_repository(reference, short=short))
        elif (path := PurePath(reference.removeprefix(FOLDER))).is_absolute():
            names |= {path.name: None} if short else {}
        else:
            names |= dict.fromkeys(_of_image(reference, digest, short=short))
    return tuple(names)


class NameBook:
    """Names that plans have, looked up as people write them."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = dict.fromkeys(known)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for reference in self._known:
            for name in names_of_target([reference], short=True):
                found.setdefault(name, []).append(reference)
        return found

    def find(self, written: str, *, whole: bool = False) -> str:
        """The one name that a person means; empty where it is none of these.

        What is written in full goes before what is short, and a tag that is not written is `latest` before it is any.

        Args:
            written: on a command line.
            whole: a tag that is not written is `latest` and no other, as it is for Docker.

        Raises:
            UsageError: it may be several.
        """
        written = written.strip()
        if spelling := next((each for each in _spellings(written) if each in self._known), ""):
            return spelling
        which = "://" in written or _says_which(written)
        latest = [] if which else self._by_name.get(f"{written}:latest", [])
        found = latest or ([] if whole and not which else self._by_name.get(written, []))
        if len(found) > 1:
            shown = ", ".join(sorted(found)[:_SHOWN])
            more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
            raise UsageError(f"{written!r} may be {shown}{more}: write the one you mean in full")
        return found[0] if found else ""

    def suggest(self, written: str) -> str:
        """`, did you mean '…'?` for a name or glob that means none of these, else nothing."""
        return suggest_name(written, (name for each in self._known for name in names_of_target([each], short=True)))


def suggest_name(written: str, names: Iterable[str]) -> str:
    """`, did you mean '…'?` for what means none of the names, else nothing; of too many the first are compared."""
    words = list(dict.fromkeys(islice(names, _COMPARED)))
    wanted = written.strip().strip("*").lower()
    inside = next((word for word in words if wanted in word.lower()), "") if wanted else ""
    return f", did you mean {inside!r}?" if inside else suggest(wanted, words)


def _spellings(written: str) -> Iterator[str]:
    """What plans may call it if it is written in full."""
    yield written
    if "://" not in written and not PurePath(written).is_absolute():
        repository, tag, digest = split_reference(written)
        tag = tag or ("" if digest else "latest")
        yield f"{repository}{tag and f':{tag}'}{digest and f'@{digest}'}"


def _says_which(written: str) -> bool:
    """Whether a name says which of a repository's images: by a tag or digest (a port is before the last slash)."""
    return "@" in written or ":" in written.rpartition("/")[2]


def _of_repository(reference: str, *, short: bool) -> Iterator[str]:
    url, _, ref = reference.partition("#")
    yield url
    if short and (place := project(url)):
        for name in (place, place.partition("/")[2]):
            yield name
            if ref:
                yield f"{name}#{ref}"


def _of_image(reference: str, digest: str, *, short: bool) -> Iterator[str]:
    repository, tag, pinned = split_reference(reference)
    places = [repository]
    registry, _, path = repository.partition("/")
    # A short name that itself looks like a host would pass for that other registry.
    if not is_host(path.partition("/")[0]) and (short or registry == HUB):
        places.append(path)
    if registry == HUB and len(places) > 1:
        places.append(path.removeprefix("library/"))
        places += [f"{HUB}/{places[-1]}"] if short else []
    for place in places:
        yield place
        if tag:
            yield f"{place}:{tag}"
        for each in dict.fromkeys(filter(None, (digest, pinned))) if short else ():
            yield f"{place}@{each}"
            if tag and pinned:
                yield f"{place}:{tag}@{each}"
