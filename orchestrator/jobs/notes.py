"""What a job configuration says that is accepted, but is perhaps not meant so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.jobs.model import LEAST_KEPT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.jobs.model import JobAction, JobConfiguration, JobTask
    from orchestrator.kit.sources import Location, Problem, Source

_SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "zsh"})
_RUNS_SCRIPT = re.compile(r"-[a-zA-Z]*c[a-zA-Z]*")
# From left to right, as Kubernetes reads: an escape, or a reference.
_FILLED_IN = re.compile(r"\$\$|\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)")
#: Variables that every task gets, after its own.
OF_EVENT = ("KEPTN_PROJECT", "KEPTN_STAGE", "KEPTN_SERVICE")
LABELS = "LABELS_"


def notes_of(configuration: JobConfiguration, source: Source) -> Iterator[Problem]:
    """Notes about a job configuration, at the lines of its file."""
    yield from _twice("action", (action.name for action in configuration.actions), ("actions",), source)
    for index, action in enumerate(configuration.actions):
        at: Location = ("actions", index)
        if before := _started_before(action, configuration.actions[:index]):
            yield source.wrong(
                at, f"is never run: the same events start {before!r} before it, and only the first one is run"
            )
        yield from _twice("task", (task.name for task in action.tasks), (*at, "tasks"), source)
        for number, task in enumerate(action.tasks):
            yield from _of_task(task, (*at, "tasks", number), source)


def _of_task(task: JobTask, at: Location, source: Source) -> Iterator[Problem]:
    if len(task.cmd) == 1 and not task.args and " " in task.cmd[0].strip():
        words = ", ".join(task.cmd[0].split())
        yield source.wrong(
            (*at, "cmd", 0), f"is the name of one program, blanks included; its words are items: [{words}]"
        )
    yield from _in_scripts(task, at, source)
    if task.ttl_seconds_after_finished < LEAST_KEPT:
        yield source.wrong((*at, "ttlSecondsAfterFinished"), f"counts as {LEAST_KEPT}, the least there is")
    if isinstance(_written(source.data, (*at, "with")), str):
        yield source.wrong((*at, "with"), "is text; write a mapping, such as LOCUST_TEST: locust/basic.py")
    seen: set[str] = set()
    for index, variable in enumerate(task.env):
        where = (*at, "env", index, "name")
        if variable.value_from == "secret":
            continue
        if variable.name in OF_EVENT or variable.name.startswith(LABELS):
            yield source.wrong(where, f"{variable.name} is set from the event, after what stands here")
        if variable.name in seen:
            yield source.wrong(where, f"{variable.name} is there twice; the last one counts")
        seen.add(variable.name)


def _in_scripts(task: JobTask, at: Location, source: Source) -> Iterator[Problem]:
    """Values of the event that Kubernetes would write into the script of a shell, whatever they say."""
    words = (*task.cmd, *task.args)
    is_script = any(_RUNS_SCRIPT.fullmatch(word) for word in words[1:])
    if not words or words[0].rpartition("/")[2] not in _SHELLS or not is_script:
        return
    of_event = {variable.name for variable in task.env if variable.value_from == "event"}
    for number, word in enumerate(words):
        for name in _FILLED_IN.findall(word):
            if name in of_event or name in OF_EVENT or name.startswith(LABELS):
                given = ("cmd", number) if number < len(task.cmd) else ("args", number - len(task.cmd))
                yield source.wrong(
                    (*at, *given),
                    f"$({name}) makes what the event says a part of the script, commands included; write"
                    f' "${name}", which the shell reads as a value',
                )


def _started_before(action: JobAction, earlier: Iterable[JobAction]) -> str:
    """The name of an action that is always run instead of this one; empty for none."""
    for other in earlier:
        always = {(event.name, event.is_whole) for event in other.events if event.jsonpath is None}
        if not other.silent and all((event.name, event.is_whole) in always for event in action.events):
            return other.name
    return ""


def _twice(what: str, names: Iterable[str], at: Location, source: Source) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen and (*at, index, "name") in source.lines:
            yield source.wrong((*at, index), f"a second {what} is named {name!r}; logs do not say which is meant")
        seen.add(name)


def _written(data: object, location: Location) -> object:
    for step in location:
        data = data.get(step) if isinstance(data, dict) else data[step]  # type: ignore[index] # a list
    return data
