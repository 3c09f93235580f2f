"""One scan template: its keys as people write them, and what can be wrong with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator import model
from orchestrator.catalog.placeholders import judge_filled, judge_name, judge_value, of_parameters, placeholders
from orchestrator.config import databases
from orchestrator.config.databases import DATABASE
from orchestrator.config.section import Keys
from orchestrator.config.validation import validate_keys
from orchestrator.findings import formats
from orchestrator.kit.yaml_source import Location, Problem, Source, SourceError, read_yaml, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Which placeholders stand where: of the image itself, of a repository's files, of a repository as its host knows it.
_EVERYWHERE = frozenset({"report", "workdir"})
_OF_WORDS = {
    "command": _EVERYWHERE | {"tarball"},
    "environment": _EVERYWHERE | {"tarball"},
    "database": frozenset({"workdir"}),
    "fetch": frozenset(),
    "load": frozenset({"workdir", "fetched"}),
    "repository": _EVERYWHERE | {"checkout"},
    "online": _EVERYWHERE | {"repository", "commit"},
}

_PINNED = re.compile(r"[^\s@]+(:(?!latest$)[\w][\w.-]*|(:[\w][\w.-]*)?@sha256:[0-9a-f]{64})")


class CatalogError(SourceError):
    """A scan template, or what the configuration says of scans, has mistakes; one line for each, with file and line."""


TEMPLATE = Keys(
    model.Scan,
    without=("named", "digests"),
    required=("description",),
    optional={"image": "", "command": ()},
    nested=(DATABASE,),
)
"""One scan template. Its image is as people write it, and placeholders stand in its commands as they are."""


def read_template(path: Path) -> tuple[Source, model.Scan]:
    """One template file, checked by itself.

    Raises:
        CatalogError: it cannot be read or has mistakes.
    """
    try:
        source = read_yaml(path)
    except SourceError as error:
        raise CatalogError(error.problems) from error
    if not isinstance(source.data, dict):
        raise CatalogError([source.wrong((), "a scan template must be a mapping of keys")])
    template, problems = validate_keys(TEMPLATE, source)
    problems += _judge(template, source, path) if template else ()
    if template is None or problems:
        raise CatalogError(problems)
    return source, template


def _judge(template: model.Scan, source: Source, path: Path) -> Iterator[Problem]:
    """Mistakes that single keys do not show."""
    if template.name != path.stem:
        yield source.wrong(("name",), f"name {template.name!r} must be the file's own: {path.stem!r}")
    if template.format not in (known := formats()):
        yield source.wrong(
            ("format",),
            f"unknown format {template.format!r}{suggest(template.format, known)}"
            f" (there are {', '.join(sorted(known))})",
        )
    yield from _judge_ways(template, source)
    if template.builtin and template.image:
        yield source.wrong(("image",), "a built-in scan runs in the orchestrator's own image; leave 'image' out")
    if not template.builtin and not template.image:
        yield source.wrong((), "key 'image' is missing")
    elif template.image and not _PINNED.fullmatch(template.image):
        yield source.wrong(("image",), f"{template.image!r} is not pinned; give it a version tag or a sha256 digest")
    for placeholder in placeholders(template.image):
        yield source.wrong(("image",), f"{{{placeholder}}} is not filled in here; name the image itself")
    for parameter, value in template.parameters.items():
        if wrong := judge_name(parameter) or judge_value(value):
            yield source.wrong(("parameters", parameter), wrong)
    yield from _judge_placeholders(template, source)


def _judge_ways(template: model.Scan, source: Source) -> Iterator[Problem]:
    """What it reads, and by which program."""
    if not template.command and template.repository is None:
        message = "key 'command' is missing, and 'repository' as well: one of them says what to run"
        yield source.wrong(("command",), message)
    if template.builtin and template.repository:
        yield source.wrong(("repository",), "a built-in scan reads images only")
    commands = [template.command, *(way.command for way in _ways(template))]
    if len({command[0] for command in commands if command}) > 1:
        yield source.wrong(("repository", "command"), "all commands must begin with the same program")


def _judge_placeholders(template: model.Scan, source: Source) -> Iterator[Problem]:
    """Unknown placeholders, and missing ones."""
    parameters = of_parameters(template.parameters).keys()
    used: dict[str, set[str]] = {}
    for location, word in words(template):
        place = _place(template, location)
        allowed = _OF_WORDS[place] | parameters
        allowed |= {"database"} if template.database and place != "fetch" else set()
        if wrong := judge_filled(word, template.parameters):
            yield source.wrong(location, wrong)
        for placeholder in placeholders(word):
            used.setdefault(place, set()).add(placeholder)
            if placeholder == "database" and not template.database:
                yield source.wrong(location, "{database} is used, but there is no key 'database' to say how to get it")
            elif placeholder not in allowed:
                yield source.wrong(
                    location,
                    f"unknown placeholder {{{placeholder}}}{suggest(placeholder, allowed)}"
                    f" (here there are {', '.join(f'{{{one}}}' for one in sorted(allowed))})",
                )
    yield from _judge_commands(template, source, used)
    for location, wrong in databases.problems(template.database) if template.database else ():
        yield source.wrong(("database", *location), wrong)


def _judge_commands(template: model.Scan, source: Source, used: dict[str, set[str]]) -> Iterator[Problem]:
    """Commands that would scan nothing, or write no report."""
    wanted: list[tuple[Location, str]] = [(("command",), "tarball")] if template.command else []
    if template.repository:
        wanted.append((("repository", "command"), "checkout"))
        if template.repository.online:
            wanted.append((("repository", "online", "command"), "repository"))
    shared = used.get("environment", set())
    for location, placeholder in wanted:
        named = used.get(_place(template, location), set()) | shared
        if placeholder not in named:
            yield source.wrong(location, f"the command never names {{{placeholder}}}, so it would scan nothing")
        if "report" not in named and not template.report_from_stdout:
            yield source.wrong(
                location, "the command never names {report}; if it prints its report, say 'reportFromStdout: true'"
            )


def _ways(template: model.Scan) -> Iterator[model.OnRepository | model.Online]:
    """How a scan reads repositories."""
    if template.repository:
        yield template.repository
        if template.repository.online:
            yield template.repository.online


def _place(template: model.Scan, location: Location) -> str:
    """Which placeholders there are at a location, as `_OF_WORDS` names it."""
    if location[0] == "database":
        section = template.database
        return "fetch" if location[1] == "fetch" else "load" if section and section.load else "database"
    return "online" if "online" in location else str(location[0])


def words(template: model.Scan) -> Iterator[tuple[Location, str]]:
    """Every text that may hold placeholders, with its place."""
    yield from ((("command", index), word) for index, word in enumerate(template.command))
    yield from ((("environment", key), word) for key, word in template.environment.items())
    if template.repository:
        yield from ((("repository", "command", index), word) for index, word in enumerate(template.repository.command))
        if online := template.repository.online:
            yield from ((("repository", "online", "command", index), word) for index, word in enumerate(online.command))
    if template.database:
        yield from ((("database", *location), word) for location, word in databases.words(template.database))
