"""Any file of ours, checked by itself, distinguished by content.

A configuration, a CSV of targets, a scan template, a job configuration, a plugin, an ignore file or a VEX document.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import engines
from orchestrator.admission.files import missing_files
from orchestrator.analysis.suppression import vex
from orchestrator.analysis.suppression.rules import parse_rules
from orchestrator.api.jobs import plugins_of
from orchestrator.api.lint_kinds import TABLES, find_kind
from orchestrator.catalog.loading import load_catalog
from orchestrator.catalog.template import read_template
from orchestrator.config.file import find_config
from orchestrator.config.loading import load_config
from orchestrator.errors import UsageError
from orchestrator.git.url import judge_ref, judge_url
from orchestrator.images.reference import judge_reference
from orchestrator.inventory.csv_file import parse_csv
from orchestrator.jobs.plugins import read_plugin
from orchestrator.kit.sources import Problem, SourceError, read_text
from orchestrator.model import TargetKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.config.loading import Config
    from orchestrator.model import Scan


def lint_file(path: Path, config: Path | None = None) -> list[Problem]:
    """What is wrong with a file of ours, and what is perhaps not meant so, in the order of its lines.

    No network is used, and no environment variable. Scans of a CSV and of an ignore file are looked up in the catalog
    of the `scanmatrix.yaml` beside it, or among the shipped ones when there is none; plugins of a job configuration
    likewise.

    Args:
        path: the file.
        config: the configuration whose catalog it is, instead of the one beside it.
    """
    if (data := _vex(path)) is not None:
        document = vex.parse(data, str(path))
        return [*document.problems, *document.mistakes]
    try:
        text = read_text(path, marked=path.suffix.lower() in TABLES)
        match find_kind(text, path):
            case "csv":
                problems = list(_lint_csv(path, text, config))
            case "template":
                read_template(path)
                problems = []
            case "job":
                from orchestrator.api.lint_jobs import lint_job

                problems = list(lint_job(path, _config_of(path, config)))
            case "plugin":
                read_plugin(path)
                problems = []
            case "ignore":
                parse_rules(text, str(path), scans=tuple(_catalog_of(path, config)))
                problems = []
            case "config":
                problems = list(_lint_config(path))
    except SourceError as error:
        problems = list(error.problems)
    return sorted(problems, key=lambda problem: (problem.file, problem.line))


def _lint_config(path: Path) -> Iterator[Problem]:
    """Its own mistakes, scans that do not exist, malformed references and URLs, and files that are not there."""
    config = load_config(path, environment={})
    load_catalog(config)
    yield from _lint_plugins(config)
    if wrong := engines.unknown(config.engine):
        yield config.wrong(("engine",), wrong)
    if config.store.url:
        from orchestrator.store.connection import parse_url

        try:
            parse_url(config.store.url.get_secret_value())
        except UsageError as error:
            yield config.problem(("store", "url"), str(error))
    yield from vex.paths(config)[1]
    yield from missing_files(config)
    rules = config.suppression.rules
    if rules is not None and not (config.base / Path(rules).expanduser()).is_file():
        yield config.wrong(("suppression", "rules"), f"there is no file {rules!r}")
    for index, target in enumerate(config.targets):
        location = ("targets", index)
        if target.image is not None and (wrong := judge_reference(target.image)):
            yield config.wrong((*location, "image"), wrong)
        if target.repository is not None and (wrong := _judge_repository(target.repository.url, target.repository.ref)):
            yield config.wrong((*location, "repository"), wrong)
        local = target.csv.path if target.csv and not target.csv.git else None
        if local is not None and not (config.base / Path(local).expanduser()).is_file():
            yield config.wrong((*location, "csv", "path"), f"there is no file {local!r}")


def _lint_plugins(config: Config) -> Iterator[Problem]:
    """Folders and files that are not there, and what is wrong with the plugins in those that are."""
    for index, place in enumerate(config.events.jobs.plugins if config.events.jobs else ()):
        if not (config.base / place).exists():
            yield config.wrong(("events", "jobs", "plugins", index), f"there is no folder or file {place!r}")
            return
    plugins_of(config)


def _lint_csv(path: Path, text: str, config: Path | None) -> Iterator[Problem]:
    """Its own mistakes, and malformed references and URLs, which planning would make failed rows."""
    for entry in parse_csv(text, str(path), tuple(_catalog_of(path, config))):
        is_repository = entry.kind is TargetKind.REPOSITORY
        wrong = _judge_repository(entry.reference, entry.ref) if is_repository else judge_reference(entry.reference)
        if wrong:
            yield Problem(str(path), int(entry.origin.rpartition(":")[2]), wrong)


def _config_of(path: Path, config: Path | None) -> Config | None:
    """A configuration, or the one in the same folder; None where there is none."""
    config = config or find_config(path.parent)
    return None if config is None else load_config(config, environment={})


def _catalog_of(path: Path, config: Path | None) -> dict[str, Scan]:
    """The scans of a configuration, or of the one in the same folder, or the shipped ones."""
    return load_catalog(_config_of(path, config))


def _vex(path: Path) -> bytes | None:
    """The content of a file that is meant to be a VEX document; None for any other."""
    try:
        with path.open("rb") as file:
            data = file.read(vex.MAX_BYTES + 1)
    except OSError:
        return None
    return data if vex.is_vex(data) else None


def _judge_repository(url: str, ref: str) -> str:
    """Why git may not be given a repository's URL or ref; empty when it may."""
    try:
        judge_url(url)
        judge_ref(ref)
    except UsageError as error:
        return str(error)
    return ""
