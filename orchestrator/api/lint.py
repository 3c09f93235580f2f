"""Any file of ours, checked by itself, distinguished by content.

A configuration, a CSV of targets, a scan template, an ignore file or a VEX document.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orchestrator import engines
from orchestrator.analysis.suppression import vex
from orchestrator.analysis.suppression.rules import KEY as RULES_KEY
from orchestrator.analysis.suppression.rules import parse_rules
from orchestrator.catalog.loading import load_catalog
from orchestrator.catalog.template import TEMPLATE, read_template
from orchestrator.config.file import find_config
from orchestrator.config.keys import fields
from orchestrator.config.loading import Config, load_config
from orchestrator.errors import UsageError
from orchestrator.git.url import judge_ref, judge_url
from orchestrator.images.reference import InvalidReference, parse
from orchestrator.inventory.csv_file import names_targets, parse_csv
from orchestrator.kit.sources import Problem, SourceError, read_text, suggest
from orchestrator.kit.yaml_source import parse_yaml
from orchestrator.model import TargetKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.model import Scan

_NONE_OF_OURS = (
    f"is not a file of scanmatrix: a configuration has keys such as `targets`, an ignore file has `{RULES_KEY}`,"
    " a scan template has `name`"
)
_TABLES = frozenset({".csv", ".tsv"})
Kind = Literal["config", "csv", "template", "ignore"]


def lint_file(path: Path, config: Path | None = None) -> list[Problem]:
    """What is wrong with a file of ours, in the order of its lines; nothing when it is fine.

    No network is used, and no environment variable. Scans of a CSV and of an ignore file are looked up in the catalog
    of the `scanmatrix.yaml` beside it, or among the shipped ones when there is none.

    Args:
        path: the file.
        config: the configuration whose catalog it is, instead of the one beside it.
    """
    if (data := _vex(path)) is not None:
        document = vex.parse(data, str(path))
        return [*document.problems, *document.mistakes]
    try:
        text = read_text(path, marked=path.suffix.lower() in _TABLES)
        match find_kind(text, path):
            case "csv":
                problems = list(_lint_csv(path, text, config))
            case "template":
                read_template(path)
                problems = []
            case "ignore":
                parse_rules(text, str(path), scans=tuple(_catalog_of(path, config)))
                problems = []
            case "config":
                problems = list(_lint_config(path))
    except SourceError as error:
        problems = list(error.problems)
    return sorted(problems, key=lambda problem: (problem.file, problem.line))


def find_kind(text: str, path: Path) -> Kind:
    """Which file of ours this is meant to be.

    Raises:
        SourceError: it is meant to be YAML but is none, or is a file of something else.
    """
    if path.suffix.lower() in _TABLES or names_targets(text):
        return "csv"
    source = parse_yaml(text, str(path))
    keys = set(source.data) if isinstance(source.data, dict) else set()
    if {"apiVersion", "kind"} <= keys:
        raise SourceError([source.problem((), "is a Kubernetes manifest, not a file of scanmatrix")])
    if RULES_KEY in keys:
        return "ignore"
    ours, theirs = set(fields(Config)), set(fields(TEMPLATE.section))
    if not keys & (ours | theirs):
        known = [RULES_KEY, *ours, *theirs]
        misspelt = [(key, meant) for key in sorted(keys) if (meant := suggest(key, known))]
        problems = [source.problem((key,), f"unknown key {key!r}{meant}") for key, meant in misspelt]
        raise SourceError(problems or [source.problem((), _NONE_OF_OURS)])
    return "template" if len(keys & (theirs - ours)) > len(keys & (ours - theirs)) else "config"


def _lint_config(path: Path) -> Iterator[Problem]:
    """Its own mistakes, scans that do not exist, malformed references and URLs, and files that are not there."""
    config = load_config(path, environment={})
    load_catalog(config)
    if wrong := engines.unknown(config.engine):
        yield config.wrong(("engine",), wrong)
    if config.store.url:
        from orchestrator.store.connection import parse_url

        try:
            parse_url(config.store.url.get_secret_value())
        except UsageError as error:
            yield config.problem(("store", "url"), str(error))
    yield from vex.paths(config)[1]
    rules = config.suppression.rules
    if rules is not None and not (config.base / Path(rules).expanduser()).is_file():
        yield config.wrong(("suppression", "rules"), f"there is no file {rules!r}")
    for index, target in enumerate(config.targets):
        location = ("targets", index)
        if target.image is not None and (wrong := _judge_reference(target.image)):
            yield config.wrong((*location, "image"), wrong)
        if target.repository is not None and (wrong := _judge_repository(target.repository.url, target.repository.ref)):
            yield config.wrong((*location, "repository"), wrong)
        local = target.csv.path if target.csv and not target.csv.git else None
        if local is not None and not (config.base / Path(local).expanduser()).is_file():
            yield config.wrong((*location, "csv", "path"), f"there is no file {local!r}")


def _lint_csv(path: Path, text: str, config: Path | None) -> Iterator[Problem]:
    """Its own mistakes, and malformed references and URLs, which planning would make failed rows."""
    for entry in parse_csv(text, str(path), tuple(_catalog_of(path, config))):
        is_repository = entry.kind is TargetKind.REPOSITORY
        wrong = _judge_repository(entry.reference, entry.ref) if is_repository else _judge_reference(entry.reference)
        if wrong:
            yield Problem(str(path), int(entry.origin.rpartition(":")[2]), wrong)


def _catalog_of(path: Path, config: Path | None) -> dict[str, Scan]:
    """The scans of a configuration, or of the one in the same folder, or the shipped ones."""
    config = config or find_config(path.parent)
    return load_catalog(load_config(config, environment={}) if config is not None else None)


def _vex(path: Path) -> bytes | None:
    """The content of a file that is meant to be a VEX document; None for any other."""
    try:
        with path.open("rb") as file:
            data = file.read(vex.MAX_BYTES + 1)
    except OSError:
        return None
    return data if vex.is_vex(data) else None


def _judge_reference(reference: str) -> str:
    """Why an image's name is malformed; empty when it is not."""
    try:
        parse(reference)
    except InvalidReference as error:
        return str(error)
    return ""


def _judge_repository(url: str, ref: str) -> str:
    """Why git may not be given a repository's URL or ref; empty when it may."""
    try:
        judge_url(url)
        judge_ref(ref)
    except UsageError as error:
        return str(error)
    return ""
