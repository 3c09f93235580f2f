"""The addresses of what is in a target: its packages as a tree, opened branch by branch, or as a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Response

from orchestrator.errors import NotKnownError
from orchestrator.results.errors import NoResultsError
from orchestrator.service.page import questions, rendering
from orchestrator.service.page.errors import PageRoute, may_start
from orchestrator.service.page.rendering import HtmlPage
from orchestrator.service.page.views import packages
from orchestrator.service.page.views.packages import DEEPEST
from orchestrator.service.rest.caller import OWNERS_MAY, READS
from orchestrator.service.rest.routers.questions import Reader, State  # noqa: TC001 - FastAPI reads the annotations

if TYPE_CHECKING:
    from orchestrator.results.bom.tree import BomNode
    from orchestrator.service.rest.state import ServiceState

router = APIRouter(tags=["page"], dependencies=[READS, OWNERS_MAY], include_in_schema=False, route_class=PageRoute)
#: Keys from the root of a tree to what is opened.
Way = Annotated[tuple[str, ...], Query(max_length=DEEPEST)]


@router.get("/targets/{target}/packages")
async def show_packages(
    state: State,
    caller: Reader,
    target: str,
    *,
    at: Way = (),
    q: Annotated[str, Query(max_length=200)] = "",
    vulnerable: bool = False,
    after: Annotated[int, Query(ge=0)] = 0,
) -> HtmlPage:
    """What is in a target, and what needs what."""

    def answer() -> HtmlPage:
        """The tree or the list, or that there is neither."""
        found = questions.one_target(state.config, target)
        context: dict[str, Any] = {"view": "matrix", "of": found, "q": q, "vulnerable": vulnerable, "page": None}
        try:
            nodes = _nodes(state, target)
        except (NoResultsError, NotKnownError):  # whose words name the volume
            context["may_scan"] = may_start(caller)
        else:
            context["page"] = packages.show(nodes, at, after, q, vulnerable=vulnerable)
        return HtmlPage("packages.html.j2", context)

    return await state.ask(answer)


@router.get("/targets/{target}/packages/below")
async def show_branch(state: State, target: str, at: Way = ()) -> Response:
    """What one package of a target needs, for a tree that is on a page already."""

    def answer() -> Response:
        """The branch."""
        branch = packages.branch(_nodes(state, target), at)
        return Response(
            rendering.fragment("branch.html.j2", {"target": target, "branch": branch}), media_type="text/html"
        )

    return await state.ask(answer)


def _nodes(state: ServiceState, target: str) -> list[BomNode]:
    """The BOM of a target, read again when the store has something new."""
    return state.once(("packages", target), lambda: questions.packages(state.config, target))
