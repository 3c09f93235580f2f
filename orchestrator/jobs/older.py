"""The older, shorter form of `job/config.yaml`, written as the form of v2.

* An action has `event` (and `jsonpath`) instead of `events`, and that is the whole type of the event: its own parser
  compared it so.
* An action has `image`, `cmd`, `files`, … itself instead of `tasks`.
* `cmd` may be text, which is cut at its blanks.
* `apiVersion` may be missing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.config.keys import fields
from orchestrator.jobs.keys import TASK
from orchestrator.kit.sources import Problem, spell_location

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.kit.sources import Location, Source

_EVENT_KEYS = ("event", "jsonpath")
_ACTION_KEYS = ("name", "silent", "events", "tasks")
#: What no type of an event has that is compared as a whole; what means nothing in a command that is text.
NO_WHOLE_NAME, QUOTES = re.compile(r"[*^$()\[\]\\|+?]"), re.compile(r"[\"'\\]")


def is_older(data: Any) -> bool:
    """Whether a file is meant to be of the older form: by keys of its actions, or, without `apiVersion`, by a text."""
    actions = [each for each in _listed(data, "actions") if isinstance(each, dict)]
    of_action = {*_EVENT_KEYS, *task_keys()}
    if any(of_action & each.keys() for each in actions):
        return True
    tasks = [task for action in actions for task in _listed(action, "tasks") if isinstance(task, dict)]
    return "apiVersion" not in data and any(isinstance(task.get("cmd"), str) for task in tasks)


class OlderForm:
    """A file of the older form, and what it is in the form of v2.

    Attributes:
        source: in the form of v2; its lines are those of what was written.
        problems: what is wrong with the older form of it.
    """

    def __init__(self, source: Source) -> None:
        self.problems: list[Problem] = []
        self._written = source
        self._moves: dict[Location, Location] = {}
        self._lines: dict[Location, int] = {}
        self._whole: set[Location] = set()
        data = {"apiVersion": "v2", **source.data}
        data["actions"] = [
            self._action(each, ("actions", index)) if isinstance(each, dict) else each
            for index, each in enumerate(data["actions"])
        ]
        lines = {self._moved(location): line for location, line in source.lines.items()} | self._lines
        unquoted = {self._moved(location): text for location, text in source.unquoted.items()}
        self.source = replace(source, data=data, lines=lines, unquoted=unquoted)

    def is_whole(self, location: Location) -> bool:
        """Whether the name of an event is its whole type: it was written as `event`."""
        return location in self._whole

    def written(self, location: Location) -> Location:
        """Where the task at a location was written: the action itself, where it has no `tasks`."""
        return next((old for old, new in self._moves.items() if new == location), location)

    def spelt_as_written(self, problem: Problem) -> Problem:
        """A mistake with the name of the key that was written."""
        for old, new in self._moves.items():
            before, after = spell_location(old), spell_location(new)
            if problem.message.startswith((f"{after}:", f"{after}.", f"{after}[")):
                return replace(problem, message=before + problem.message[len(after) :])
        return problem

    def _action(self, written: dict[str, Any], location: Location) -> dict[str, Any]:
        if "event" in written and "events" in written:
            self._wrong((*location, "event"), "is the older form of 'events', which is there as well; keep one of them")
        inline = {key: value for key, value in written.items() if key in task_keys()}
        if inline and "tasks" in written:
            first = next(iter(inline))
            self._wrong((*location, first), "belongs to a task, but there is 'tasks' as well; write it there")
        elif inline:  # what is misspelt is meant for the task
            inline = {key: value for key, value in written.items() if key not in {*_ACTION_KEYS, *_EVENT_KEYS}}
        action = {key: value for key, value in written.items() if key not in inline and key not in _EVENT_KEYS}
        if "event" in written:
            action["events"] = [self._event(written, location)]
        elif "jsonpath" in written:
            self._wrong((*location, "jsonpath"), "belongs to an event: write it below 'events'")
        if inline:
            place = (*location, "tasks", 0)
            self._stands(location, "tasks")
            self._moves |= {(*location, key): (*place, key) for key in inline} | {location: place}
            name = {"name": written["name"]} if isinstance(written.get("name"), str) else {}
            action["tasks"] = [self._task(name | inline, place, location)]
        elif isinstance(tasks := written.get("tasks"), list):
            places: list[Location] = [(*location, "tasks", index) for index, _ in enumerate(tasks)]
            action["tasks"] = [
                self._task(each, place, place) if isinstance(each, dict) else each
                for place, each in zip(places, tasks, strict=True)
            ]
        return action

    def _event(self, written: dict[str, Any], location: Location) -> dict[str, Any]:
        place = (*location, "events", 0)
        self._stands(location, "events")
        self._moves[(*location, "event")] = (*place, "name")
        self._whole.add(place)
        found = {"name": written["event"]}
        if isinstance(written["event"], str) and NO_WHOLE_NAME.search(written["event"]):
            self._wrong(
                (*location, "event"),
                "is compared as a whole, as the older form always was, so this never matches; for an expression write"
                " events: [{name: …}]",
            )
        if "jsonpath" in written:
            self._moves[(*location, "jsonpath")] = (*place, "jsonpath")
            found["jsonpath"] = written["jsonpath"]
        return found

    def _task(self, task: dict[str, Any], place: Location, written: Location) -> dict[str, Any]:
        command, spelt = task.get("cmd"), (*written, "cmd")
        if not isinstance(command, str):
            return task
        if QUOTES.search(command):
            self._wrong(spelt, "as text it is cut at blanks, whatever quotes there are; write a list of its words")
        self._lines |= {(*place, "cmd", index): self._line(spelt) for index, _ in enumerate(command.split())}
        return task | {"cmd": command.split()}

    def _stands(self, location: Location, key: str) -> None:
        line = self._line(location)
        self._lines |= {(*location, key): line, (*location, key, 0): line}

    def _line(self, location: Location) -> int:
        return self._written.problem(location, "").line

    def _wrong(self, location: Location, message: str) -> None:
        self.problems.append(self._written.wrong(location, message))

    def _moved(self, location: Location) -> Location:
        new = self._moves.get(location[:3]) if len(location) > 2 else None  # noqa: PLR2004 - a key of an action
        return location if new is None else (*new, *location[3:])


def task_keys() -> set[str]:
    """The keys of a task that an action may have itself."""
    return set(fields(TASK.section)) - {"name"}


def _listed(data: Any, key: str) -> Iterable[Any]:
    found = data.get(key) if isinstance(data, dict) else None
    return found if isinstance(found, list) else ()


def older_notes(source: Source) -> Iterator[Problem]:
    """Where a file has the older form, and what to write instead."""
    for index, action in enumerate(_listed(source.data, "actions")):
        found = [key for key in (*_EVENT_KEYS, *sorted(task_keys())) if isinstance(action, dict) and key in action]
        if found:
            instead = "events: [{name: …}]" if found[0] in _EVENT_KEYS else "tasks: [{…}]"
            yield source.wrong(
                ("actions", index), f"has the older form ({', '.join(found)}); write {instead}, as apiVersion v2 has it"
            )
