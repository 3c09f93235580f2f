"""The sections of the general configuration: each key, its type, its default."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from orchestrator import model
from orchestrator.config.argo import ApiServer, Concurrency, History, Network, Nfs, Operator, Quota, SchedulerPods
from orchestrator.config.section import Section
from orchestrator.git.url import without_credentials
from orchestrator.kit.quantities import Duration, Size

_DIGEST = re.compile(r"[a-z0-9]+:[0-9a-f]{32,}")
_HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?")
_COMPARISON = re.compile(r"(<=|>=|==|!=|<|>)v?\d{1,9}(\.\d{1,9}){0,2}(-[0-9A-Za-z.-]+)?")
_DNS_NAME = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
_LABEL = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
# Docker Hub's registry answers under another name than its images carry.
_HUB = dict.fromkeys(("docker.io", "index.docker.io"), "registry-1.docker.io")

#: Of every cache that the install makes.
CACHE_PORT = 5000


def service_name(upstream: str) -> str:
    """Name of the cache that the install makes for an upstream: `docker.io` has `cache-docker-io`."""
    return f"cache-{re.sub('[^a-z0-9]+', '-', upstream.lower())}"[:63].rstrip("-")


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError(f"{value!r} is not a registry host; write host or host:port, without https://")
    return value


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("write it as http://host:port or https://host:port")
    if parts.username or parts.password:
        raise ValueError("it must not hold a password; registry credentials come from docker's config.json")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("only scheme, host and port belong here; a repository prefix goes into the key 'path'")
    return value.rstrip("/")


def _image_digest(value: str) -> str:
    if not _DIGEST.fullmatch(value):
        raise ValueError(f"{value!r} is not a digest; write sha256: and 64 hexadecimal digits")
    return value


def _platform(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?", value):
        raise ValueError(f"{value!r} is not a platform; write os/architecture, such as linux/amd64")
    return value


def _names(value: object) -> object:
    """A list of names may be written as in the CSV: `general;virus`."""
    return [name.strip() for name in value.split(";") if name.strip()] if isinstance(value, str) else value


def _text(value: object) -> object:
    """A parameter's value: text, or a number or truth value that YAML made of it."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _word(value: object) -> object:
    """`off` without quotes, of which YAML makes a truth value."""
    return "off" if value is False else value


