"""The general configuration: one YAML file, every key optional, any value overridable from the environment.

`load_config` reads the file, lays the environment over it and validates the whole; every mistake is reported at
once, with file and line or the name of the variable. `docs/configuration.md` explains each key to its users.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, field_validator

from orchestrator import model
from orchestrator.config.admission import AdmissionSection
from orchestrator.config.allow import Allow
from orchestrator.config.argo import Argo
from orchestrator.config.auth import AuthSection
from orchestrator.config.cache import CACHE, CacheSection
from orchestrator.config.described import ValueKind
from orchestrator.config.environment import overlay
from orchestrator.config.events import EventsSection
from orchestrator.config.exports import ExportsSection
from orchestrator.config.kinds import DURATION_SCHEMA, Duration, Host, PlatformName, Reference, Word, one_for_all
from orchestrator.config.limits import LIMITS, ConfiguredLimits
from orchestrator.config.local import Local
from orchestrator.config.metrics import MOST_METRICS, MetricSection
from orchestrator.config.notify import NotifySection
from orchestrator.config.policy import POLICY
from orchestrator.config.queue import QueueSection
from orchestrator.config.reuse import DatabasesSection
from orchestrator.config.sboms import SbomsSection
from orchestrator.config.scanners import ScannersSection
from orchestrator.config.scans import Scans
from orchestrator.config.schedule import ScheduleSection
from orchestrator.config.section import Section
from orchestrator.config.store import StoreSection
from orchestrator.config.suppression import SuppressionSection
from orchestrator.config.targets import TargetSelection, TargetSource
from orchestrator.config.validation import validate
from orchestrator.config.volume import VolumeSection
from orchestrator.kit.own import own_version
from orchestrator.kit.sources import Location, Problem, Source, SourceError
from orchestrator.kit.yaml_source import read_yaml
from orchestrator.model.ages import age_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_SMALLEST = "the smallest configuration is `targets: [{csv: {path: targets.csv}}]`"


_DURATIONS = {"type": "object", "additionalProperties": DURATION_SCHEMA}


class ConfigError(SourceError):
    """The configuration has mistakes; the message has one line for each, with file and line or variable."""


def default_image() -> str:
    """The orchestrator's own image when none is configured."""
    return f"localhost/scanmatrix:{own_version()}"


