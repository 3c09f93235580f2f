"""Lists in pages: the tags of a repository, the catalogue of a registry, and what refers to a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from orchestrator.images.manifests import read_manifest
from orchestrator.kit.foreign_json import decode
from orchestrator.kit.http_headers import HeaderError, next_link
from orchestrator.net.errors import Unsupported, WrongBytes
from orchestrator.net.schemas import Catalogue, TagList

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.net.allowance import Allowance

    #: Reads the page that a query (`?n=1000&last=…`) asks for: its body, and the `Link` fields beside it.
    Page = Callable[[str], tuple[bytes, list[str]]]

T = TypeVar("T")


class Referrer(NamedTuple):
    """A manifest that says that it is about another one.

    Attributes:
        digest: of it.
        artifact_type: what it says that it is; empty where it says nothing.
    """

    digest: str
    artifact_type: str = ""


#: Names asked for at once.
PAGE: Final = 1000
#: Largest page accepted: a thousand names of 255 characters are 256 KB, and some registries give all they have at once.
PAGE_LIMIT: Final = 4 * 1024 * 1024


def read_tags(page: Page, allowance: Allowance, origin: str, *, size: int = PAGE) -> list[str]:
    """Every tag, in the registry's order; see `_read`."""
    return _read(
        page,
        lambda data: decode(data, TagList, origin=origin, most_bytes=PAGE_LIMIT).tags,
        allowance,
        origin,
        f"?n={size}",
    )


def read_catalogue(page: Page, allowance: Allowance, origin: str, *, size: int = PAGE) -> list[str]:
    """Every repository, in the registry's order; see `_read`."""
    return _read(
        page,
        lambda data: decode(data, Catalogue, origin=origin, most_bytes=PAGE_LIMIT).repositories,
        allowance,
        origin,
        f"?n={size}",
    )


def read_referrers(page: Page, allowance: Allowance, origin: str) -> list[Referrer]:
    """Every manifest that refers to one (distribution-spec 1.1, "Listing Referrers"); see `_read`."""
    return _read(page, lambda data: referrers_in(data, origin=origin), allowance, origin, "")


def referrers_in(data: bytes, *, origin: str) -> tuple[Referrer, ...]:
    """What an index lists that was made as such a list.

    Raises:
        Unsupported: it is no index.
    """
    index = read_manifest(data, origin=origin)
    if index.manifests is None:
        raise Unsupported(f"{origin}: an index of referrers was expected")
    return tuple(Referrer(entry.blob(origin).digest, entry.artifact_type) for entry in index.manifests)


def _read(
    page: Page, names: Callable[[bytes], tuple[T, ...] | None], allowance: Allowance, origin: str, query: str
) -> list[T]:
    """A list in pages, each of which links to the next (RFC 8288).

    Of a link only the query is followed: a registry behind another's paths links to its own, and no registry leads us
    to another.

    Raises:
        ForeignJsonError: a page is no such list.
        WrongBytes: a page links to one that was read before, or nobody can say to where.
        OverBudget: there are more pages, names or bytes than the allowance grants.
    """
    found: dict[T, None] = {}
    asked = {query}
    while True:
        data, links = page(query)
        names_here = names(data) or ()
        allowance.spend(entries=len(names_here))
        found |= dict.fromkeys(names_here)
        try:
            following = next_link(links)
            query = f"?{urlsplit(following).query}" if following is not None else ""
        except (HeaderError, ValueError) as error:
            raise WrongBytes(f"{origin}: its Link to the next page cannot be read: {error}") from error
        if not query:
            return list(found)
        if query in asked:
            raise WrongBytes(f"{origin}: its pages link back to one that was read before, so the list has no end")
        asked.add(query)
