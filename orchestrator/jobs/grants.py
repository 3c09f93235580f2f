"""What an installation grants the tasks of jobs, beside what the policy decides: objects, namespaces, room."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.kit.matching import any_glob
from orchestrator.kit.quantities import parse_size, spell_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.config.jobs import JobsSection
    from orchestrator.jobs.model import JobTask


class NotGranted(NamedTuple):
    """What a task asks for and does not get.

    Attributes:
        task: which.
        key: of the task.
        message: what it asks for, and what would grant it.
    """

    task: JobTask
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.task.place.at(self.key)}: {self.message}"


def not_granted(tasks: Sequence[JobTask], section: JobsSection, *, own: str, is_bounded: bool) -> Iterator[NotGranted]:
    """What the tasks of one action ask for and do not get.

    Args:
        tasks: all of them.
        section: says what tasks may have.
        own: the namespace of the installation.
        is_bounded: whether the policy has a bound for the size of folders.
    """
    for task in tasks:
        yield from _objects(task, section)
        if not is_bounded and task.empty_dir_size_limit:
            size, most = parse_size(task.empty_dir_size_limit), section.files_size
            if size > most:
                yield NotGranted(
                    task,
                    "emptyDirSizeLimit",
                    f"{spell_size(size)} for files is more than the {spell_size(most)} of events.jobs.filesSize;"
                    " admission.maximum.emptyDir may allow more",
                )
    wanted = {task.namespace or own: task for task in tasks}
    if len(wanted) > 1:
        message = f"the tasks of one action run in one namespace; these ask for {', '.join(sorted(wanted))}"
        yield NotGranted(tasks[0], "namespace", message)
    for name in wanted.keys() - {own, *section.namespaces}:
        message = f"tasks may not run in the namespace {name}; events.jobs.namespaces of the installation lists those"
        yield NotGranted(wanted[name], "namespace", f"{message} where they may")


def _objects(task: JobTask, section: JobsSection) -> Iterator[NotGranted]:
    """The Secrets and ConfigMaps that a task may not read."""
    for index, variable in enumerate(task.env):
        if variable.value_from == "secret":
            yield from _object(task, f"env[{index}].name", variable.name, section.secrets)
    for index, each in enumerate(task.env_from):
        if each.secret_ref:
            yield from _object(task, f"envFrom[{index}].secretRef.name", each.secret_ref.name, section.secrets)
        if each.config_map_ref:
            name, allowed = each.config_map_ref.name, section.config_maps
            yield from _object(task, f"envFrom[{index}].configMapRef.name", name, allowed, kind="ConfigMap")


def _object(
    task: JobTask, key: str, name: str, allowed: tuple[str, ...], *, kind: str = "Secret"
) -> Iterator[NotGranted]:
    if not any_glob((name,), allowed):
        listed = "secrets" if kind == "Secret" else "configMaps"
        message = f"the {kind} {name} is none that tasks may read; events.jobs.{listed} of the installation lists them"
        yield NotGranted(task, key, message)