class Config(Section):
    """The whole configuration.

    Immutable; `model_copy(update={…})` gives a changed one.

    Attributes:
        targets: the sources of targets
        scans: the available scans and their parameters
        databases: how long scanners' databases are used, and those that you have ([scans.md](scans.md#databases))
        platforms: platforms wanted of a multi-platform image, `os/architecture[/variant]`; each found one is a target
            of its own
        cache: pull-through caches, at most one per upstream; registries without one are read directly
        insecure: registries (`host[:port]`) accessed without verifying TLS, or over plain HTTP if they do not support
            TLS, then without any credentials. Loopback hosts need no entry; they are read by plain HTTP
        volume: the shared volume
        limits: bounds of a run
        rescan_after: a scan with a good result younger than this is not repeated: its cell is `skipped` as fresh,
            unless the scan asks something else since ([planning.md](planning.md#what-fresh-means)). One duration
            applies to all scans; a mapping has one per scan, with `default` for the others. Without it everything is
            scanned always (`scanmatrix schedule`: after two weeks)
        sboms: SBOMs kept on the volume, from which scans are repeated without the image ([sboms.md](sboms.md))
        allow: images that may run, the short form of `admission`; without it all. Cells of others are `skipped` with
            the reason. At least one of the keys below
        admission: what may run at all: images by repository, tag, digest and signature, and what they may ask of the
            cluster ([admission.md](admission.md)). Without it, `allow` alone decides
        scanners: which scanners are trusted
        policy: when a run is good enough; otherwise its exit status is 1
        suppression: ignore rules and VEX documents ([suppression.md](suppression.md))
        exports: destinations of results
        notify: who is notified about changes ([notifications.md](notifications.md))
        store: the database of all results ([store.md](store.md))
        schedule: how `scanmatrix schedule` keeps results fresh ([scheduler.md](scheduler.md))
        auth: who may ask the service ([service-security.md](service-security.md))
        metrics: gauges of your own, which the service exposes beside its own ([api.md](api.md#metrics-probes-and-logs))
        events: events that start scans ([events.md](events.md))
        engine: what `scanmatrix run`, `status` and the other commands use: this machine, Argo Workflows in a cluster,
            or workers ([queue.md](queue.md))
        layout: shape of the Workflow: a pod for each cell, or one for each image ([scale.md](scale.md))
        image: the orchestrator's image, for pull, built-in scans and aggregation in the cluster:
            `localhost/scanmatrix:<version>`
        local: settings of the local engine, and of workers
        queue: how cells are handed to workers
        argo: settings of Argo
    """

    targets: tuple[TargetSource, ...] = ()
    scans: Scans = Scans()
    databases: DatabasesSection = DatabasesSection()
    platforms: Annotated[tuple[PlatformName, ...], Field(min_length=1)] = ("linux/amd64",)
    cache: tuple[Annotated[CacheSection, CACHE], ...] = ()
    insecure: tuple[Host, ...] = ()
    volume: VolumeSection = VolumeSection()
    limits: Annotated[ConfiguredLimits, LIMITS] = ConfiguredLimits()
    rescan_after: Annotated[
        dict[str, Duration],
        BeforeValidator(one_for_all),
        ValueKind("duration, or mapping of durations", {"anyOf": [DURATION_SCHEMA, _DURATIONS]}),
    ] = Field(default_factory=dict)
    sboms: SbomsSection = SbomsSection()
    allow: Allow | None = None
    admission: AdmissionSection | None = None
    scanners: ScannersSection = ScannersSection()
    policy: Annotated[model.Policy, POLICY] = model.Policy()
    suppression: SuppressionSection = SuppressionSection()
    exports: ExportsSection = ExportsSection()
    notify: NotifySection = NotifySection()
    store: StoreSection = StoreSection()
    schedule: ScheduleSection = ScheduleSection()
    auth: AuthSection = AuthSection()
    metrics: Annotated[tuple[MetricSection, ...], Field(max_length=MOST_METRICS)] = ()
    events: EventsSection = EventsSection()
    engine: Word = "local"
    layout: Literal["cell", "image"] = "cell"
    image: Reference = Field(default_factory=default_image)
    local: Local = Local()
    queue: QueueSection = QueueSection()
    argo: Argo = Argo()

    _base: Path = PrivateAttr(default_factory=Path.cwd)
    _path: Path | None = PrivateAttr(default=None)
    _source: Source = PrivateAttr(default_factory=lambda: Source("configuration", {}))
    _selection: TargetSelection = PrivateAttr(default_factory=TargetSelection)

    @field_validator("cache")
    @classmethod
    def _one_per_upstream(cls, value: tuple[CacheSection, ...]) -> tuple[CacheSection, ...]:
        upstreams = [cache.upstream for cache in value]
        if twice := sorted({upstream for upstream in upstreams if upstreams.count(upstream) > 1}):
            raise ValueError(f"more than one cache for {', '.join(twice)}")
        return value

    @field_validator("metrics")
    @classmethod
    def _named_apart(cls, value: tuple[MetricSection, ...]) -> tuple[MetricSection, ...]:
        names = [metric.name for metric in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"more than one metric is called {', '.join(twice)}")
        return value

    @property
    def base(self) -> Path:
        """The folder that relative paths start from: that of the file, or the working directory."""
        return self._base

    @property
    def path(self) -> Path | None:
        """The file itself; None for a configuration without one."""
        return self._path

    @property
    def file(self) -> str:
        """The file as the user named it, for messages."""
        return self._source.file

    @property
    def selection(self) -> TargetSelection:
        """Which targets are meant; empty for all that are configured."""
        return self._selection

    def selecting(self, selection: TargetSelection) -> Config:
        """The same, for some of the targets."""
        changed = self.model_copy()
        changed._selection = selection  # noqa: SLF001 - its own class
        return changed

    def problem(self, location: Location, message: str) -> Problem:
        """A mistake found later on (such as a scan that no template defines), at its place in the file."""
        return self._source.problem(location, message)

    def wrong(self, location: Location, message: str) -> Problem:
        """The same, with the whole name of its key before the message."""
        return self._source.wrong(location, message)

    def fresh_for(self, scan: str) -> int | None:
        """Seconds a result of this scan stays fresh; None when it is always scanned again."""
        return age_of(scan, self.rescan_after)


def load_config(path: Path | str, *, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration of a file, with the environment laid over it.

    Args:
        path: the YAML file; relative paths in it start from its folder.
        environment: instead of the process's own.

    Raises:
        ConfigError: the file cannot be read, or it or a variable has mistakes.
    """
    path = Path(path)
    try:
        source = read_yaml(path)
    except SourceError as error:
        problems = [
            Problem(one.file, one.line, f"{one.message}; {_SMALLEST}") if one.message == "is empty" else one
            for one in error.problems
        ]
        raise ConfigError(problems) from error
    if not isinstance(source.data, dict):
        raise ConfigError([source.problem((), f"the configuration must be a mapping of keys; {_SMALLEST}")])
    config = _build(source, path.absolute().parent, environment)
    config._path = path.absolute()  # noqa: SLF001 - its own module
    return config


def default_config(*, environment: Mapping[str, str] | None = None, **overrides: object) -> Config:
    """A configuration without a file: defaults, then the environment, then the overrides.

    Args:
        environment: instead of the process's own.
        overrides: values by the names of `Config`'s attributes, as plain data; relative paths start from the
            working directory.

    Raises:
        ConfigError: a variable or an override has mistakes.
    """
    return _build(Source("configuration", {}), Path.cwd(), environment, overrides)


def _build(
    source: Source, base: Path, environment: Mapping[str, str] | None, overrides: dict[str, Any] | None = None
) -> Config:
    """Environment and overrides over the source, all validated, paths made absolute."""
    source, problems = overlay(source, Config, os.environ if environment is None else environment)
    if overrides:
        names = {name: field.alias or name for name, field in Config.model_fields.items()}
        over = {names.get(name, name): value for name, value in overrides.items()}
        source = replace(source, data={**source.data, **over})
    config, invalid = validate(Config, source)
    if config is None or problems or invalid:
        raise ConfigError([*problems, *invalid])
    volume = config.volume.model_copy(update={"path": base / config.volume.path.expanduser()})
    config = config.model_copy(update={"volume": volume})
    config._base = base  # noqa: SLF001 - its own module
    config._source = source  # noqa: SLF001 - its own module
    return config
