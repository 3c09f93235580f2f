"""The log of the service: one JSON object a line on stderr, without secrets; requests are among them."""

from __future__ import annotations

import logging
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.kit.masking import mask
from orchestrator.service.rest.metrics.durations import template_of

if TYPE_CHECKING:
    from starlette.types import Scope

REQUESTS, AUDIT = "scanmatrix.requests", "scanmatrix.audit"
_CALLS = -20
#: What a record may say beside its message: `log.info("…", extra={"run": …})`.
CONTEXT = (
    "run", "cell", "target", "request_id", "trace_id",
    "method", "path", "status", "seconds", "caller", "role", "action",
)  # fmt: skip
_log = logging.getLogger(REQUESTS)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": mask(record.getMessage()),
        }
        line |= {name: value for name in CONTEXT if (value := getattr(record, name, None)) is not None}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            trace = traceback.format_exception(type(error), error, error.__traceback__, limit=_CALLS)
            line["traceback"] = mask("".join(trace))
        return msgspec.json.encode(line).decode()


def log_as_json() -> None:
    """Write every log message of this process to stderr, a JSON object a line."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in (REQUESTS, AUDIT):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def log_request(scope: Scope, status: int, seconds: float) -> None:
    """Write a line for a request that has ended: by its route, never by what a stranger wrote into its path.

    Args:
        scope: the request.
        status: of the answer; 0 where none began, which is logged as 500.
        seconds: that it took.
    """
    state = scope.get("state", {})
    extra = {
        "request_id": state.get("request_id"),
        "trace_id": state.get("trace_id"),
        "method": scope["method"],
        "path": template_of(scope),
        "status": status or 500,
        "seconds": round(seconds, 4),
        "caller": getattr(state.get("caller"), "name", None),
    }
    _log.info("%s %s %s", extra["method"], extra["path"], extra["status"], extra=extra)
