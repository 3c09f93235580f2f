"""The JSON Schema of the older form of `job/config.yaml`, made of that of v2 by what `older.py` reads it as."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from orchestrator.config.json_schema import schema_of
from orchestrator.jobs.keys import JOB
from orchestrator.jobs.older import NO_WHOLE_NAME, QUOTES, task_keys

if TYPE_CHECKING:
    from collections.abc import Iterable


def older_schema(title: str) -> dict[str, Any]:
    """The schema of a whole file; what both forms share is that of v2.

    Args:
        title: what the file is.
    """
    found = deepcopy(schema_of(JOB.section, title))
    found["required"].remove("apiVersion")
    task, action, event = (found["$defs"][name] for name in ("JobTask", "JobAction", "JobEventFilter"))
    command = task["properties"]["cmd"]
    words = {key: command.pop(key) for key in ("type", "items")}
    command["anyOf"] = [words, {"type": "string", "not": {"pattern": QUOTES.pattern}}]
    inline = {key: value for key, value in task["properties"].items() if key in task_keys()}
    action["properties"] |= {
        "event": {
            "description": "the whole type of the events that start it",
            "type": "string",
            "minLength": 1,
            "not": {"pattern": NO_WHOLE_NAME.pattern},
        },
        "jsonpath": event["properties"]["jsonpath"],
        **inline,
    }
    action["required"] = []
    action["dependentRequired"] = {"jsonpath": ["event"]}
    action["allOf"] = [
        {"oneOf": [{"required": [key]} for key in ("event", "events")]},
        {
            "oneOf": [
                {"required": ["tasks"], **_without(inline)},
                *({**each, **_without(["tasks"])} for each in task["oneOf"]),
            ]
        },
    ]
    return found


def _without(keys: Iterable[str]) -> dict[str, Any]:
    """That none of some keys is there."""
    return {"not": {"anyOf": [{"required": [key]} for key in keys]}}
