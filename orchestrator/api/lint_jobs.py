"""A job configuration checked with the plugins and the policy of a configuration, without asking anybody.

What tasks ask of the cluster is judged by the very pods that they would be, where the configuration says that jobs run.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from orchestrator.admission.judging import AdmissionJudge, RegistryNotAskedError, for_tasks
from orchestrator.admission.request import AdmissionRequest
from orchestrator.api.jobs import plugins_of
from orchestrator.errors import UsageError
from orchestrator.images.reference import judge_reference
from orchestrator.jobs.grants import not_granted
from orchestrator.jobs.matching import JobEvent, MatchedTask
from orchestrator.jobs.order import JobFiles, JobOrder, OrderedTask
from orchestrator.jobs.plugin_use import by_plugin, judge_uses
from orchestrator.jobs.reading import read_job
from orchestrator.kit.quantities import spell_duration
from orchestrator.kit.sources import Problem, ProblemLevel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orchestrator.admission.rulings import Ruling
    from orchestrator.config.loading import Config
    from orchestrator.jobs.model import JobAction, JobTask
    from orchestrator.jobs.plugin_model import JobPlugin

#: Which key of a task a rule is about, where it is not the image.
_KEYS = {
    "admission.forbidden": "securityContext",
    "admission.maximum.cpu": "resources",
    "admission.maximum.memory": "resources",
    "admission.maximum.ephemeralStorage": "resources",
    "admission.maximum.emptyDir": "emptyDirSizeLimit",
    "admission.serviceAccounts": "serviceAccount",
    "admission.namespaces": "namespace",
}


def lint_job(path: Path, config: Config | None) -> Iterator[Problem]:
    """Its own mistakes and warnings, what tasks give to plugins, and what may not run whatever its signatures are.

    Args:
        path: the file.
        config: has further plugins, and the policy; None for the shipped plugins, and no policy.

    Raises:
        JobError: it has mistakes.
        PluginError: a plugin has.
    """
    found, plugins = read_job(path), plugins_of(config)
    yield from found.notes
    yield from judge_uses(found.configuration, plugins)
    for action in found.configuration.actions:
        for task in action.tasks:
            if task.image is not None and (wrong := judge_reference(task.image)):
                yield _at(task, "image", wrong)
            elif config is not None:
                yield from _judge(_with_image(task, plugins), config)
        yield from _not_granted(action, config)


def _not_granted(action: JobAction, config: Config | None) -> Iterator[Problem]:
    """What tasks ask for that the configuration does not list for them, or gives less of."""
    if config is None or config.events.jobs is None:
        return
    is_bounded = config.admission is not None and config.admission.maximum.empty_dir is not None
    for each in not_granted(action.tasks, config.events.jobs, own=config.argo.namespace, is_bounded=is_bounded):
        yield _at(each.task, each.key, each.message)
    longest = config.events.jobs.longest
    for task in action.tasks:
        if task.max_poll_duration > longest:
            message = f"is ended after {spell_duration(longest)}, by events.jobs.longest of the installation"
            yield dataclasses.replace(_at(task, "maxPollDuration", message), level=ProblemLevel.WARNING)


def _judge(task: JobTask, config: Config) -> Iterator[Problem]:
    """What a configuration says of a task; signatures are looked at when it is to run."""
    if task.image is None:
        return
    try:
        pod = _pod_of(task, config)
    except UsageError as error:
        yield _at(task, "", str(error).removeprefix(f"{task.place.at()}: "))
        return
    request = AdmissionRequest(
        what=task.name,
        image=task.image,
        kind="plugin" if task.plugin else "task",
        service_account=task.service_account or "",
        namespace=task.namespace or "",
    )
    for ruling in _rulings(config, request if pod is None else request.of_pod(pod)):
        if not ruling.passed:
            yield _at(task, _KEYS.get(ruling.rule, "plugin" if task.plugin else "image"), f"may not run by {ruling}")


def _rulings(config: Config, request: AdmissionRequest) -> tuple[Ruling, ...]:
    with AdmissionJudge(for_tasks(config) if config.events.jobs else config, offline=True) as judge:
        try:
            return judge.judge(request).rulings
        except RegistryNotAskedError:  # everything else allows it
            return ()


def _pod_of(task: JobTask, config: Config) -> dict[str, Any] | None:
    """The `spec` of the pod that a task would be; None where the configuration does not say how jobs run.

    Raises:
        UsageError: it could be none.
    """
    if config.events.jobs is None:
        return None
    from orchestrator.workflows.jobs import compiled

    secrets = tuple(variable.name for variable in task.env if variable.value_from == "secret")
    ordered = OrderedTask(MatchedTask(task, (), secrets, task.env_from), task.image or "")
    files = JobFiles(config.events.jobs.git.url, "0" * 40, ("",))
    namespace = task.namespace or config.argo.namespace
    order = JobOrder("lint", 0, "lint", False, JobEvent("", {}), "", "", (ordered,), files, namespace)
    return compiled(order, config).pods[0]


def _with_image(task: JobTask, plugins: Mapping[str, JobPlugin]) -> JobTask:
    """A task as it would run, but for the values of its plugin's inputs."""
    plugin = plugins.get(task.plugin) if task.plugin else None
    return by_plugin(task, plugin, plugin.command) if plugin else task


def _at(task: JobTask, key: str, message: str) -> Problem:
    name = task.place.named(key) if key else task.place.name
    return Problem(task.place.file, task.place.line_of(key), f"{name}: {message}")
