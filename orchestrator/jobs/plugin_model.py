"""A plugin: a task whose image and command are fixed, and only whose inputs are chosen."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from orchestrator.jobs.model import PLUGIN_NAME, TaskResources
from orchestrator.model.base import Document
from orchestrator.model.written import Written


class PluginInput(Document, frozen=True):
    """A value that a task may give to a plugin.

    Attributes:
        type: `text`, `path` (a file or folder that the task lists in `files`), `url` (`http` or `https`), `integer`,
            `number` or `boolean` (`true`, `false`)
        description: one line for people
        required: whether the plugin does not run without it
        default: its value where the task gives none
        event: its value where the task gives none, as the JSONPath of it in the event; checked as any other
        pattern: regular expression (RE2) that the whole value matches
        values: the only values that there are
        least: of a number
        most: of a number
    """

    description: Annotated[str, Written("text")]
    type: Literal["text", "path", "url", "integer", "number", "boolean"] = "text"
    required: bool = False
    default: Annotated[str, Written("value")] | None = None
    event: Annotated[str, Written("text")] | None = None
    pattern: Annotated[str, Written("text")] | None = None
    values: tuple[Annotated[str, Written("value")], ...] = ()
    least: Annotated[float, Written(least=-1e15, most=1e15)] | None = None
    most: Annotated[float, Written(least=-1e15, most=1e15)] | None = None


class JobPlugin(Document, frozen=True):
    """A plugin, defined by one file.

    Attributes:
        name: the path of its file in the folder of plugins, without `.yaml`: `keptn-contrib/helm-deploy-job`
        description: one line for people
        image: what is run, by digest
        command: program and arguments. `{INPUT}` stands for the value of an input; an argument with an input that has
            no value is left out
        inputs: what a task may say, by name; each is a variable of the environment as well
        environment: further variables, with `{INPUT}` likewise
        working_dir: absolute path of the folder it starts in; default: the image's own
        resources: processors and memory of tasks that say nothing of them
        needs_kubernetes_api_access: whether it works only with a token for the API of Kubernetes; tasks must then say
            `enableKubernetesApiAccess: true` themselves
    """

    name: Annotated[str, Written(pattern=PLUGIN_NAME)]
    description: Annotated[str, Written("text")]
    image: Annotated[str, Written("pinned reference")]
    command: Annotated[tuple[Annotated[str, Written("value")], ...], Written(length=1)]
    inputs: dict[str, PluginInput]
    environment: dict[Annotated[str, Written("variable")], Annotated[str, Written("value")]] = msgspec.field(
        default_factory=dict
    )
    working_dir: Annotated[str, Written("absolute path")] | None = None
    resources: TaskResources | None = None
    needs_kubernetes_api_access: bool = False
