"""Plugin files: their keys as people write them, what can be wrong with one, and all that there are."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from orchestrator.config.section import Keys, WrongKey
from orchestrator.config.validation import validate_keys
from orchestrator.jobs.checks import check_resources
from orchestrator.jobs.inputs import check_input, judge_input_name
from orchestrator.jobs.model import TaskResources
from orchestrator.jobs.plugin_model import JobPlugin, PluginInput
from orchestrator.kit.own import templates_folder
from orchestrator.kit.placeholders import placeholders, unknown
from orchestrator.kit.sources import Problem, SourceError, no_such, read_text
from orchestrator.kit.yaml_source import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from orchestrator.kit.sources import Location, Source

_MOST_INPUTS = 100


class PluginError(SourceError):
    """A plugin's file has mistakes; one line for each, with file and line."""


def _inputs(value: dict[str, PluginInput]) -> dict[str, PluginInput]:
    if len(value) > _MOST_INPUTS:
        raise ValueError(f"has {len(value):,} inputs; at most {_MOST_INPUTS} are accepted")
    for name in value:
        if wrong := judge_input_name(name):
            raise WrongKey((name,), wrong)
    return value


PLUGIN = Keys(
    JobPlugin,
    nested=(Keys(PluginInput, check=check_input), Keys(TaskResources, check=check_resources)),
    checks={"inputs": _inputs},
)
"""One plugin. Placeholders stand in its command as they are."""


def plugins_folder() -> Path:
    """The folder of the shipped plugins."""
    return templates_folder() / "plugins"


def read_plugin(path: Path) -> tuple[Source, JobPlugin]:
    """One plugin's file, checked by itself.

    Raises:
        PluginError: it cannot be read or has mistakes.
    """
    try:
        return _checked(read_text(path), path)
    except PluginError:
        raise
    except SourceError as error:
        raise PluginError(error.problems) from error


def load_plugins(places: Iterable[Path] = ()) -> dict[str, JobPlugin]:
    """Every plugin there is, by name in alphabetical order: the shipped ones, and those of further places.

    A plugin of a later place replaces one of the same name.

    Args:
        places: files of plugins, and folders: `*.yaml` and `*/*.yaml` in each are plugins.

    Raises:
        PluginError: a plugin has mistakes, or there is no such folder or file.
    """
    found = {name: plugin for name, (_, plugin) in _files(places).items()}
    return dict(sorted(found.items()))


def find_plugin(name: str, places: Iterable[Path] = ()) -> Path:
    """The file of a plugin.

    Raises:
        PluginError: a plugin has mistakes, or there is none of this name.
    """
    found = _files(places)
    if name not in found:
        raise PluginError([Problem("plugins", 0, no_such("plugin", name, sorted(found)))])
    return found[name][0]


def _files(places: Iterable[Path]) -> dict[str, tuple[Path, JobPlugin]]:
    problems: list[Problem] = []
    result: dict[str, tuple[Path, JobPlugin]] = {}
    for place in (plugins_folder(), *places):
        if not place.exists():
            problems.append(Problem(str(place), 0, "there is no such folder of plugins, nor such a file of one"))
        inside = sorted([*place.glob("*.yaml"), *place.glob("*/*.yaml")])
        for path in [place] if place.is_file() else inside:
            try:
                _, plugin = read_plugin(path)
            except PluginError as error:
                problems += error.problems
            else:
                result[plugin.name] = path, plugin
    if problems:
        raise PluginError(problems)
    return result


@lru_cache(maxsize=256)
def _checked(text: str, path: Path) -> tuple[Source, JobPlugin]:
    source = parse_yaml(text, str(path))
    if not isinstance(source.data, dict):
        raise PluginError([source.problem((), "a plugin is a mapping of keys")])
    plugin, problems = validate_keys(PLUGIN, source)
    problems += _judge(plugin, source, path) if plugin else ()
    if plugin is None or problems:
        raise PluginError(problems)
    return source, plugin


def _judge(plugin: JobPlugin, source: Source, path: Path) -> Iterator[Problem]:
    """Mistakes that single keys do not show."""
    parts = plugin.name.split("/")
    if parts != [*path.parts[-len(parts) : -1], path.stem]:
        wanted = f"{path.parent.name}/{path.stem}"
        yield source.wrong(
            ("name",), f"{plugin.name!r} must be the path of its file in the folder of plugins: {wanted!r}"
        )
    for location, word in _words(plugin.command, plugin.environment):
        for placeholder in placeholders(word):
            if placeholder not in plugin.inputs:
                yield source.wrong(location, unknown(placeholder, plugin.inputs))
    if any(placeholders(plugin.command[0])):
        yield source.wrong(("command", 0), "the program is the plugin's to decide; name it without placeholders")
    for name in plugin.environment:
        if name in plugin.inputs:
            yield source.wrong(("environment", name), "is an input as well, which is a variable already")


def _words(command: tuple[str, ...], environment: Mapping[str, str]) -> Iterator[tuple[Location, str]]:
    yield from ((("command", index), word) for index, word in enumerate(command))
    yield from ((("environment", name), word) for name, word in environment.items())
