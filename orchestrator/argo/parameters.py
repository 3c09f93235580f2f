"""What is handed on within a Workflow: its parameters, the inputs and outputs of its templates, as Argo's expressions.

A name that is written into a manifest and read in a pod, or the other way round, is one of these.
"""

from __future__ import annotations

from enum import StrEnum

from orchestrator.config.file import CONFIG_FILE


class Parameter(StrEnum):
    """Parameters of the WorkflowTemplate.

    Attributes:
        PLAN: the packed plan; empty to plan in the cluster, or when the volume has it.
        RUN: id of the run; empty for the Workflow's own name.
        SHARD: number of the shard that the Workflow is; empty for the whole run.
        ONLY: an `orchestrator.argo.agreed.Only`.
        CONFIG_GIT: repository that holds the configuration; empty for the ConfigMap.
        CONFIG_REF: branch, tag or commit of it.
        CONFIG_PATH: file of the configuration.
    """

    PLAN = "plan"
    RUN = "run"
    SHARD = "shard"
    ONLY = "only"
    CONFIG_GIT = "config-git"
    CONFIG_REF = "config-ref"
    CONFIG_PATH = "config-path"


#: Parameters of the WorkflowTemplate with their defaults.
DEFAULTS = dict.fromkeys(Parameter, "") | {Parameter.CONFIG_REF: "HEAD", Parameter.CONFIG_PATH: CONFIG_FILE}


class Input(StrEnum):
    """Input parameters of templates.

    Attributes:
        TARGET: id of a target.
        SCANS: names of its scans, between commas.
        SERVER: of a repository, under which key the Secret of git has what its host gets.
        REPOSITORY: of a repository, as its host's API knows it.
        COMMIT: of a repository.
        SHARD: number of a shard.
        SHARDS: the shards to start, as JSON.
        RUN: id of the run.
        BATCH: number of a batch of cells that read stored SBOMs.
    """

    TARGET = "target"
    SCANS = "scans"
    SERVER = "server"
    REPOSITORY = "repository"
    COMMIT = "commit"
    SHARD = "shard"
    SHARDS = "shards"
    RUN = "run"
    BATCH = "batch"


class Output(StrEnum):
    """Output parameters of steps, and the names of the files that these write them to.

    Attributes:
        IMAGES: items of images, as JSON; see `items_output` for those of a set of scans.
        REPOSITORIES: items of repositories, as JSON.
        SHARDS: the shards that are Workflows of their own, as JSON: `[{"shard": "001"}]`.
        SHARDS_IN_TURN: the same where they run one after the other.
        SCANS: names of the scans whose databases are to be refreshed, between commas.
        LOAD: `true` when the scanner has to load the database that was fetched, `false` when not.
    """

    IMAGES = "images"
    REPOSITORIES = "repositories"
    SHARDS = "shards"
    SHARDS_IN_TURN = "shards-in-turn"
    SCANS = "scans"
    LOAD = "load"


#: Key of an item of `Output.SHARDS`.
SHARD_KEY = "shard"


def set_name(number: int) -> str:
    """Name of a set of scans that has a template of its own, by its number from 1."""
    return f"set-{number}"


def items_output(name: str = "") -> str:
    """The output parameter with the items of images, those of a set of scans where its name is given."""
    return f"{Output.IMAGES}-{name}" if name else str(Output.IMAGES)


def workflow(name: Parameter) -> str:
    """Argo's expression for a parameter of the Workflow."""
    return f"{{{{workflow.parameters.{name}}}}}"


def given(name: Input) -> str:
    """Argo's expression for an input parameter of the template."""
    return f"{{{{inputs.parameters.{name}}}}}"


def output(task: str, name: str) -> str:
    """Argo's expression for an output parameter of a task."""
    return f"{{{{tasks.{task}.outputs.parameters.{name}}}}}"


def item(key: str) -> str:
    """Argo's expression for a value of the item that a task runs for."""
    return f"{{{{item.{key}}}}}"


def contains(names: str, name: str) -> str:
    """Argo's condition that a list between commas, as `between_commas` makes it, holds a name."""
    return f"'{names}' =~ ',{name},'"


def between_commas(names: list[str] | tuple[str, ...]) -> str:
    """Names as one text in which each stands between commas."""
    return f",{','.join(names)},"


#: Name and uid of the Workflow itself, and how it ended.
WORKFLOW_NAME, WORKFLOW_UID, WORKFLOW_STATUS = "{{workflow.name}}", "{{workflow.uid}}", "{{workflow.status}}"
#: Id of a Workflow's run, as an expression: that of its parameter, or else its own name.
RUN_OF_WORKFLOW = f"workflow.parameters.{Parameter.RUN} == '' ? workflow.name : workflow.parameters.{Parameter.RUN}"
#: The same as a text that Argo fills in.
RUN_ID = f"{{{{={RUN_OF_WORKFLOW}}}}}"
