"""The sections of the general configuration: each key, its type, its default."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from orchestrator import model
from orchestrator.quantities import Duration, Size
from orchestrator.validation import Section

_DIGEST = re.compile(r"[a-z0-9]+:[0-9a-f]{32,}")
_HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?")
_LABEL = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"


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


Host = Annotated[str, AfterValidator(_host)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
PlatformName = Annotated[str, AfterValidator(_platform)]
ScanNames = Annotated[tuple[str, ...], BeforeValidator(_names)]
Text = Annotated[str, Field(min_length=1)]


class Git(Section):
    """A git repository that holds a file.

    Attributes:
        url: https, ssh (`ssh://…` or `user@host:path`) or file URL; never with a password in it.
        ref: branch, tag or commit.
    """

    url: Text
    ref: Text = "HEAD"


class Csv(Section):
    """A CSV of targets: a local file, or one in a git repository (then `path` is relative to its root)."""

    path: Text
    git: Git | None = None


class TargetSource(Section):
    """One source of targets: exactly one of `csv`, `image` and `archive`."""

    csv: Csv | None = None
    image: Text | None = None
    archive: Text | None = None
    scans: ScanNames = ()
    owner: str = ""
    labels: dict[str, Annotated[str, BeforeValidator(_text)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _exactly_one(self) -> TargetSource:
        given = [kind for kind in ("csv", "image", "archive") if getattr(self, kind) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none of them"
            raise ValueError(f"a target is exactly one of csv, image and archive; this has {found}")
        if self.csv and (self.scans or self.owner or self.labels):
            raise ValueError("scans, owner and labels of a csv are columns of that file, not keys here")
        return self


class Exclusion(Section):
    """Cells that shall not run: images by glob, scans by name (`*` for all), and why."""

    image: Text
    scans: ScanNames = ("*",)
    reason: Text


class Scans(Section):
    """Which scans there are and what they are told.

    Attributes:
        default: scans of a target that names none; `*` for all.
        templates: further template files, or folders of them.
        parameters: values by scan and parameter.
        exclude: cells that are skipped with a reason.
    """

    default: ScanNames = ("sbom", "image-lifetime", "root-user")
    templates: tuple[Text, ...] = ()
    parameters: dict[str, dict[str, Annotated[str, BeforeValidator(_text)]]] = Field(default_factory=dict)
    exclude: tuple[Exclusion, ...] = ()


class Cache(Section):
    """One pull-through cache.

    Attributes:
        upstream: registry it stands for, such as `docker.io`.
        url: where it answers, `http://host:port`.
        path: repository prefix within it; empty when it serves its upstream's own paths.
    """

    upstream: Host
    url: HttpUrl
    path: str = ""


class VolumeSection(Section):
    """The shared volume.

    Attributes:
        path: folder of the volume for the local engine, absolute once loaded.
        claim: PersistentVolumeClaim for Argo.
        budget: most bytes that tarballs may take at once.
        over_budget: what to do with a plan over the budget: `split` it into waves, or `refuse` it.
    """

    path: Path = Path("scanmatrix-data")
    claim: Annotated[str, Field(pattern=_LABEL)] = "scanmatrix"
    budget: Size = 100 * 1024**3
    over_budget: Literal["split", "refuse"] = "split"


class LimitsSection(Section):
    """Bounds of a run; see `orchestrator.model.Limits`."""

    images_in_flight: Annotated[int, Field(ge=1, le=1000)] = model.Limits().images_in_flight
    cells_in_flight: Annotated[int, Field(ge=1, le=1000)] = model.Limits().cells_in_flight
    cells_per_shard: Annotated[int, Field(ge=1, le=5000)] = model.Limits().cells_per_shard
    deadline: Annotated[Duration, Field(ge=1)] = model.Limits().deadline
    retries: Annotated[int, Field(ge=0, le=20)] = model.Limits().retries

    def document(self) -> model.Limits:
        """As the plan holds it."""
        return model.Limits(**self.model_dump())


class PolicySection(Section):
    """When a run is good enough; see `orchestrator.model.Policy`."""

    coverage: Annotated[float, Field(ge=0, le=100)] = 100.0
    severity: model.Severity | None = None
    warn_only: bool = False

    def document(self) -> model.Policy:
        """As the plan holds it."""
        return model.Policy(**self.model_dump())


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
    """Where results are kept beyond the volume; its URL may hold a password, so it is masked wherever it is shown."""

    url: SecretStr | None = None


class Local(Section):
    """What the local engine needs to know.

    Attributes:
        runner: how scanners are started: found on PATH or else in a container (`auto`), or only the one way.
    """

    runner: Literal["auto", "process", "container"] = "auto"


class Argo(Section):
    """What Argo needs to know.

    Attributes:
        namespace: where workflows run.
        service_account: of their pods; needs only what the executor needs.
        schedule: five-field cron of the rendered CronWorkflow; None renders none.
        timezone: IANA name for the schedule.
        registry_secret: `kubernetes.io/dockerconfigjson` Secret for the pull pods; None when the caches need none.
    """

    namespace: Annotated[str, Field(pattern=_LABEL)] = "scanmatrix"
    service_account: Annotated[str, Field(pattern=_LABEL)] = "scanmatrix"
    schedule: Annotated[str, Field(pattern=r"^\s*\S+(\s+\S+){4}\s*$")] | None = None
    timezone: Text = "Etc/UTC"
    registry_secret: Annotated[str, Field(pattern=_LABEL)] | None = None
