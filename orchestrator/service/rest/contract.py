"""The contract: OpenAPI 3.1, made of the routes, of the types that they answer with, and of real answers as examples.

`docs/openapi.json` is what is served; a test compares both, asks every operation and validates each answer.
`examples.json` has the answers, which the same test writes.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi.openapi.utils import get_openapi

from orchestrator.analysis.highlights import Highlights
from orchestrator.api.json_documents import document_schema
from orchestrator.api.submission import RunRequest
from orchestrator.model import Ledger, Plan, RunStatus
from orchestrator.model.suppression import Suppression
from orchestrator.queries.known_targets import KnownTarget
from orchestrator.queries.pages import MatrixPlace
from orchestrator.results.coverage import NotCovered
from orchestrator.results.overview import RunSummary
from orchestrator.service.rest.middleware.boundary import OPEN_PATHS
from orchestrator.service.rest.problems import KINDS, MEDIA_TYPE
from orchestrator.store.backlog.messages import Backlog
from orchestrator.store.documents import TargetView
from orchestrator.store.listing import WorkloadPlace

if TYPE_CHECKING:
    from fastapi import FastAPI

Schema = dict[str, Any]
#: Of the contract; raised where a field goes or changes its meaning.
VERSION = "1"
_REF = "#/components/schemas/"
_TYPES = (
    Backlog, Highlights, KnownTarget, Ledger, MatrixPlace, NotCovered, Plan, RunRequest, RunStatus, RunSummary,
    Suppression, TargetView, WorkloadPlace,
)  # fmt: skip
_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "integer", "minimum": 0}
_DOCUMENT: Schema = {"type": "object"}
_JSON, _CYCLONEDX = "application/json", "application/vnd.cyclonedx+json"


def _ref(name: str) -> Schema:
    return {"$ref": f"{_REF}{name}"}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


_COVERAGE = {"coverage": _object(targets=_NUMBER, covered=_NUMBER), "unknown": _list(_ref("NotCovered"))}
_COUNT = _object(value=_NUMBER, kind={"enum": ["exact", "at_least"]})


def _page(name: str, row: Schema, *, rests: bool = True, **more: Schema) -> Schema:
    # With `fields` a row has only some of them.
    return _object(**(_COVERAGE if rests else {}), **{name: _list(row)}, next=_TEXT, **more)


_SCAN_RESULT = _object(imageId=_TEXT, report=_DOCUMENT)
_RECEIPT = _object(accepted=_NUMBER, ignored={"type": "object", "additionalProperties": _NUMBER})
#: What each operation answers with: status, media type, schema.
ANSWERS: dict[str, tuple[int, str, Schema]] = {
    "healthz": (200, _JSON, _object(status=_TEXT)),
    "readyz": (200, _JSON, _object(status=_TEXT)),
    "metrics": (200, "text/plain", _TEXT),
    "put_scan_result": (200, _JSON, _object(imageId=_TEXT, target=_TEXT, run=_TEXT, changed={"type": "boolean"})),
    "list_scan_results": (200, _JSON, _list({**_SCAN_RESULT, "required": ["imageId"]})),
    "get_scan_result": (200, _JSON, _SCAN_RESULT),
    "delete_scan_result": (204, "", {}),
    "list_runs": (200, _JSON, _page("runs", _ref("RunSummary"), rests=False)),
    "get_run": (
        200, _JSON,
        _object(
            run=_TEXT, summary={"anyOf": [_ref("RunSummary"), {"type": "null"}]}, state=_TEXT,
            counts={"type": "object", "additionalProperties": _NUMBER},
        ),
    ),
    "list_progress": (200, _JSON, _page("progress", _ref("RunStatus"), rests=False)),
    "get_run_progress": (200, _JSON, _ref("RunStatus")),
    "list_run_findings": (200, _JSON, _page("findings", _ref("MergedRow"))),
    "get_run_highlights": (200, _JSON, _ref("Highlights")),
    "get_backlog": (200, _JSON, _ref("Backlog")),
    "get_run_ledger": (200, _JSON, _ref("Ledger")),
    "list_targets": (200, _JSON, _page("targets", _ref("KnownTarget"))),
    "get_target": (200, _JSON, _ref("TargetView")),
    "list_cells": (200, _JSON, _page("cells", _ref("MatrixPlace"))),
    "list_workloads": (200, _JSON, _page("workloads", _ref("WorkloadPlace"), rests=False)),
    "list_findings": (200, _JSON, _page("findings", _ref("MergedRow"))),
    "who_has": (200, _JSON, _page("findings", _ref("MergedRow"), count=_COUNT)),
    "list_changes": (200, _JSON, _page("differences", _ref("Difference"), count=_COUNT)),
    "list_suppressions": (200, _JSON, _ref("Suppression")),
    "get_coverage": (200, _JSON, _object(**_COVERAGE)),
    "get_run_bom": (200, _CYCLONEDX, _DOCUMENT),
    "get_run_report": (200, "text/html", _TEXT),
    "get_target_bom": (200, _CYCLONEDX, _DOCUMENT),
    "get_cell_report": (200, "application/octet-stream", {"type": "string", "format": "binary"}),
    "make_plan": (200, _JSON, _ref("Plan")),
    "submit_run": (202, _JSON, _object(run=_TEXT, known={"type": "boolean"}, cells=_NUMBER, targets=_NUMBER)),
    "retry_run": (202, _JSON, _object(run=_TEXT)),
    "cancel_run": (200, _JSON, _object(run=_TEXT, stopped=_list(_TEXT))),
    "send_events": (202, _JSON, _RECEIPT),
    "send_sender_events": (202, _JSON, _RECEIPT),
    "send_unsigned_events": (202, _JSON, _RECEIPT),
}  # fmt: skip
#: What operations are sent.
_BODIES = {
    "put_scan_result": _SCAN_RESULT,
    "make_plan": _ref("RunRequest"),
    "submit_run": _ref("RunRequest"),
    "send_events": _DOCUMENT,
    "send_sender_events": _DOCUMENT,
    "send_unsigned_events": _DOCUMENT,
}
#: Further statuses with the same answer: 200 where none of the events is of use.
_OTHERS = dict.fromkeys(("send_events", "send_sender_events", "send_unsigned_events"), (200,))
_MEDIA = {"send_events": "application/cloudevents+json"}
_PROBLEM: Schema = _object(
    type={"enum": [f"urn:scanmatrix:problem:{kind.name}" for kind in KINDS]},
    title=_TEXT, status=_NUMBER, detail=_TEXT, instance=_TEXT, request_id=_TEXT,
)  # fmt: skip


def contract(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an application; made once. Tokens are optional where the service asks nobody for one."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=VERSION, openapi_version="3.1.0", routes=app.routes)
        for path in found["paths"].values():
            for operation in path.values():
                _complete(operation)
        found["components"] = {
            "schemas": schemas(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        }
        if app.state.guard is None:
            found["security"] = [{}, {"bearer": []}]
        else:
            found["security"] = [{"bearer": []}]
            for path in OPEN_PATHS:
                found["paths"][path]["get"]["security"] = []
        app.openapi_schema = found
    return app.openapi_schema


@cache
def schemas() -> dict[str, Schema]:
    """Every type of the contract by its name."""
    _, found = msgspec.json.schema_components(_TYPES, ref_template=_REF + "{name}")
    for name in ("findings", "differences"):
        for title, row in document_schema(name)["$defs"].items():
            if title != "NotCovered":
                found[title] = {**row, "required": []}
    return dict(sorted({**found, "Problem": _PROBLEM}.items()))


@cache
def examples() -> dict[str, Any]:
    """An example of each operation: what was asked (`request`), and the answer (`response`)."""
    found: dict[str, Any] = msgspec.json.decode((resources.files(__package__) / "examples.json").read_bytes())
    return found


def _complete(operation: dict[str, Any]) -> None:
    """Say what an operation of ours answers with; one of another module says so itself."""
    name = operation["operationId"]
    problem = {"description": "A problem", "content": {MEDIA_TYPE: {"schema": _ref("Problem")}}}
    operation.get("responses", {}).pop("422", None)
    operation["responses"] = {**operation.get("responses", {}), "default": problem}
    if name not in ANSWERS:
        return
    status, kind, schema = ANSWERS[name]
    example = examples().get(name, {})
    content: dict[str, Any] = {"schema": schema}
    if "response" in example:
        content["example"] = example["response"]
    answer: dict[str, Any] = {"description": "The answer"}
    if kind:
        answer["content"] = {kind: content}
    operation["responses"] = {str(status): answer, "default": problem}
    operation["responses"] |= {str(other): answer for other in _OTHERS.get(name, ())}
    if name in _BODIES:
        body = {"schema": _BODIES[name], "example": example.get("request")}
        operation["requestBody"] = {"required": True, "content": {_MEDIA.get(name, _JSON): body}}
