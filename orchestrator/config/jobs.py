"""The section `events.jobs`: where the jobs that events start are configured, and what they may take."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from orchestrator.config.described import OrOne, ValueKind
from orchestrator.config.kinds import Cpus, Duration, Glob, Memory, Name, PathText, Size
from orchestrator.config.section import Section
from orchestrator.config.targets import GitSection

#: What stands in a folder of the look-up for what the event is about.
PLACEHOLDERS = ("project", "stage", "service")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_MEBIBYTE = 1024**2


def _lookup(value: str) -> str:
    """A folder of the look-up: relative, and only with placeholders that there are."""
    if value.startswith("/") or value.endswith("/") or ".." in value.split("/"):
        raise ValueError(f"{value!r} must be relative to the top of the repository, without '..' and '/' at its end")
    if unknown := [name for name in _PLACEHOLDER.findall(value) if name not in PLACEHOLDERS]:
        known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
        raise ValueError(f"{{{unknown[0]}}} stands for nothing; there are {known}")
    return value


def _path(value: str) -> str:
    if value.startswith("/") or value.endswith("/") or ".." in value.split("/") or not value:
        raise ValueError(f"{value!r} must be a file relative to its folder, without '..'")
    return value


_RelativeFile = Annotated[str, AfterValidator(_path), ValueKind("path", {"type": "string", "minLength": 1})]
_LookupFolder = Annotated[str, AfterValidator(_lookup), ValueKind("path", {"type": "string"})]
_Names = Annotated[tuple[Glob, ...], OrOne()]


class JobResourcesSection(Section):
    """Processors, memory and disk of a task, where it asks for none itself; what a task asks for may be more.

    Attributes:
        cpu: CPUs reserved for it
        memory: memory reserved for it
        cpu_limit: most CPUs
        memory_limit: most memory
        disk: most temporary files, under `/tmp`
    """

    cpu: Cpus = "50m"
    memory: Memory = "128Mi"
    cpu_limit: Cpus = "1"
    memory_limit: Memory = "512Mi"
    disk: Annotated[Size, Field(ge=1)] = 1024 * _MEBIBYTE


class JobsSection(Section):
    """Jobs that events start, as a `job/config.yaml` in git has them ([jobs-running.md](jobs-running.md)).

    Attributes:
        git: the repository with `job/config.yaml` and the files of tasks; a commit that an event names must be in the
            history of its `ref`
        path: the configuration, within the first folder that has it
        folders: where the configuration and each file is looked for, one after the other; `{project}`, `{stage}` and
            `{service}` stand for what the event is about, and a folder with one that the event lacks is left out; `""`
            is the top of the repository
        events: types of the events that may start jobs, as globs
        at_once: events whose jobs are under way at the same time, for each sender; more wait
        files_size: room for the files of a task that names none itself (`emptyDirSizeLimit`); more may be asked for up
            to `admission.maximum.emptyDir`, and without that nothing more
        resources: of a task that asks for none itself
        plugins: plugins of your own, beside the configuration: folders of them, or the file of one; in a cluster files
            only ([plugins.md](plugins.md#write-one))
        secrets: Secrets whose values tasks may get, as globs; none by default
        config_maps: ConfigMaps whose values tasks may get, as globs; none by default
        namespaces: where tasks may run beside `argo.namespace`
        longest: most that a task may take, whatever its `maxPollDuration`
    """

    git: GitSection
    path: _RelativeFile = "job/config.yaml"
    folders: Annotated[tuple[_LookupFolder, ...], Field(min_length=1, max_length=10)] = (
        "keptn-stages/{stage}/keptn-services/{service}",
        "keptn-stages/{stage}",
        "",
    )
    events: Annotated[tuple[Glob, ...], Field(min_length=1), OrOne()] = ("sh.keptn.event.*.triggered",)
    at_once: Annotated[int, Field(ge=1, le=1000)] = 10
    files_size: Annotated[Size, Field(ge=1, le=1024 * _MEBIBYTE)] = 20 * _MEBIBYTE
    resources: JobResourcesSection = JobResourcesSection()
    plugins: Annotated[tuple[PathText, ...], OrOne()] = ()
    secrets: _Names = ()
    config_maps: _Names = ()
    namespaces: tuple[Name, ...] = ()
    longest: Annotated[Duration, Field(ge=1, le=7 * 86400)] = 86400
