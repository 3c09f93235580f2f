"""The keys of `job/config.yaml` as people write them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from orchestrator.config.described import ValueKind
from orchestrator.config.kinds import Value
from orchestrator.config.section import Keys
from orchestrator.jobs.checks import (
    check_annotations,
    check_bounded,
    check_command,
    check_egress,
    check_expression,
    check_few,
    check_labels,
    check_prefix,
    check_resources,
    check_seccomp,
    check_task,
    check_variable,
    clean_files,
    of_pairs,
)
from orchestrator.jobs.json_paths import check_json_path
from orchestrator.jobs.model import (
    EgressTo,
    JobAction,
    JobConfiguration,
    JobEventFilter,
    JobJsonPath,
    JobTask,
    TaskResources,
    TaskSeccomp,
    TaskVariable,
    TaskVariables,
)

#: How values of a plugin are written.
_Values = Annotated[
    dict[str, Value],
    BeforeValidator(of_pairs),
    ValueKind(
        "mapping of text",
        {
            "anyOf": [
                {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
                {"type": "string"},
            ]
        },
    ),
]

TASK = Keys(
    JobTask,
    without=("place",),
    beside={"values": (_Values, Field(alias="with", default_factory=dict))},
    nested=(
        Keys(TaskVariable, check=check_variable),
        Keys(TaskVariables, one_of=("secret_ref", "config_map_ref"), checks={"prefix": check_prefix}),
        Keys(TaskResources, check=check_resources),
        Keys(TaskSeccomp, check=check_seccomp),
        Keys(EgressTo, check=check_egress),
    ),
    checks={
        "files": clean_files,
        "cmd": check_command,
        "args": check_bounded,
        "env": check_bounded,
        "annotations": check_annotations,
        "labels": check_labels,
    },
    check=check_task,
    one_of=("image", "plugin"),
)
"""One task. What it is run as, and whether it may, is judged by the policy."""

_EVENT = Keys(
    JobEventFilter,
    without=("is_whole",),
    nested=(Keys(JobJsonPath, checks={"property": check_json_path}),),
    checks={"name": check_expression},
)
_ACTION = Keys(JobAction, without=("place",), nested=(_EVENT, TASK), checks={"events": check_few, "tasks": check_few})
JOB = Keys(
    JobConfiguration,
    without=("form",),
    required=("api_version",),
    nested=(_ACTION,),
    checks={"actions": check_few},
)
"""A whole file, in the form of v2."""
