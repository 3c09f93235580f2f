"""The scans there are: shipped and added templates, their parameters filled in (`docs/scans.md` is for authors)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from orchestrator.catalog.databases import of_databases, with_configured, with_keys
from orchestrator.catalog.lock_file import LOCK, LockFile, read_lock, stale
from orchestrator.catalog.placeholders import judge_filled, judge_name, judge_value, of_parameters
from orchestrator.catalog.template import CatalogError, read_template, words
from orchestrator.config.loading import Config, default_image
from orchestrator.errors import UsageError
from orchestrator.kit import placeholders
from orchestrator.kit.advice import ours
from orchestrator.kit.own import templates_folder
from orchestrator.kit.quantities import parse_duration
from orchestrator.kit.sources import Problem, suggest
from orchestrator.model.ages import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from orchestrator import model
    from orchestrator.kit.sources import Location, Source

    Fill = Callable[[str], str]
    FillAll = Callable[[dict[str, str]], dict[str, str]]

_log = logging.getLogger(__name__)

_GLOB = frozenset("*?[")


def load_catalog(
    config: Config | None = None, *, base: Path | None = None, locked: bool = True
) -> dict[str, model.Scan]:
    """Every scan there is, by name in alphabetical order: the shipped ones and those the configuration adds.

    A template of the configuration replaces the shipped one of the same name (logged as a warning). Parameters are
    filled into the commands; built-in scans get the orchestrator's own image. Where there is a `scanmatrix.lock` beside
    the configuration, every other scan has its image by the digest that is locked; one that is not locked there keeps
    its tag (logged as a warning, refused where the configuration is strict).

    Args:
        config: adds templates and sets parameters; None for the shipped scans as they are.
        base: folder that relative template paths start from, instead of the configuration's own.
        locked: False for the images as the templates name them.

    Raises:
        CatalogError: a template has mistakes, two added ones have the same name, the configuration names a scan or
            a parameter that does not exist, or a scan is locked for another image than its template's.
        LockFileError: `scanmatrix.lock` cannot be used.
    """
    problems: list[Problem] = []
    read = sorted(_read_templates(config, base, problems).items())
    templates = {name: template for name, (_, template) in read}
    problems += _judge_sboms(dict(read), templates) if not problems else ()
    if config and not problems:
        problems += _judge_config(config, templates)
    if problems:
        raise CatalogError(problems)
    image = config.image if config else default_image()
    parameters = config.scans.parameters if config else {}
    scans = {name: _scan(template, parameters.get(name, {}), image) for name, template in templates.items()}
    scans = {name: with_configured(scan, config) for name, scan in scans.items()} if config else scans
    return _locked(scans, config.base) if config and locked else scans


def find_template(name: str, config: Config | None = None) -> Path:
    """The file of a scan's template.

    Args:
        name: of the scan.
        config: adds templates; None for the shipped ones.

    Raises:
        CatalogError: a template has mistakes.
        UsageError: there is no such scan.
    """
    problems: list[Problem] = []
    found = _read_templates(config, None, problems)
    if problems:
        raise CatalogError(problems)
    if name not in found:
        raise UsageError(unknown_scan(name, found))
    return Path(found[name][0].file)


def _read_templates(
    config: Config | None, base: Path | None, problems: list[Problem]
) -> dict[str, tuple[Source, model.Scan]]:
    """The shipped templates and those the configuration adds, by name; what is wrong with any goes into `problems`."""
    shipped = _read_all(sorted(templates_folder().glob("*.yaml")), problems)
    added = _read_all(_added(config, base, problems), problems) if config else {}
    for name in sorted(shipped.keys() & added.keys()):
        _log.warning("%s replaces the shipped scan %r", added[name][0].file, name)
    return shipped | added


def _locked(scans: dict[str, model.Scan], folder: Path) -> dict[str, model.Scan]:
    """The scans with their images as they are locked, where there is a lock file."""
    lock = read_lock(folder)
    if lock is None:
        return scans
    if problems := stale(lock, ((name, scan.image) for name, scan in scans.items() if not scan.builtin)):
        raise CatalogError([Problem(str(folder / LOCK), 0, problem) for problem in problems])
    return {name: scan if scan.builtin else _lock(scan, lock) for name, scan in scans.items()}


def _lock(scan: model.Scan, lock: LockFile) -> model.Scan:
    entry = lock.scans.get(scan.name)
    if entry is None:
        _log.warning(
            "scan %r is not in %s, so it runs by the tag %s: run %s", scan.name, LOCK, scan.image, ours("lock")
        )
        return scan
    return replace(scan, image=entry.reference, named=entry.image, digests=entry.digests)


def _added(config: Config, base: Path | None, problems: list[Problem]) -> list[Path]:
    """The template files the configuration names, folders expanded."""
    files: list[Path] = []
    for index, written in enumerate(config.scans.templates):
        path = (base or config.base) / Path(written).expanduser()
        found = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
        if not found:
            problems.append(config.wrong(("scans", "templates", index), f"no *.yaml file in the folder {written!r}"))
        elif not path.exists():
            problems.append(config.wrong(("scans", "templates", index), f"there is no file or folder {written!r}"))
        else:
            files += found
    return list(dict.fromkeys(files))


def _read_all(paths: Iterable[Path], problems: list[Problem]) -> dict[str, tuple[Source, model.Scan]]:
    """Templates by name; what is wrong with any goes into `problems`."""
    result: dict[str, tuple[Source, model.Scan]] = {}
    for path in paths:
        try:
            source, template = read_template(path)
        except CatalogError as error:
            problems += error.problems
            continue
        if template.name in result:
            other = result[template.name][0].file
            problems.append(source.wrong(("name",), f"a scan named {template.name!r} is also defined in {other}"))
        result[template.name] = source, template
    return result


def _judge_sboms(read: dict[str, tuple[Source, model.Scan]], templates: dict[str, model.Scan]) -> Iterator[Problem]:
    """What templates say of scans that make no SBOM to be stored."""
    for source, template in read.values():
        if template.sbom is None:
            continue
        made_by = templates.get(template.sbom.scan)
        if made_by is None:
            yield source.wrong(("sbom", "scan"), unknown_scan(template.sbom.scan, templates))
        elif not made_by.stored:
            yield source.wrong(("sbom", "scan"), f"{made_by.name} stores no SBOM: its template lacks 'stored: true'")


def _judge_config(config: Config, templates: dict[str, model.Scan]) -> Iterator[Problem]:
    """What the configuration says of scans and parameters that do not exist."""
    for location, name in _named(config):
        if name not in templates:
            yield config.wrong(location, unknown_scan(name, templates))
    for location, name, wrong in of_databases(config, templates):
        yield config.wrong(location, wrong or unknown_scan(name, templates))
    for scan, values in config.scans.parameters.items():
        for parameter, value in values.items() if scan in templates else ():
            if wrong := _judge_parameter(templates[scan], parameter, value):
                yield config.wrong(("scans", "parameters", scan, parameter), wrong)
        for _, word in words(templates[scan]) if scan in templates else ():
            if wrong := judge_filled(word, templates[scan].parameters | values):
                yield config.wrong(("scans", "parameters", scan), wrong)


def _named(config: Config) -> Iterator[tuple[Location, str]]:
    """Every name of a scan in the configuration, with its place."""
    lists: list[tuple[Location, tuple[str, ...]]] = [(("scans", "default"), config.scans.default)]
    lists.append((("scans", "repositoryDefault"), config.scans.repository_default))
    lists += [(("scans", "exclude", at, "scans"), one.scans) for at, one in enumerate(config.scans.exclude)]
    lists += [(("targets", at, "scans"), one.scans) for at, one in enumerate(config.targets)]
    for location, names in lists:
        yield from (((*location, index), name) for index, name in enumerate(names) if name != "*")
    for at, rule in enumerate(config.policy.rules):
        for index, name in enumerate(rule.scans):
            if not _GLOB.intersection(name):
                yield ("policy", "rules", at, "scans", index), name
    yield from ((("scans", "parameters", name), name) for name in config.scans.parameters)
    yield from ((("rescanAfter", name), name) for name in config.rescan_after if name != DEFAULT)


def unknown_scan(name: str, known: Iterable[str]) -> str:
    """What to tell someone who names a scan that does not exist."""
    known = sorted(known)
    return f"unknown scan {name!r}{suggest(name, known)} (there are {', '.join(known)})"


def _judge_parameter(template: model.Scan, parameter: str, value: str) -> str:
    """What is wrong with a parameter's value; empty when nothing is. It must be of the same kind as the default."""
    if parameter not in template.parameters:
        if wrong := judge_name(parameter):
            return wrong
        known = f"it has {', '.join(template.parameters)}" if template.parameters else "it has none"
        hint = suggest(parameter, template.parameters)
        return f"scan {template.name!r} has no parameter {parameter!r}{hint} ({known})"
    if _is_duration(template.parameters[parameter]) and not _is_duration(value):
        return f"{value!r} is not a duration; write a whole number and a unit, such as 90d"
    return judge_value(value)


