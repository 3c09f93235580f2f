"""A task that names a plugin: whether what it gives is right, and the plain task that it stands for.

Values are filled into the plugin's command by us, and never by a shell. In what Kubernetes fills in (`$(NAME)`), a
value that came with the event, or from a task, stands with each `$` doubled, so that it is never filled in itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from orchestrator.jobs.checks import clean_path
from orchestrator.jobs.inputs import judge_value
from orchestrator.jobs.json_paths import find_values
from orchestrator.jobs.matching import JobEventError, MatchedTask, TaskEnvironment, spelt_value
from orchestrator.kit.placeholders import fill, placeholders
from orchestrator.kit.sources import Problem, no_such, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.jobs.matching import JobEvent
    from orchestrator.jobs.model import JobConfiguration, JobTask
    from orchestrator.jobs.plugin_model import JobPlugin


class _Wrong(NamedTuple):
    key: str
    message: str


def judge_uses(configuration: JobConfiguration, plugins: Mapping[str, JobPlugin]) -> Iterator[Problem]:
    """What is wrong with the plugins that tasks name, and with what they give them, at its line.

    Args:
        configuration: the job configuration.
        plugins: those that there are, by name.
    """
    for action in configuration.actions:
        for task in action.tasks:
            for key, message in _judge_use(task, plugins):
                yield Problem(task.place.file, task.place.line_of(key), f"{task.place.named(key)}: {message}")


def plain_task(matched: MatchedTask, plugins: Mapping[str, JobPlugin], event: JobEvent) -> MatchedTask:
    """The task itself, with image and command; `plugin` still says which one it was made by.

    Args:
        matched: a task with its variables.
        plugins: those that there are, by name.
        event: what started it.

    Raises:
        JobEventError: there is no such plugin, or an input has no value, or a wrong one.
    """
    task = matched.task
    if task.plugin is None:
        return matched
    if wrong := next(_judge_use(task, plugins), None):
        raise JobEventError(f"{task.place.at(wrong.key)}: {task.place.named(wrong.key)}: {wrong.message}")
    plugin = plugins[task.plugin]
    given = _values(matched, plugin, event)
    filled = {name: value.replace("$", "$$") for name, value in given.items()}
    inputs = tuple(TaskEnvironment(name, value, is_foreign=True) for name, value in given.items())
    fixed = tuple(
        TaskEnvironment(name, fill(value, filled), is_foreign=False)
        for name, value in plugin.environment.items()
        if _has_all(value, filled)
    )
    others = tuple(variable for variable in matched.environment if variable.name not in plugin.inputs)
    return matched._replace(
        task=by_plugin(task, plugin, tuple(fill(word, filled) for word in plugin.command if _has_all(word, filled))),
        environment=(*inputs, *fixed, *others),
    )


def by_plugin(task: JobTask, plugin: JobPlugin, command: tuple[str, ...]) -> JobTask:
    """A task as its plugin has it run.

    Args:
        task: as it was written.
        plugin: that it names.
        command: the plugin's, filled in as far as that is known.
    """
    return replace(
        task,
        image=plugin.image,
        cmd=command,
        working_dir=plugin.working_dir,
        resources=task.resources or plugin.resources,
    )


def _judge_use(task: JobTask, plugins: Mapping[str, JobPlugin]) -> Iterator[_Wrong]:
    if task.plugin is None:
        return
    plugin = plugins.get(task.plugin)
    if plugin is None:
        yield _Wrong("plugin", no_such("plugin", task.plugin, plugins))
        return
    for name, value in task.values.items():
        if name not in plugin.inputs:
            known = ", ".join(plugin.inputs) or "it has none"
            yield _Wrong(f"with.{name}", f"no input of {plugin.name}{suggest(name, plugin.inputs)} ({known})")
        elif wrong := _judge_given(task, plugin, name, value):
            yield _Wrong(f"with.{name}", wrong)
    yield from _judge_variables(task, plugin)
    yield from _judge_left_out(task, plugin)
    if plugin.needs_kubernetes_api_access and not task.enable_kubernetes_api_access:
        yield _Wrong(
            "enableKubernetesApiAccess", f"{plugin.name} needs a token for the API of Kubernetes; write true here"
        )


def _judge_left_out(task: JobTask, plugin: JobPlugin) -> Iterator[_Wrong]:
    given = {*task.values, *(variable.name for variable in task.env)}
    for name, wanted in plugin.inputs.items():
        if name in given:
            continue
        if wanted.required and wanted.event is None:
            yield _Wrong("with", f"{plugin.name} needs {name}: {wanted.description}")
        elif wanted.default is not None and (wrong := _judge_given(task, plugin, name, wanted.default)):
            yield _Wrong("files", f"{wrong}, or give another {name}")


def _judge_variables(task: JobTask, plugin: JobPlugin) -> Iterator[_Wrong]:
    """Only inputs may be given as variables: others could decide what the plugin's program does."""
    for index, variable in enumerate(task.env):
        key = f"env[{index}].name"
        if variable.value_from == "secret":
            yield _Wrong(key, f"a secret sets variables that are no inputs of {plugin.name}; run it as a task of yours")
        elif variable.name not in plugin.inputs:
            yield _Wrong(key, f"no input of {plugin.name}{suggest(variable.name, plugin.inputs)}")
        elif variable.name in task.values:
            yield _Wrong(key, "is given by 'with' as well; keep one of them")
        elif variable.value_from == "string" and (
            wrong := _judge_given(task, plugin, variable.name, variable.value or "")
        ):
            yield _Wrong(f"env[{index}].value", wrong)


def _judge_given(task: JobTask, plugin: JobPlugin, name: str, value: str) -> str:
    wanted = plugin.inputs[name]
    if wrong := judge_value(wanted, value):
        return wrong
    if wanted.type != "path":
        return ""
    path = clean_path(value)
    if any(path == each or path.startswith(f"{each}/") for each in task.files):
        return ""
    return f"{value!r} is not among the task's files; list it there"


def _values(matched: MatchedTask, plugin: JobPlugin, event: JobEvent) -> dict[str, str]:
    """The value of each input that has one, checked."""
    task = matched.task
    variables = {variable.name: variable.value for variable in matched.environment}
    found: dict[str, str] = {}
    for name, wanted in plugin.inputs.items():
        # What every task is given is never named as an input is.
        value = task.values.get(name, variables.get(name))
        if value is None and wanted.event is not None:
            value = _of_event(wanted.event, event)
        value = wanted.default if value is None else value
        if value is None:
            if wanted.required:
                raise JobEventError(f"{task.place.at()}: {plugin.name} needs {name}, which the event does not have")
            continue
        if wrong := _judge_given(task, plugin, name, value):
            raise JobEventError(f"{task.place.at()}: {name} of {plugin.name}: {wrong}")
        found[name] = clean_path(value) if wanted.type == "path" else value
    return found


def _of_event(path: str, event: JobEvent) -> str | None:
    found = find_values(path, event.document)
    if not found.is_one or not found.values or found.values[0] in (None, ""):
        return None
    return spelt_value(found.values[0])


def _has_all(word: str, values: Mapping[str, str]) -> bool:
    return all(name in values for name in placeholders(word))
