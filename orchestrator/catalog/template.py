"""One scan template: its keys as people write them, and what can be wrong with them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from orchestrator import model
from orchestrator.catalog.placeholders import judge_filled, judge_name, judge_value, of_parameters
from orchestrator.config import databases
from orchestrator.config.databases import DATABASE
from orchestrator.config.section import Keys
from orchestrator.config.signers import SIGNER
from orchestrator.config.validation import validate_keys
from orchestrator.findings import formats
from orchestrator.kit.placeholders import judge_known, placeholders, unknown
from orchestrator.kit.sources import Location, Problem, Source, SourceError, read_text, suggest
from orchestrator.kit.yaml_source import parse_yaml
from orchestrator.volume.layout import TAKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Which placeholders mean something where: of the image itself, of a repository's files, of a repository as its host
#: knows it. Parameters do everywhere, `{database}` of a scan that has one everywhere but in `fetch`. All of a scan's
#: commands share `environment`, so that of a scan that reads repositories has none that only images have.
OF_PLACES = {
    "command": frozenset({"report", "workdir", "tarball", "layers"}),
    "environment": frozenset({"report", "workdir", "tarball", "layers"}),
    "environment of a scan with repository, sbom or warm": frozenset({"report", "workdir"}),
    "database.refresh": frozenset({"workdir"}),
    "database.fetch": frozenset(),
    "database.load": frozenset({"workdir", "fetched"}),
    "repository.command": frozenset({"report", "workdir", "checkout"}),
    "repository.online.command": frozenset({"report", "workdir", "repository", "commit"}),
    "sbom.command": frozenset({"report", "workdir", "sbom"}),
    "warm.start": frozenset({"server", "files"}),
    "warm.ready": frozenset({"server", "files"}),
    "warm.files": frozenset({"server", "files"}),
    "warm.command": frozenset({"report", "workdir", "tarball", "layers", "server", "files"}),
}

_PINNED = re.compile(r"[^\s@]+(:(?!latest$)[\w][\w.-]*|(:[\w][\w.-]*)?@sha256:[0-9a-f]{64})")


class CatalogError(SourceError):
    """A scan template, or what the configuration says of scans, has mistakes; one line for each, with file and line."""


TEMPLATE = Keys(
    model.Scan,
    without=("named", "digests"),
    required=("description",),
    optional={"image": "", "command": ()},
    nested=(DATABASE, SIGNER),
)
"""One scan template. Its image is as people write it, and placeholders stand in its commands as they are."""


def read_template(path: Path) -> tuple[Source, model.Scan]:
    """One template file, checked by itself.

    Raises:
        CatalogError: it cannot be read or has mistakes.
    """
    try:
        return _checked(read_text(path), path)
    except CatalogError:
        raise
    except SourceError as error:
        raise CatalogError(error.problems) from error


# A service reads the same files for every plan, an install three times; to check one again takes milliseconds.
@lru_cache(maxsize=256)
def _checked(text: str, path: Path) -> tuple[Source, model.Scan]:
    source = parse_yaml(text, str(path))
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
    if wrong := judge_known(template.image):
        yield source.wrong(("image",), wrong)
    if template.report in TAKEN:
        yield source.wrong(("report",), f"{template.report!r} is a name of ours in a cell's folder; choose another")
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
    if template.sbom and (template.builtin or not template.command):
        yield source.wrong(("sbom",), "'sbom' stands for an image: it needs 'command', and is not for a built-in scan")
    if template.stored and (template.builtin or not template.command or template.sbom):
        yield source.wrong(("stored",), "what is stored is made from an image, by a program of its own, without 'sbom'")
    if template.warm and (template.builtin or not template.command):
        yield source.wrong(("warm",), "'warm' stands for an image: it needs 'command', and is not for a built-in scan")
    commands = [template.command, *(way.command for way in _ways(template))]
    if len({command[0] for command in commands if command}) > 1:
        other = "repository" if template.repository else "sbom"
        yield source.wrong((other, "command"), "all commands must begin with the same program")


def _judge_placeholders(template: model.Scan, source: Source) -> Iterator[Problem]:
    """Unknown placeholders, and missing ones."""
    parameters = of_parameters(template.parameters).keys()
    used: dict[str, set[str]] = {}
    for location, word in words(template):
        place = _place(template, location)
        allowed = OF_PLACES[place] | parameters
        allowed |= {"database"} if template.database and place != "database.fetch" else set()
        if wrong := judge_filled(word, template.parameters):
            yield source.wrong(location, wrong)
        for placeholder in placeholders(word):
            used.setdefault(place, set()).add(placeholder)
            if placeholder == "database" and not template.database:
                yield source.wrong(location, "{database} is used, but there is no key 'database' to say how to get it")
            elif placeholder not in allowed:
                yield source.wrong(location, unknown(placeholder, allowed))
    yield from _judge_commands(template, source, used)
    for location, wrong in databases.problems(template.database) if template.database else ():
        yield source.wrong(("database", *location), wrong)


def _judge_commands(template: model.Scan, source: Source, used: dict[str, set[str]]) -> Iterator[Problem]:
    """Commands that would scan nothing, or write no report."""
    wanted: list[tuple[Location, tuple[str, ...]]] = []
    if template.command:
        wanted.append((("command",), ("tarball", "layers")))
    if template.repository:
        wanted.append((("repository", "command"), ("checkout",)))
        if template.repository.online:
            wanted.append((("repository", "online", "command"), ("repository",)))
    if template.sbom:
        wanted.append((("sbom", "command"), ("sbom",)))
    if template.warm:
        wanted.append((("warm", "command"), ("tarball", "layers")))
    shared = used.get(_place(template, ("environment",)), set())
    for location, choice in wanted:
        named = used.get(_place(template, location), set()) | shared
        if named.isdisjoint(choice):
            either = " or ".join(f"{{{placeholder}}}" for placeholder in choice)
            yield source.wrong(location, f"the command never names {either}, so it would scan nothing")
        if "report" not in named and not template.report_from_stdout:
            yield source.wrong(
                location, "the command never names {report}; if it prints its report, say 'reportFromStdout: true'"
            )


def _ways(template: model.Scan) -> Iterator[model.OnRepository | model.Online | model.OnSbom]:
    """How a scan reads repositories, and SBOMs."""
    if template.sbom:
        yield template.sbom
    if template.repository:
        yield template.repository
        if template.repository.online:
            yield template.repository.online


def _place(template: model.Scan, location: Location) -> str:
    """Which placeholders there are at a location, as `OF_PLACES` names it."""
    first = location[0]
    if first == "environment":
        several = template.repository or template.sbom or template.warm
        return "environment of a scan with repository, sbom or warm" if several else "environment"
    if first == "sbom":
        return "sbom.command"
    if first == "warm":
        return f"warm.{location[1]}"
    if first == "repository":
        return "repository.online.command" if "online" in location else "repository.command"
    if first == "database":
        load = template.database and template.database.load
        return "database.fetch" if location[1] == "fetch" else "database.load" if load else "database.refresh"
    return str(first)


def words(template: model.Scan) -> Iterator[tuple[Location, str]]:
    """Every text that may hold placeholders, with its place."""
    yield from ((("command", index), word) for index, word in enumerate(template.command))
    yield from ((("environment", key), word) for key, word in template.environment.items())
    if template.repository:
        yield from ((("repository", "command", index), word) for index, word in enumerate(template.repository.command))
        if online := template.repository.online:
            yield from ((("repository", "online", "command", index), word) for index, word in enumerate(online.command))
    if template.sbom:
        yield from ((("sbom", "command", index), word) for index, word in enumerate(template.sbom.command))
    if template.warm:
        for key in ("start", "command", "ready"):
            yield from ((("warm", key, index), word) for index, word in enumerate(getattr(template.warm, key)))
        yield from ((("warm", "files", name), text) for name, text in template.warm.files.items())
    if template.database:
        yield from ((("database", *location), word) for location, word in databases.words(template.database))
