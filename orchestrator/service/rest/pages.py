"""What the routes of lists have in common: how many rows, where the next page begins, and which fields rows have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Query, Request

from orchestrator.service.rest.settings import ServeSettings

_BOUNDS = ServeSettings()


def one_of(values: Iterable[str]) -> dict[str, Any]:
    """What the contract says of a text that is one of a few; the route refuses others, and says which there are."""
    return {"enum": [str(value) for value in values]}


class PageAsked(NamedTuple):
    """A page as a caller asks for it.

    Attributes:
        request: itself.
        limit: most rows.
        cursor: `next` of the page before; empty for the first.
        fields: names, separated by commas; empty for all.
    """

    request: Request
    limit: int
    cursor: str
    fields: str

    def link(self, cursor: str) -> str:
        """The header `Link` to the next page."""
        url = self.request.url.include_query_params(cursor=cursor)
        return f'<{url.path}?{url.query}>; rel="next"'


def page_asked(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=_BOUNDS.most_page, description="Rows of a page, which may have fewer")] = 100,
    cursor: Annotated[str, Query(max_length=2048, description="`next` of the page before; without it the first")] = "",
    fields: Annotated[str, Query(max_length=1000, description="Only these fields, separated by commas")] = "",
) -> PageAsked:
    """The page that a request asks for."""
    return PageAsked(request, limit, cursor, fields)


#: For routes: `page: Page`.
Page = Annotated[PageAsked, Depends(page_asked)]
