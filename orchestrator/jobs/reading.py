"""`job/config.yaml`, of either form, read into the one model of it (`docs/jobs.md`)."""

from __future__ import annotations

from dataclasses import replace as with_data
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from orchestrator.config.validation import validate_keys
from orchestrator.jobs.keys import JOB
from orchestrator.jobs.model import JobForm, JobPlace
from orchestrator.jobs.notes import notes_of
from orchestrator.jobs.older import OlderForm, is_older, older_notes
from orchestrator.kit.sources import ProblemLevel, SourceError, decode_text, read_text, spell_location
from orchestrator.kit.yaml_source import parse_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.jobs.model import JobAction, JobConfiguration, JobTask
    from orchestrator.kit.sources import Location, Problem, Source

#: Bytes of a file; real ones have a few thousand.
MOST_BYTES = 1024 * 1024
#: Steps of the place of an action (`actions[0]`), and of a task (`actions[0].tasks[0]`).
_ACTION, _TASK = 2, 4
#: Where names are those that people choose, so that nothing there is left out.
_FREE = frozenset({"annotations", "labels", "with", "pods"})


class JobError(SourceError):
    """A job configuration has mistakes; one line for each, with file and line."""


class JobReading(NamedTuple):
    """A job configuration that was read.

    Attributes:
        configuration: what it says.
        notes: what is accepted, but is perhaps not meant so.
    """

    configuration: JobConfiguration
    notes: tuple[Problem, ...]


def read_job(path: Path) -> JobReading:
    """A job configuration from a file.

    Raises:
        JobError: it cannot be read or has mistakes.
    """
    try:
        return parse_job(read_text(path), str(path))
    except JobError:
        raise
    except SourceError as error:
        raise JobError(error.problems) from error


def decode_job(data: bytes, name: str) -> JobReading:
    """A job configuration from the bytes of a file; see `parse_job`."""
    try:
        return parse_job(decode_text(data, name), name)
    except JobError:
        raise
    except SourceError as error:
        raise JobError(error.problems) from error


def parse_job(text: str, name: str) -> JobReading:
    """A job configuration from its text.

    Args:
        text: the file.
        name: what to call it in messages.

    Raises:
        JobError: it has mistakes.
    """
    try:
        return _read(text, name)
    except JobError:
        raise
    except SourceError as error:
        raise JobError(error.problems) from error


def _read(text: str, name: str) -> JobReading:
    written = parse_yaml(text, name)
    if len(text) > MOST_BYTES:
        raise JobError([written.problem((), f"has more than {MOST_BYTES // 1024**2} MiB; no real one is as large")])
    if not isinstance(written.data, dict):
        raise JobError([written.problem((), "a job configuration is a mapping with apiVersion and actions")])
    written = with_data(written, data=_without_nothing(written.data))
    older = OlderForm(written) if is_older(written.data) else None
    source = older.source if older else written
    found, problems = validate_keys(JOB, source)
    if older:
        problems = [*older.problems, *map(older.spelt_as_written, problems)]
    if found is None or problems:
        raise JobError(sorted(problems, key=lambda problem: problem.line))
    lines = _lines_below(source)
    actions = tuple(
        _placed(action, ("actions", index), source, lines, older) for index, action in enumerate(found.actions)
    )
    found = replace(found, actions=actions, form=JobForm.OLDER if older else JobForm.V2)
    notes = [*(older_notes(written) if older else ()), *notes_of(found, source)]
    notes = [with_data(note, level=ProblemLevel.WARNING) for note in notes]
    return JobReading(found, tuple(sorted(notes, key=lambda problem: problem.line)))


def _without_nothing(data: Any) -> Any:
    """The data without keys that have no value, which the original read as left out."""
    if isinstance(data, dict):
        return {
            key: value if key in _FREE else _without_nothing(value) for key, value in data.items() if value is not None
        }
    return [_without_nothing(each) for each in data] if isinstance(data, list) else data


def _lines_below(source: Source) -> dict[Location, dict[str, int]]:
    """The lines of the keys below each action and each task, by its place."""
    found: dict[Location, dict[str, int]] = {}
    for location, line in source.lines.items():
        is_of_task = location[_ACTION : _ACTION + 1] == ("tasks",) and len(location) > _TASK
        length = _TASK if is_of_task else _ACTION
        if len(location) > length:
            found.setdefault(location[:length], {})[spell_location(location[length:])] = line
    return found


def _placed(
    action: JobAction,
    location: Location,
    source: Source,
    lines: dict[Location, dict[str, int]],
    older: OlderForm | None,
) -> JobAction:
    """An action, and its tasks, with their names and with where they were written."""

    def place(at: Location) -> JobPlace:
        written = older.written(at) if older else at
        return JobPlace(source.file, source.problem(at, "").line, lines.get(at, {}), spell_location(written))

    def task(each: JobTask, number: int) -> JobTask:
        at = (*location, "tasks", number)
        return replace(each, name=each.name or each.plugin or f"task {number + 1}", place=place(at))

    return replace(
        action,
        name=action.name or f"action {int(location[1]) + 1}",
        events=tuple(
            replace(event, is_whole=older is not None and older.is_whole((*location, "events", number)))
            for number, event in enumerate(action.events)
        ),
        tasks=tuple(task(each, number) for number, each in enumerate(action.tasks)),
        place=place(location),
    )
