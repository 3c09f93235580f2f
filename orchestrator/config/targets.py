"""The section `targets`: where what is scanned comes from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from orchestrator.config.kinds import (
    Comparisons,
    GitUrl,
    Host,
    Kind,
    PathText,
    Pattern,
    Reference,
    ScanNames,
    Text,
    Value,
)
from orchestrator.config.section import OneOf, Section


class Git(Section):
    """A git repository: one that holds a file, or one to scan."""

    url: GitUrl
    ref: Text = "HEAD"


class Csv(Section):
    """A CSV of targets: a local file, or one in a git repository."""

    path: PathText
    git: Git | None = None


class ClusterSource(Section):
    """Images that run in Kubernetes clusters."""

    contexts: tuple[Text, ...] = ()
    namespaces: Annotated[tuple[Pattern, ...], Field(min_length=1)] = ("*",)
    exclude: tuple[Pattern, ...] = ()
    skip_label: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9./_-]+(=[A-Za-z0-9._-]*)?$"),
        Kind("`key` or `key=value`"),
    ] = "scanmatrix/skip"
    allow_skip: bool = True


class RegistrySource(Section):
    """Images of a registry, by repository and tag."""

    host: Host
    repositories: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    tags: Annotated[tuple[Pattern, ...], Field(min_length=1)] = ("*",)
    exclude_tags: tuple[Pattern, ...] = ()
    versions: Comparisons | None = None
    prereleases: bool = False
    newest: Annotated[int, Field(ge=1)] | None = None


#: The kinds of sources of targets, by their keys.
SOURCES = ("csv", "image", "archive", "repository", "cluster", "registry")


class TargetSource(OneOf):
    """One source of targets: exactly one of `csv`, `image`, `archive`, `repository`, `cluster` and `registry`."""

    choices = SOURCES

    csv: Csv | None = None
    image: Reference | None = None
    archive: PathText | None = None
    repository: Git | None = None
    cluster: ClusterSource | None = None
    registry: RegistrySource | None = None
    scans: ScanNames = ()
    owner: str = ""
    labels: dict[str, Value] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _columns_of_a_csv(self) -> TargetSource:
        if self.csv and (self.scans or self.owner or self.labels):
            raise ValueError("scans, owner and labels of a csv are columns of that file, not keys here")
        return self