Host = Annotated[str, AfterValidator(_host)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
PlatformName = Annotated[str, AfterValidator(_platform)]
ScanNames = Annotated[tuple[str, ...], BeforeValidator(_names)]
Text = Annotated[str, Field(min_length=1)]


class Git(Section):
    """A git repository: one that holds a file, or one to scan.

    Attributes:
        url: https, ssh (`ssh://…` or `user@host:path`) or file URL; never with a password in it.
        ref: branch, tag or full commit.
    """

    url: Annotated[Text, AfterValidator(without_credentials)]
    ref: Text = "HEAD"


class Csv(Section):
    """A CSV of targets: a local file, or one in a git repository (then `path` is relative to its root)."""

    path: Text
    git: Git | None = None


def _pattern(value: str) -> str:
    """A name, a glob, or a regular expression between slashes."""
    if len(value) > 1 and value.startswith("/") and value.endswith("/"):
        try:
            re.compile(value[1:-1])
        except re.error as error:
            raise ValueError(f"{value} is not a regular expression: {error}") from error
    return value


def _comparisons(value: str) -> str:
    """One or more of `>=1.2`, `<2`, `!=1.4.1`, … with spaces or commas between them."""
    wrong = [part for part in re.split(r"[\s,]+", value.strip()) if not _COMPARISON.fullmatch(part)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is not a comparison of versions; write it like '>=1.20 <2'")
    return value


Pattern = Annotated[str, Field(min_length=1), AfterValidator(_pattern)]


class ClusterSource(Section):
    """Images that run in Kubernetes clusters.

    Attributes:
        contexts: of the kubeconfig; none for the cluster we are in, or else the kubeconfig's current context.
        namespaces: names, globs or `/regular expressions/`; one of them must match the whole name.
        exclude: namespaces to leave out, written likewise.
        skip_label: `key` or `key=value`; pods, workloads and namespaces that carry it are left out.
        allow_skip: whether they are, by that label or the annotation; otherwise the wish is noted, and not heeded, and
            an annotation can only add scans.
    """

    contexts: tuple[Text, ...] = ()
    namespaces: Annotated[tuple[Pattern, ...], Field(min_length=1)] = ("*",)
    exclude: tuple[Pattern, ...] = ()
    skip_label: Annotated[str, Field(pattern=r"^[A-Za-z0-9./_-]+(=[A-Za-z0-9._-]*)?$")] = "scanmatrix/skip"
    allow_skip: bool = True


class RegistrySource(Section):
    """Images of a registry, by repository and tag.

    Attributes:
        host: `host[:port]`, or `docker.io`.
        repositories: names, globs or `/regular expressions/`; all but plain names ask the registry for its catalogue.
        tags: names, globs or `/regular expressions/`, one of which must match the whole tag.
        exclude_tags: tags to leave out, written likewise.
        versions: comparisons that a tag must fulfil as a version (Semantic Versioning 2): `>=1.20 <2`; None for any.
        prereleases: whether versions with a suffix count: `2.0.0-rc.1`, but also `1.27-alpine`.
        newest: at most so many tags of a repository, by version; None for all.
    """

    host: Host
    repositories: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    tags: Annotated[tuple[Pattern, ...], Field(min_length=1)] = ("*",)
    exclude_tags: tuple[Pattern, ...] = ()
    versions: Annotated[str, AfterValidator(_comparisons)] | None = None
    prereleases: bool = False
    newest: Annotated[int, Field(ge=1)] | None = None


#: The kinds of sources of targets, by their keys.
SOURCES = ("csv", "image", "archive", "repository", "cluster", "registry")


class TargetSource(Section):
    """One source of targets: exactly one of `csv`, `image`, `archive`, `repository`, `cluster` and `registry`."""

    csv: Csv | None = None
    image: Text | None = None
    archive: Text | None = None
    repository: Git | None = None
    cluster: ClusterSource | None = None
    registry: RegistrySource | None = None
    scans: ScanNames = ()
    owner: str = ""
    labels: dict[str, Annotated[str, BeforeValidator(_text)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _exactly_one(self) -> TargetSource:
        given = [kind for kind in SOURCES if getattr(self, kind) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none of them"
            raise ValueError(f"a target is exactly one of {', '.join(SOURCES)}; this has {found}")
        if self.csv and (self.scans or self.owner or self.labels):
            raise ValueError("scans, owner and labels of a csv are columns of that file, not keys here")
        return self


class Exclusion(Section):
    """Cells that shall not run: images and URLs of repositories by glob, scans by name (`*` for all), and why."""

    image: Text
    scans: ScanNames = ("*",)
    reason: Text


class Scans(Section):
    """Which scans there are and what they are told.

    Attributes:
        default: scans of an image that names none; `*` for all that read images.
        repository_default: scans of a source repository that names none; `*` for all that read repositories.
        templates: further template files, or folders of them.
        parameters: values by scan and parameter.
        exclude: cells that are skipped with a reason.
    """

    default: ScanNames = ("sbom", "image-lifetime", "root-user")
    repository_default: ScanNames = ("scorecard", "dependency", "secrets")
    templates: tuple[Text, ...] = ()
    parameters: dict[str, dict[str, Annotated[str, BeforeValidator(_text)]]] = Field(default_factory=dict)
    exclude: tuple[Exclusion, ...] = ()

    def default_for(self, kind: model.TargetKind) -> tuple[str, ...]:
        """The scans of a target of this kind that names none."""
        return self.repository_default if kind is model.TargetKind.REPOSITORY else self.default


def _service_url(data: dict[str, str]) -> str:
    return f"http://{service_name(data.get('upstream', ''))}:{CACHE_PORT}"


def _remote(data: dict[str, str]) -> str:
    upstream = data.get("upstream", "")
    return f"https://{_HUB.get(upstream.lower(), upstream)}"


class Cache(Section):
    """One pull-through cache.

    Attributes:
        upstream: registry it stands for, such as `docker.io`.
        url: where it answers, `http://host:port`; by default the Service that the install makes for it.
        path: repository prefix within it; empty when it serves its upstream's own paths.
        remote: where the installed cache reads.
        secret: `kubernetes.io/basic-auth` Secret with its credentials there; None for none.
        size: most bytes the installed cache may hold.
        keep: seconds it holds what nobody asked for again.
    """

    upstream: Host
    url: HttpUrl = Field(default_factory=_service_url)
    path: str = ""
    remote: HttpUrl = Field(default_factory=_remote)
    secret: Annotated[str, Field(pattern=_LABEL)] | None = None
    size: Annotated[Size, Field(ge=2**20)] = 20 * 1024**3
    keep: Annotated[Duration, Field(ge=60)] = 7 * 86400

    @property
    def installed(self) -> bool:
        """Whether it is one of the caches that the install makes, and not somebody else's."""
        return self.url == _service_url({"upstream": self.upstream})


def _folder(value: str) -> str:
    """A folder of a node by its one spelling (POSIX, 4.13), so that what it lies in is what it says."""
    if not re.fullmatch(r"(/[^/\s]+)+", value) or {".", ".."} & set(value.split("/")):
        raise ValueError(f"{value!r} must be an absolute path without blanks, empty parts, '.' and '..'")
    return value


Folder = Annotated[str, AfterValidator(_folder)]


class VolumeSection(Section):
    """The shared volume.

    Attributes:
        path: folder of the volume for the local engine, absolute once loaded.
        claim: PersistentVolumeClaim for Argo.
        budget: most bytes that tarballs may take at once.
        over_budget: what to do with a plan over the budget: `split` it into waves, or `refuse` it.
        host_path: folder of the one node, for the overlay `single-node`; within one of `host_path_prefixes`.
        host_path_prefixes: folders of the node that the volume may be, or be in; what a pod owns there is no system's.
        storage_class: of the claim, for the overlay `production`; None for the cluster's default class.
        nfs: export to use there instead of a class.
    """

    path: Path = Path("scanmatrix-data")
    claim: Annotated[str, Field(pattern=_LABEL)] = "scanmatrix"
    budget: Size = 100 * 1024**3
    over_budget: Literal["split", "refuse"] = "split"
    host_path: Folder = "/var/lib/scanmatrix"
    # Those of the Filesystem Hierarchy Standard 3.0 (3.12, 3.17) for what an administrator puts there.
    host_path_prefixes: Annotated[tuple[Folder, ...], Field(min_length=1)] = ("/var/lib/scanmatrix", "/srv", "/mnt")
    storage_class: Annotated[str, Field(pattern=_DNS_NAME)] | None = None
    nfs: Nfs | None = None

    @model_validator(mode="after")
    def _within_a_prefix(self) -> VolumeSection:
        path = PurePosixPath(self.host_path)
        if not any(path.is_relative_to(prefix) for prefix in self.host_path_prefixes):
            raise ValueError(
                f"hostPath {self.host_path} lies in none of hostPathPrefixes ({', '.join(self.host_path_prefixes)}):"
                " pods would own a folder of the node's own system; choose another, or name its prefix"
            )
        if self.host_path in {"/srv", "/mnt"}:
            raise ValueError(f"hostPath {self.host_path} is not the scans' alone; take a folder in it")
        return self


class BudgetSection(Section):
    """What registries may cost us for one thing; see `orchestrator.model.ReadBudget`.

    Attributes:
        requests: that are sent, tokens and redirects included.
        entries: members of indexes, or names in lists.
        bytes: of answers.
        time: seconds, waits included.
    """

    requests: Annotated[int, Field(ge=1)]
    entries: Annotated[int, Field(ge=1)]
    bytes: Annotated[Size, Field(ge=1)]
    time: Annotated[Duration, Field(ge=1, le=86400)]

    @property
    def budget(self) -> model.ReadBudget:
        """As registries are read with it."""
        return model.ReadBudget(requests=self.requests, entries=self.entries, bytes=self.bytes, seconds=self.time)


class LookupSection(BudgetSection):
    """For finding the images behind one reference."""

    requests: Annotated[int, Field(ge=1)] = model.ReadBudget().requests
    entries: Annotated[int, Field(ge=1)] = model.ReadBudget().entries
    bytes: Annotated[Size, Field(ge=1)] = model.ReadBudget().bytes
    time: Annotated[Duration, Field(ge=1, le=86400)] = model.ReadBudget().seconds


class ListingSection(BudgetSection):
    """For listing the tags of one repository, or the catalogue of one registry."""

    requests: Annotated[int, Field(ge=1)] = model.LISTING_BUDGET.requests
    entries: Annotated[int, Field(ge=1)] = model.LISTING_BUDGET.entries
    bytes: Annotated[Size, Field(ge=1)] = model.LISTING_BUDGET.bytes
    time: Annotated[Duration, Field(ge=1, le=86400)] = model.LISTING_BUDGET.seconds


class PlanningSection(BudgetSection):
    """For all of that in one plan: once for its look-ups, and once for its lists."""

    requests: Annotated[int, Field(ge=1)] = model.PLANNING_BUDGET.requests
    entries: Annotated[int, Field(ge=1)] = model.PLANNING_BUDGET.entries
    bytes: Annotated[Size, Field(ge=1)] = model.PLANNING_BUDGET.bytes
    time: Annotated[Duration, Field(ge=1, le=86400)] = model.PLANNING_BUDGET.seconds


class LimitsSection(Section):
    """Bounds of a run, as in `orchestrator.model.Limits`, and of making its plan.

    Attributes:
        lookup: what finding the images behind one reference may cost.
        listing: what listing one repository's tags, or one registry's catalogue, may cost.
        planning: what all of that may cost together.
    """

    images_in_flight: Annotated[int, Field(ge=1, le=1000)] = model.Limits().images_in_flight
    cells_in_flight: Annotated[int, Field(ge=1, le=1000)] = model.Limits().cells_in_flight
    cells_per_shard: Annotated[int, Field(ge=1, le=5000)] = model.Limits().cells_per_shard
    shards_in_flight: Annotated[int, Field(ge=1, le=50)] = model.Limits().shards_in_flight
    deadline: Annotated[Duration, Field(ge=1)] = model.Limits().deadline
    retries: Annotated[int, Field(ge=0, le=20)] = model.Limits().retries
    repository_size: Annotated[Size, Field(ge=1)] = model.Limits().repository_size
    repository_files: Annotated[int, Field(ge=1, le=10_000_000)] = model.Limits().repository_files
    repository_time: Annotated[Duration, Field(ge=1, le=86400)] = model.Limits().repository_time
    lookup: LookupSection = LookupSection()
    listing: ListingSection = ListingSection()
    planning: PlanningSection = PlanningSection()

    def document(self, volume_bytes: int) -> model.Limits:
        """As the plan holds it, with the volume's budget beside it; what making it may cost is past by then."""
        bounds = self.model_dump(exclude={"lookup", "listing", "planning"})
        return model.Limits(**bounds, volume_bytes=volume_bytes)


class Allow(Section):
    """Scanner images that may run: `registry/repository[:tag]` globs, or digests; at least one of either."""

    images: tuple[Text, ...] = ()
    digests: tuple[Annotated[str, AfterValidator(_image_digest)], ...] = ()

    @model_validator(mode="after")
    def _something(self) -> Allow:
        if not self.images and not self.digests:
            raise ValueError("it allows nothing; list images or digests, or leave the section out to allow all")
        return self


class Store(Section):
    """Where results are kept beyond the volume.

    Attributes:
        url: of the database; may hold a password, so it is masked wherever it is shown. None for a file on the volume.
        keep: seconds that findings which are gone, and the cells of old runs, are kept.
    """

    url: SecretStr | None = None
    keep: Annotated[Duration, Field(ge=86400)] = 180 * 86400


class Local(Section):
    """What the local engine needs to know.

    Attributes:
        runner: how scanners are started: found on PATH or else in a container (`auto`), or only the one way.
        sandbox: whether processes are kept in bubblewrap: where it works (`auto`), or else not at all (`required`), or
            never (`off`).
    """

    runner: Literal["auto", "process", "container"] = "auto"
    sandbox: Annotated[Literal["auto", "required", "off"], BeforeValidator(_word)] = "auto"


class Argo(Section):
    """What Argo needs to know.

    Attributes:
        namespace: where workflows run.
        service_account: of their pods; needs only what the executor needs.
        schedule: five-field cron of the rendered CronWorkflow; None renders none.
        timezone: IANA name for the schedule.
        registry_secret: `kubernetes.io/dockerconfigjson` Secret for the pull pods; None when the caches need none.
        git_secret: Secret for the pods that plan and those that fetch repositories, with what private git repositories
            want; None for none.
        token_secrets: Secrets whose key `token` holds what the API of a git host wants, by host; only the cells that
            ask it get theirs.
        concurrency: what the schedule does while its last run goes on.
        start_within: seconds a scheduled run may start late, when its moment was missed.
        history: ended Workflows of the schedule to keep.
        api_server: where pods reach the Kubernetes API.
        network: what pods may reach beside the public internet.
        images: file with the digests of the images of our own manifests, instead of the shipped one.
        operators: who may start, watch and end runs.
        quota: most that the namespace's pods may take together.
        scheduler: the Deployment that keeps results fresh.
    """

    namespace: Annotated[str, Field(pattern=_LABEL)] = "scanmatrix"
    service_account: Annotated[str, Field(pattern=_LABEL)] = "scanmatrix"
    schedule: Annotated[str, Field(pattern=r"^\s*\S+(\s+\S+){4}\s*$")] | None = None
    timezone: Text = "Etc/UTC"
    registry_secret: Annotated[str, Field(pattern=_LABEL)] | None = None
    git_secret: Annotated[str, Field(pattern=_LABEL)] | None = None
    token_secrets: dict[Annotated[str, Field(pattern=_DNS_NAME)], Annotated[str, Field(pattern=_LABEL)]] = Field(
        default_factory=dict
    )
    concurrency: Concurrency = "Forbid"
    start_within: Annotated[Duration, Field(ge=60)] = 3600
    history: History = History()
    api_server: ApiServer = ApiServer()
    network: Network = Network()
    images: Text | None = None
    operators: tuple[Operator, ...] = ()
    quota: Quota = Quota()
    scheduler: SchedulerPods = SchedulerPods()