def _is_duration(text: str) -> bool:
    try:
        parse_duration(text)
    except ValueError:
        return False
    return True


def _scan(template: model.Scan, parameters: dict[str, str], image: str) -> model.Scan:
    """A template with its parameters filled in."""
    values = template.parameters | parameters
    known = of_parameters(values)

    def fill(word: str) -> str:
        return placeholders.fill(word, known)

    def fill_all(words: dict[str, str]) -> dict[str, str]:
        return {key: fill(word) for key, word in words.items()}

    return replace(
        template,
        image=image if template.builtin else template.image,
        command=tuple(map(fill, template.command)),
        environment=fill_all(template.environment),
        database=template.database and _database(template.database, template.name, fill, fill_all),
        repository=template.repository and _on_repository(template.repository, fill),
        sbom=template.sbom and replace(template.sbom, command=tuple(map(fill, template.sbom.command))),
        warm=template.warm and _warm(template.warm, fill, fill_all),
        parameters=values,
    )


def _warm(warm: model.Warm, fill: Fill, fill_all: FillAll) -> model.Warm:
    """How a scan is kept warm, parameters filled in."""
    return replace(
        warm,
        start=tuple(map(fill, warm.start)),
        command=tuple(map(fill, warm.command)),
        ready=tuple(map(fill, warm.ready)),
        files=fill_all(warm.files),
    )


def _database(database: model.Database, scan: str, fill: Fill, fill_all: FillAll) -> model.Database:
    """How a database is refreshed, parameters filled in."""
    fetch = database.fetch and with_keys(database.fetch, scan)
    return replace(
        database,
        refresh=tuple(map(fill, database.refresh)),
        environment=fill_all(database.environment),
        fetch=fetch and replace(fetch, settings=fill_all(fetch.settings)),
        load=tuple(map(fill, database.load)),
    )


def _on_repository(way: model.OnRepository, fill: Fill) -> model.OnRepository:
    """How a scan reads repositories, parameters filled in."""
    online = way.online and replace(way.online, command=tuple(map(fill, way.online.command)))
    return replace(way, command=tuple(map(fill, way.command)), online=online)
