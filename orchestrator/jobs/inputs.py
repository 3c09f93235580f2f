"""Values of a plugin's inputs: what each must be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.jobs.checks import clean_path
from orchestrator.jobs.json_paths import check_json_path
from orchestrator.kit.matching import matched_whole
from orchestrator.kit.sources import CONTROL
from orchestrator.kit.urls import judge_web_url

if TYPE_CHECKING:
    from orchestrator.jobs.plugin_model import PluginInput

_LONGEST = 4096
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?")
_NUMBERS = {"integer": _INTEGER, "number": _NUMBER}
#: What decides which code a program is made of, or where it is found, and what every task is given.
_TAKEN = re.compile(r"LD_.*|PATH|HOME|KEPTN_.*|LABELS_.*|KUBERNETES_.*")
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


def judge_input_name(name: str) -> str:
    """What is wrong with the name of an input; empty when nothing is."""
    if not _NAME.fullmatch(name):
        return f"{name[:80]!r} is no name of an input; write capital letters, digits and '_': HELM_CHART"
    if _TAKEN.fullmatch(name):
        return f"{name} is a variable that means something to the system; choose another name"
    return ""


def check_input(found: PluginInput) -> PluginInput:
    """An input whose keys go together, and whose default is one of its values.

    Raises:
        ValueError: it is not.
    """
    if found.required and found.default is not None:
        raise ValueError("an input that is required needs no default; leave one of them out")
    if found.default is not None and found.event is not None:
        raise ValueError("give it either a default or a value of the event, not both")
    if (found.least is not None or found.most is not None) and found.type not in _NUMBERS:
        raise ValueError(f"least and most are of numbers, and this is of type {found.type}")
    if found.pattern is not None:
        matched_whole(found.pattern)
    if found.event is not None:
        check_json_path(found.event)
    for value in (*found.values, *([] if found.default is None else [found.default])):
        if wrong := judge_value(found, value):
            raise ValueError(wrong)
    return found


def judge_value(wanted: PluginInput, value: str) -> str:
    """Why a value is none of an input's, as the end of a sentence; empty when it is one."""
    shown = repr(value[:80])
    if len(value) > _LONGEST:
        return f"has {len(value):,} characters; at most {_LONGEST:,} are accepted"
    if bad := CONTROL.search(value):
        return f"has the control character {bad[0]!r}"
    if wanted.values and value not in wanted.values:
        return f"{shown} is not {' or '.join(map(repr, wanted.values))}"
    if wrong := _judge_type(wanted, value):
        return wrong
    if wanted.pattern is not None and not matched_whole(wanted.pattern)(value):
        return f"{shown} does not match {wanted.pattern}"
    return ""


def _judge_type(wanted: PluginInput, value: str) -> str:
    if (number := _NUMBERS.get(wanted.type)) is not None:
        return (
            _judge_number(wanted, value) if number.fullmatch(value) else f"{value[:80]!r} is not of type {wanted.type}"
        )
    if wanted.type == "boolean":
        return "" if value in {"true", "false"} else f"{value[:80]!r} is not true or false"
    if value.startswith("-"):
        return f"{value[:80]!r} begins with '-', which programs take for an option"
    if wanted.type == "url":
        return judge_web_url(value)
    return _judge_path(value) if wanted.type == "path" else ""


def _judge_number(wanted: PluginInput, value: str) -> str:
    if wanted.least is not None and float(value) < wanted.least:
        return f"{value} is less than {wanted.least:g}"
    return f"{value} is more than {wanted.most:g}" if wanted.most is not None and float(value) > wanted.most else ""


def _judge_path(value: str) -> str:
    try:
        clean_path(value)
    except ValueError as error:
        return str(error)
    return ""
