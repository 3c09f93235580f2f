"""`/scan-results`: the results of images, put by other tools or our own, as other scanning services have them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Request, Response

from orchestrator.api import external
from orchestrator.api.owned import owner_of_image
from orchestrator.kit.json_bounds import explain
from orchestrator.kit.text import has_hidden
from orchestrator.queries.opening import as_everybody
from orchestrator.service.rest.answers import JsonAnswer
from orchestrator.service.rest.caller import OWNERS_ACT, OWNERS_MAY, READS, Caller, Role, needs
from orchestrator.service.rest.cursors import CursorScheme
from orchestrator.service.rest.middleware.audit import changed
from orchestrator.service.rest.pages import Page
from orchestrator.service.rest.problems import MediaTypeError, RequestError
from orchestrator.service.rest.routers.questions import State
from orchestrator.service.rest.state import ServiceState

router = APIRouter(tags=["scan-results"])
ImageId = Annotated[str, Path(alias="imageId", description="The image, percent-encoded", max_length=512)]
_LONGEST = 512
#: Bytes of reports on one page; the page ends before the report that is too many.
_PAGE_BYTES = 32 * 1024 * 1024


class _PutBody(msgspec.Struct):
    imageId: str  # noqa: N815 - a name of the contract
    report: msgspec.Raw


_read_body = msgspec.json.Decoder(_PutBody).decode


@router.put(
    "/scan-results", summary="Put the result of an image", operation_id="put_scan_result", dependencies=[OWNERS_ACT]
)
async def put(request: Request, state: State, caller: Annotated[Caller, Depends(needs(Role.SUBMIT))]) -> Response:
    """A CycloneDX document becomes the result of an image, in place of the one before; the same again changes nothing.

    It is a result like those of our own scans: searches, the matrix, the policy and exports have it, as that of the
    scan `external`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise MediaTypeError(f"send application/json, not {kind or 'a body without a type'}")
    body = await request.body()
    put_ = await state.do(_put, state, caller, body)
    changed(request, run=put_["run"], target=put_["target"])
    return JsonAnswer(put_)


def _put(state: ServiceState, caller: Caller, body: bytes) -> dict[str, Any]:
    try:
        said = _read_body(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"the body {explain(error)}") from error
    image, report = _checked(said.imageId), bytes(said.report)
    with as_everybody():
        owner = "" if caller.owners is None else owner_of_image(state.config, image, caller.owners)
        done = external.put_result(state.config, image, report, by=caller.name, owner=owner)
    return {"imageId": image, "target": done.target, "run": done.run, "changed": done.changed}


def _checked(image: str) -> str:
    """The image's id.

    Raises:
        RequestError: it is none that anybody could mean.
    """
    if not image.strip() or len(image) > _LONGEST:
        raise RequestError(f"imageId: give the name of an image, of at most {_LONGEST} characters")
    if has_hidden(image):
        raise RequestError("imageId: it has characters that nobody can see")
    return image


@router.get(
    "/scan-results",
    summary="List the results of images",
    operation_id="list_scan_results",
    dependencies=[READS, OWNERS_MAY],
)
async def list_(page: Page, state: State, caller: Annotated[Caller, Depends(needs(Role.READ))]) -> Response:
    """Every image with its report, a page at a time; the header `Link` leads to the next page.

    Of an image for which no other tool has put a report, it is what our own scans found, merged. A page ends early
    where its reports are large; `fields=imageId` leaves them out.
    """
    if page.fields not in {"", "imageId", "imageId,report"}:
        raise RequestError("fields: there are imageId and report")
    scheme = CursorScheme("scan-results", {"fields": page.fields})
    after = scheme.read(page.cursor, int) or 0
    body, last = await state.ask(_page, state, after, page.limit, page.fields != "imageId", owners=caller.owners)
    return JsonAnswer(body, headers={"Link": page.link(scheme.spell(last))} if last is not None else {})


def _page(state: ServiceState, after: int, limit: int, reports: bool) -> tuple[bytes, int | None]:
    """A page as JSON, and the number of the last target on it where there are more."""
    found, more = external.each_result(state.config, after=after, limit=limit)
    if not reports:
        return msgspec.json.encode([{"imageId": one.image} for _, one in found]), more
    rows: list[bytes] = []
    size, last = 0, after
    for number, one in external.reports_of(state.config, found):
        if rows and size + len(one.report) > _PAGE_BYTES:
            return b"[" + b",".join(rows) + b"]", last
        size += len(one.report)
        rows.append(_row(one))
        last = number
    return b"[" + b",".join(rows) + b"]", more


def _row(one: external.ImageReport) -> bytes:
    return b'{"imageId":' + msgspec.json.encode(one.image) + b',"report":' + one.report + b"}"


@router.get(
    "/scan-results/{imageId:path}", summary="The result of an image", operation_id="get_scan_result",
    dependencies=[OWNERS_MAY],
)  # fmt: skip
async def get(state: State, image: ImageId, caller: Annotated[Caller, Depends(needs(Role.READ))]) -> Response:
    """The image and its report: as it was put, or else what our own scans found, merged, as CycloneDX."""
    return JsonAnswer(_row(await state.ask(external.get_result, state.config, _checked(image), owners=caller.owners)))


@router.delete(
    "/scan-results/{imageId:path}", summary="Delete the results of an image", operation_id="delete_scan_result",
    status_code=204, dependencies=[OWNERS_ACT],
)  # fmt: skip
async def delete(
    request: Request, state: State, image: ImageId, caller: Annotated[Caller, Depends(needs(Role.ADMIN))]
) -> Response:
    """Every result of the image goes: what was put, for good, and what our own scans found, from every answer.

    The ledgers of past runs say truthfully how their cells ended, and who deleted the results when. A newer scan brings
    the image back.
    """
    targets, runs = await state.do(_delete, state, caller, _checked(image))
    changed(request, run=",".join(runs[:5]), target=",".join(targets[:5]))
    return Response(status_code=204)


def _delete(state: ServiceState, caller: Caller, image: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    with as_everybody():
        return external.delete_result(state.config, image, by=caller.name, owners=caller.owners)
