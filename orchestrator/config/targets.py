"""The section `targets`: where what is scanned comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

from pydantic import Field, StringConstraints, field_validator, model_validator

from orchestrator.config.described import ValueKind
from orchestrator.config.kinds import Comparisons, GitUrl, Host, PathText, Pattern, Reference, ScanNames, Text, Value
from orchestrator.config.section import CelRule, OneOf, Section, WrongKey
from orchestrator.kit.quantities import parse_duration
from orchestrator.model.labels import MAX_LIFETIME

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Where an image may be looked for.
ImagePlace = Literal["docker", "podman", "containerd", "registry"]


def judge_lifetime(text: str) -> str:
    """What is wrong with a label `maxLifetime`, which scans read; empty when nothing is."""
    try:
        parse_duration(text or "0s")
    except ValueError as error:
        return str(error)
    return ""


class GitSection(Section):
    """A git repository: one that holds a file, or one to scan.

    Attributes:
        url: `https://…`, `ssh://…`, `user@host:path` or `file:///…` (`http://` for loopback hosts only); a password in
            it is refused
        ref: branch, tag or full commit
    """

    url: GitUrl
    ref: Text = "HEAD"


class Csv(Section):
    """A CSV of targets: a local file, or one in a git repository.

    Attributes:
        path: the file; within the repository when `git` is given
        git: read the file out of a git repository, see [below](#git)
    """

    path: PathText
    git: GitSection | None = None


class ClusterSource(Section):
    """Images that run in Kubernetes clusters.

    Attributes:
        contexts: contexts of the kubeconfig; none for the cluster we are in, or else the kubeconfig's current context
        namespaces: names, globs, or `/regular expressions/`, one of which must match the whole name
        exclude: namespaces to exclude, written the same way
        skip_label: pods, workloads and namespaces with this label are skipped (with a key alone: unless its value is
            `false`, `no` or `0`): their cells are `skipped`, and say who asked
        allow_skip: whether that label, and the annotation `scanmatrix/skip`, are respected; with `false` everything is
            scanned, each such request is noted, and the annotation `scanmatrix/scans` can only add scans to the usual
            ones
        own_pods: whether images of scanmatrix's own pods (of runs, scheduler, caches) are targets too
    """

    contexts: tuple[Text, ...] = ()
    namespaces: Annotated[tuple[Pattern, ...], Field(min_length=1)] = ("*",)
    exclude: tuple[Pattern, ...] = ()
    skip_label: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9./_-]+(=[A-Za-z0-9._-]*)?$"),
        ValueKind("`key` or `key=value`"),
    ] = "scanmatrix/skip"
    allow_skip: bool = True
    own_pods: bool = True


class RegistrySource(Section):
    """Images of a registry, by repository and tag.

    Attributes:
        host: `registry.example.com:5000`, `docker.io`
        repositories: names, globs, or `/regular expressions/`; all but plain names need the registry's catalog
        tags: of which one must match the whole tag
        exclude_tags: tags to exclude, written the same way: `["*-debug", "sha256-*"]`
        versions: `>=1.20 <2`: only tags that are such a version (`1.27`, `v1.27.3`)
        prereleases: whether versions with a suffix count: `2.0.0-rc.1`, but also `1.27-alpine`
        newest: maximum number of tags of a repository: the highest versions, then tags that are not versions, by name
    """

    host: Host
    repositories: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    tags: Annotated[tuple[Pattern, ...], Field(min_length=1)] = ("*",)
    exclude_tags: tuple[Pattern, ...] = ()
    versions: Comparisons | None = None
    prereleases: bool = False
    newest: Annotated[int, Field(ge=1, le=1_000_000)] | None = None


#: The path of an archive that comes on standard input.
STDIN: Final = "-"
#: Among the places where an image is looked for: its registry, or the cache of it.
REGISTRY: Final = "registry"
#: Where an image is looked for that a person names on the command line, in this order.
LOOKED_IN: tuple[ImagePlace, ...] = ("docker", "podman", "containerd", REGISTRY)


#: The kinds of sources of targets, by their keys.
SOURCES = ("csv", "image", "archive", "repository", "dir", "cluster", "registry")


class TargetSource(OneOf):
    """One source of targets: exactly one of `csv`, `image`, `archive`, `repository`, `dir`, `cluster` and `registry`.

    Attributes:
        csv: a CSV of targets, see [below](#the-csv-of-targets)
        image: one image of a registry, as `docker pull` takes it: `ubuntu:20.04`, `ghcr.io/org/app@sha256:…`
        archive: an OCI archive, an OCI layout folder or a `docker save` tar on this machine (local engine only), or `-`
            for one on standard input; also
            compressed by gzip or zstd: it is read in place, up to 2 GiB beside a hundred times its size; symbolic links
            within a folder are not followed
        repository: a source repository, see [repositories.md](repositories.md)
        dir: a plain folder on this machine (local engine only), scanned like a repository that has its files as they
            are; links are not followed, and `.git`, other filesystems, devices and the volume are left out
        cluster: the images that run in Kubernetes clusters, see [inventory.md](inventory.md)
        registry: the images of a registry, see [inventory.md](inventory.md#images-in-a-registry)
        look_in: where an image is looked for, in this order: `docker`, `podman`, `containerd` (the tools of this
            machine; local engine only) and `registry`
        scans: scans of this target; empty for `scans.default`, of a repository `scans.repositoryDefault`
        owner: its owner, shown in the ledger
        labels: further information about it
    """

    choices = SOURCES

    csv: Csv | None = None
    image: Reference | None = None
    archive: PathText | None = None
    repository: GitSection | None = None
    dir: PathText | None = None
    cluster: ClusterSource | None = None
    registry: RegistrySource | None = None
    look_in: Annotated[tuple[ImagePlace, ...], Field(min_length=1)] = ("registry",)
    scans: ScanNames = ()
    owner: str = ""
    labels: dict[str, Value] = Field(default_factory=dict)

    across = (
        CelRule(
            "!has(self.csv) || (size(self.scans) == 0 && size(self.owner) == 0 && size(self.labels) == 0)",
            "scans, owner and labels of a csv are columns of that file, not keys here",
        ),
    )

    @field_validator("labels")
    @classmethod
    def _durations(cls, value: dict[str, str]) -> dict[str, str]:
        if wrong := judge_lifetime(value.get(MAX_LIFETIME, "")):
            raise WrongKey((MAX_LIFETIME,), wrong)
        return value

    @model_validator(mode="after")
    def _keys_of_its_kind(self) -> TargetSource:
        if self.image is None and "look_in" in self.model_fields_set:
            raise ValueError("lookIn is for an `image`")
        if self.csv and (self.scans or self.owner or self.labels):
            raise ValueError("scans, owner and labels of a csv are columns of that file, not keys here")
        return self

    @property
    def is_here(self) -> bool:
        """Whether the names of its targets are known without asking a registry, a cluster or a git host."""
        return not (self.cluster or self.registry or (self.csv and self.csv.git))


class PushedAs(NamedTuple):
    """What somebody pushed.

    Attributes:
        digest: of the image, or the commit; empty where it is not known, so that its name decides.
    """

    digest: str


@dataclass(frozen=True)
class TargetSelection:
    """Some of the targets instead of all that are configured; at most one of the two is given.

    Attributes:
        named: images, archives and repositories that a person names; what the configuration says of them holds.
        globs: for names of configured targets, of which one must match.
        pushed: of one that is named because somebody pushed it, what is known of that; None for others.
        strange: registries of these (`host[:port]`) that only a stranger names: asked at public addresses alone.
        owners: whose targets alone may be meant; None for everybody's.
        lent: of names that the configuration may not know, which of these owners they have.
    """

    named: tuple[TargetSource, ...] = ()
    globs: tuple[str, ...] = ()
    pushed: PushedAs | None = None
    strange: frozenset[str] = frozenset()
    owners: frozenset[str] | None = None
    lent: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.named or self.globs) or self.owners is not None
