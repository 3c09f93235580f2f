"""Which file of ours a file is, by its content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from orchestrator.analysis.suppression.rules import KEY as RULES_KEY
from orchestrator.catalog.template import TEMPLATE
from orchestrator.config.keys import fields
from orchestrator.config.loading import Config
from orchestrator.inventory.csv_file import names_targets
from orchestrator.jobs.keys import JOB
from orchestrator.jobs.plugins import PLUGIN
from orchestrator.kit.sources import SourceError, suggest
from orchestrator.kit.yaml_source import parse_yaml

if TYPE_CHECKING:
    from pathlib import Path

FileKind: TypeAlias = Literal["config", "csv", "template", "ignore", "job", "plugin"]
TABLES = frozenset({".csv", ".tsv"})
_NONE_OF_OURS = (
    f"is not a file of scanmatrix: a configuration has keys such as `targets`, an ignore file has `{RULES_KEY}`,"
    " a scan template has `name` and `format`, a job configuration has `actions`, a plugin has `inputs`"
)
_MANIFEST = "is a Kubernetes manifest, not a file of scanmatrix"


def find_kind(text: str, path: Path) -> FileKind:
    """Which file of ours this is meant to be.

    Raises:
        SourceError: it is meant to be YAML but is none, or is a file of something else.
    """
    if path.suffix.lower() in TABLES or names_targets(text):
        return "csv"
    source = parse_yaml(text, str(path))
    keys = set(source.data) if isinstance(source.data, dict) else set()
    if {"apiVersion", "kind"} <= keys:
        raise SourceError([source.problem((), _MANIFEST)])
    if RULES_KEY in keys:
        return "ignore"
    if keys & set(fields(JOB.section)):
        return "job"
    ours, theirs, plugins = (set(fields(section)) for section in (Config, TEMPLATE.section, PLUGIN.section))
    if keys & (plugins - theirs - ours):
        return "plugin"
    if not keys & (ours | theirs):
        known = [RULES_KEY, *ours, *theirs, *fields(JOB.section), *plugins]
        misspelt = [(key, meant) for key in sorted(keys) if (meant := suggest(key, known))]
        problems = [source.problem((key,), f"unknown key {key!r}{meant}") for key, meant in misspelt]
        raise SourceError(problems or [source.problem((), _NONE_OF_OURS)])
    return "template" if len(keys & (theirs - ours)) > len(keys & (ours - theirs)) else "config"
