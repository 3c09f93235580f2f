"""What an event starts: the actions that match it, and the variables of their tasks."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from orchestrator.errors import PermanentError
from orchestrator.jobs.json_paths import find_values
from orchestrator.jobs.notes import LABELS, OF_EVENT
from orchestrator.kit.foreign_json import decode
from orchestrator.kit.matching import searched

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.jobs.model import (
        JobAction,
        JobConfiguration,
        JobEventFilter,
        JobTask,
        TaskVariable,
        TaskVariables,
    )

#: Bytes of one variable, its name and `=` included: Linux gives a process no longer one (MAX_ARG_STRLEN).
MOST_VARIABLE = 128 * 1024 - 1
_NO_NAME = re.compile(r"[^A-Z0-9_]")


class JobEventError(PermanentError):
    """An event does not have what a task takes from it, or has what no process can be given."""


class JobEvent(NamedTuple):
    """An event as actions see it.

    Attributes:
        type: what happened.
        document: the whole event: its attributes, its extensions, and its data below `data`.
    """

    type: str
    document: Mapping[str, Any]

    @property
    def commit(self) -> str:
        """The commit of the configuration that the event is about; empty where it does not say."""
        found = self.document.get("gitcommitid")
        return found if isinstance(found, str) else ""

    def of_data(self, key: str) -> Any:
        """One member of its data; None where it has none."""
        data = self.document.get("data")
        return data.get(key) if isinstance(data, dict) else None


class TaskEnvironment(NamedTuple):
    """One variable of a task.

    Attributes:
        name: of the variable.
        value: of the variable.
        is_foreign: whether it came with the event, so that nothing may be filled in: neither `$(NAME)` by Kubernetes
            nor `{{…}}` by Argo.
    """

    name: str
    value: str
    is_foreign: bool


class MatchedTask(NamedTuple):
    """A task with what it is given.

    Attributes:
        task: as it was written.
        environment: its variables; the last of one name counts.
        secrets: secrets whose keys are variables.
        objects: further objects whose keys are variables.
    """

    task: JobTask
    environment: tuple[TaskEnvironment, ...]
    secrets: tuple[str, ...]
    objects: tuple[TaskVariables, ...]


class MatchedAction(NamedTuple):
    """An action that an event starts.

    Attributes:
        number: its place among the actions of the configuration, from 0.
        action: what is done.
    """

    number: int
    action: JobAction


def event_of(attributes: Mapping[str, str], data: bytes) -> JobEvent:
    """An event from its attributes and extensions, and its data as JSON.

    Raises:
        ForeignJsonError: its data is not JSON.
    """
    document: dict[str, Any] = dict(attributes)
    if data:
        document["data"] = decode(data, Any, origin=f"the data of event {attributes.get('id', '')[:80]}")
    return JobEvent(attributes.get("type", ""), document)


def matching_actions(configuration: JobConfiguration, event: JobEvent) -> tuple[MatchedAction, ...]:
    """The actions that an event starts, in order: the first that matches, and the silent ones before it."""
    found: list[MatchedAction] = []
    for index, action in enumerate(configuration.actions):
        if any(_matches(each, event) for each in action.events):
            found.append(MatchedAction(index, action))
            if not action.silent:
                break
    return tuple(found)


def tasks_of(action: JobAction, event: JobEvent) -> tuple[MatchedTask, ...]:
    """The tasks of an action with what they are given.

    Raises:
        JobEventError: the event does not have what a task takes from it.
    """
    common = tuple(_of_event(event))
    return tuple(
        MatchedTask(
            task,
            (
                *(
                    _resolved(variable, event, task.place.at(f"env[{index}]"))
                    for index, variable in enumerate(task.env)
                    if variable.value_from != "secret"
                ),
                *common,
            ),
            tuple(variable.name for variable in task.env if variable.value_from == "secret"),
            task.env_from,
        )
        for task in action.tasks
    )


def _matches(wanted: JobEventFilter, event: JobEvent) -> bool:
    is_it = wanted.name == event.type if wanted.is_whole else searched(wanted.name)(event.type)
    if not is_it or wanted.jsonpath is None:
        return is_it
    found = find_values(wanted.jsonpath.property, event.document)
    # A list is no text, so a path that leads to several places never matches.
    return found.is_one and found.values == (wanted.jsonpath.match,)


def _resolved(variable: TaskVariable, event: JobEvent, place: str) -> TaskEnvironment:
    """A variable of a task with its value."""
    value = variable.value or ""
    if variable.value_from == "string":
        return TaskEnvironment(variable.name, value, is_foreign=False)
    found = find_values(value, event.document)
    if found.is_one and not found.values:
        raise JobEventError(f"{place}: the event has nothing at {value}, which {variable.name} is to be")
    return _checked(variable.name, _spelt(found.values[0] if found.is_one else list(found.values), variable), place)


def _spelt(value: Any, variable: TaskVariable) -> str:
    """A value of an event as text: text as it is unless it is to be formatted, anything else as JSON or YAML."""
    if variable.formatting == "yaml":
        text: str = yaml.safe_dump(value, allow_unicode=True, width=2**20)
        return text.removesuffix("...\n")
    return _as_json(value) if variable.formatting == "json" else spelt_value(value)


def spelt_value(value: Any) -> str:
    """A value of an event as text: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else _as_json(value)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _of_event(event: JobEvent) -> Iterator[TaskEnvironment]:
    """The variables that every task gets."""
    for name in OF_EVENT:
        found = event.of_data(name.removeprefix("KEPTN_").lower())
        yield _checked(name, found if isinstance(found, str) else "", "the event")
    labels = event.of_data("labels")
    for key in sorted(labels) if isinstance(labels, dict) else ():
        yield _checked(LABELS + _NO_NAME.sub("_", key.upper()), spelt_value(labels[key]), "the event")


def _checked(name: str, value: str, place: str) -> TaskEnvironment:
    if "\0" in value:
        raise JobEventError(f"{place}: the event's value of {name} has a NUL character, which no variable can have")
    if (size := len(f"{name}={value}".encode("utf-8", "surrogatepass"))) > MOST_VARIABLE:
        raise JobEventError(
            f"{place}: the event's value of {name} has {size:,} bytes; a process can be given {MOST_VARIABLE:,}"
        )
    return TaskEnvironment(name, value, is_foreign=True)
