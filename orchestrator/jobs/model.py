"""What a job configuration says, as frozen types; `reading.py` makes them of `job/config.yaml`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from orchestrator.model.base import Document
from orchestrator.model.written import Written

#: Seconds that a task may run, and that its objects are kept afterwards, unless it says so itself.
POLL_DURATION, KEPT = 300, 21_600
#: The name of a plugin: one part, or two with a slash between them, as its file is in its folder.
PLUGIN_NAME = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?(/[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?)?$"
#: A shorter time to live counts as this, as in the original: logs are read after a task has ended.
LEAST_KEPT = 60

_Name = Annotated[str, Written("object name")]
_Text = Annotated[str, Written("value")]
_Cpus = Annotated[str, Written("CPUs")]
_Memory = Annotated[str, Written("memory")]
_Texts = dict[str, _Text]


class JobForm(StrEnum):
    """Which form a file has.

    V2: the form of `apiVersion: v2`.
    OLDER: an action has `event`, or what is to be run, itself; commands may be text.
    """

    V2 = "v2"
    OLDER = "older"


class JobPlace(Document, frozen=True):
    """Where something was written.

    Attributes:
        file: as messages name it.
        line: of the whole.
        lines: by the name of a key below it, with dots: `image`, `securityContext.privileged`, `env[0].name`.
        name: of the whole, as messages name it: `actions[0].tasks[1]`.
    """

    file: str
    line: int = 0
    lines: dict[str, int] = msgspec.field(default_factory=dict)
    name: str = ""

    def named(self, key: str) -> str:
        """The whole name of a key."""
        return f"{self.name}.{key}" if self.name else key

    def line_of(self, key: str = "") -> int:
        """The line of a key, or of what encloses it."""
        while key and key not in self.lines:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return self.lines[key] if key else self.line

    def at(self, key: str = "") -> str:
        """`file:line` of a key, or of what encloses it."""
        line = self.line_of(key)
        return f"{self.file}:{line}" if line else self.file


class JobJsonPath(Document, frozen=True):
    """What an event must say beside its name.

    Attributes:
        property: JSONPath of one value of the event, from `$` on, which is the whole event: `$.data.test.strategy`
        match: the text that must stand there; numbers, `true` and `false` of an event never match, and what is not
            there does not either
    """

    property: Annotated[str, Written("text")]
    match: _Text


class JobEventFilter(Document, frozen=True):
    """Which events start an action.

    Attributes:
        name: regular expression (RE2) that is looked for anywhere in the type of the event:
            `sh.keptn.event.*.triggered` matches `sh.keptn.event.test.triggered`, and `xsh.keptn…triggered.foo` as
            well; `^…$` for the whole type
        jsonpath: what the event must say beside
        is_whole: whether `name` is the type as a whole, and no expression, as in the older form.
    """

    name: Annotated[str, Written("text")]
    jsonpath: JobJsonPath | None = None
    is_whole: bool = False


class TaskVariable(Document, frozen=True):
    """One variable of a task's environment; or those of a secret.

    Attributes:
        name: of the variable; with `valueFrom: secret` the name of the secret, each key of which is a variable
        value_from: where its value comes from
        value: with `valueFrom: string` the value, in which Kubernetes fills in `$(NAME)`; with `valueFrom: event` the
            JSONPath of the value, from `$` on, which is the whole event
        formatting: with `valueFrom: event`: how what is no text is written; default: as JSON
    """

    name: Annotated[str, Written("text")]
    value_from: Literal["string", "event", "secret"]
    value: _Text | None = None
    formatting: Annotated[Literal["string", "json", "yaml"] | None, Written(key="as")] = None


class NamedObject(Document, frozen=True):
    """An object of Kubernetes, in the namespace of the task.

    Attributes:
        name: of the object
    """

    name: Annotated[str, Written("DNS name")]


class TaskVariables(Document, frozen=True):
    """Variables that a task gets from an object: one for each of its keys.

    Attributes:
        secret_ref: a secret
        config_map_ref: a ConfigMap
        prefix: what the names of the variables begin with
    """

    secret_ref: NamedObject | None = None
    config_map_ref: NamedObject | None = None
    prefix: str = ""


class TaskQuantities(Document, frozen=True):
    """Processors and memory.

    Attributes:
        cpu: as Kubernetes has it: `1`, `500m`
        memory: as Kubernetes has it: `512Mi`
    """

    cpu: _Cpus | None = None
    memory: _Memory | None = None


class TaskResources(Document, frozen=True):
    """Processors and memory of a task; what is left out is as the installation has it.

    Attributes:
        limits: the most it may use
        requests: what is reserved for it
    """

    limits: TaskQuantities | None = None
    requests: TaskQuantities | None = None


class TaskCapabilities(Document, frozen=True):
    """Capabilities of Linux.

    Attributes:
        add: given to it; refused unless the policy allows it
        drop: taken from it; `ALL` are without this
    """

    add: tuple[Annotated[str, Written("text")], ...] = ()
    drop: tuple[Annotated[str, Written("text")], ...] = ()


class TaskSeccomp(Document, frozen=True):
    """Which system calls it may make.

    Attributes:
        type: where the profile comes from
        localhost_profile: file of the node, with `type: Localhost`
    """

    type: Literal["RuntimeDefault", "Localhost", "Unconfined"]
    localhost_profile: Annotated[str, Written("text")] | None = None


class TaskSecurity(Document, frozen=True):
    """The security context of a task; what is left out is restricted. What is wider is judged by the policy.

    Attributes:
        capabilities: of Linux
        privileged: all rights on the node
        run_as_user: number of the user
        run_as_group: number of the group
        run_as_non_root: whether Kubernetes refuses to run it as root
        read_only_root_filesystem: whether only volumes can be written
        allow_privilege_escalation: whether it may get more rights than it has
        proc_mount: what of `/proc` is hidden from it
        seccomp_profile: which system calls it may make
    """

    capabilities: TaskCapabilities | None = None
    privileged: bool | None = None
    run_as_user: Annotated[int, Written(least=0, most=2**31 - 1)] | None = None
    run_as_group: Annotated[int, Written(least=0, most=2**31 - 1)] | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool | None = None
    allow_privilege_escalation: bool | None = None
    proc_mount: Literal["Default", "Unmasked"] | None = None
    seccomp_profile: TaskSeccomp | None = None


class EgressTo(Document, frozen=True):
    """Where a task may connect to.

    Attributes:
        cidr: a network: `203.0.113.0/24`, `2001:db8::/32`
        namespace: pods of a namespace of the cluster
        pods: of these only those with all these labels; without `namespace` those of the task's own
        ports: numbers of ports (TCP); all where there are none
    """

    cidr: Annotated[str, Written("text")] | None = None
    namespace: _Name | None = None
    pods: _Texts = msgspec.field(default_factory=dict)
    ports: tuple[Annotated[int, Written(least=1, most=65_535)], ...] = ()


class TaskNetwork(Document, frozen=True):
    """What a task may reach in the network; nothing may connect to it.

    Attributes:
        egress: where it may connect to; with a first one names are resolved as well. Without any: nowhere
    """

    egress: tuple[EgressTo, ...] = ()


class JobTask(Document, frozen=True):
    """One task: a container that is run, after those before it have succeeded.

    Attributes:
        name: for people; default: the plugin's, or `task 1` by its place
        image: what is run; instead of it `plugin`
        plugin: name of a plugin, which decides image and command ([plugins.md](plugins.md))
        values: what the plugin's inputs are, by their names
        files: files and folders of the configuration's repository that are under `/keptn` when it starts; each must be
            there
        image_pull_policy: as Kubernetes has it; default: its own
        cmd: program and first arguments, one list item each, instead of the image's own; Kubernetes fills in `$(NAME)`
        args: arguments; Kubernetes fills in `$(NAME)`
        env: variables. `KEPTN_PROJECT`, `KEPTN_STAGE`, `KEPTN_SERVICE` and `LABELS_…` of the event are there as well
        env_from: secrets and ConfigMaps whose keys are variables
        resources: processors and memory; what is left out is as the installation has it
        working_dir: absolute path of the folder it starts in; default: the image's own
        max_poll_duration: seconds that it may run; then it is ended, and has failed
        namespace: where it runs; default: that of the installation
        ttl_seconds_after_finished: how long its objects are kept, so that a failure can be looked at; less than 60
            counts as 60
        security_context: what is left out is restricted: no root, read-only root, no capabilities
        service_account: what it runs as; default: one without rights
        annotations: of its pod
        labels: of its pod
        network_policy: what it may reach; default: as the installation has it
        enable_kubernetes_api_access: whether it gets a token for the API of Kubernetes
        empty_dir_size_limit: room for its files under `/keptn`; the installation's limit is the most
        place: where it was written.
    """

    name: Annotated[str, Written("text")] = ""
    image: Annotated[str, Written("reference")] | None = None
    plugin: Annotated[str, Written(pattern=PLUGIN_NAME)] | None = None
    values: Annotated[_Texts, Written(key="with")] = msgspec.field(default_factory=dict)
    files: tuple[Annotated[str, Written("path")], ...] = ()
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    cmd: tuple[_Text, ...] = ()
    args: tuple[_Text, ...] = ()
    env: tuple[TaskVariable, ...] = ()
    env_from: tuple[TaskVariables, ...] = ()
    resources: TaskResources | None = None
    working_dir: Annotated[str, Written("absolute path")] | None = None
    max_poll_duration: Annotated[int, Written(least=1, most=604_800)] = POLL_DURATION
    namespace: _Name | None = None
    ttl_seconds_after_finished: Annotated[int, Written(least=0, most=2_592_000)] = KEPT
    security_context: TaskSecurity | None = None
    service_account: Annotated[str, Written("DNS name")] | None = None
    annotations: _Texts = msgspec.field(default_factory=dict)
    labels: _Texts = msgspec.field(default_factory=dict)
    network_policy: TaskNetwork | None = None
    enable_kubernetes_api_access: bool = False
    empty_dir_size_limit: _Memory | None = None
    place: JobPlace = JobPlace("")


class JobAction(Document, frozen=True):
    """What is done about some events.

    Attributes:
        name: for people; default: `action 1` by its place
        events: which events start it; the first that matches decides
        tasks: run in this order; when one fails the others are not started
        silent: nobody is sent events about it, not even that it failed
        place: where it was written.
    """

    events: Annotated[tuple[JobEventFilter, ...], Written(length=1)]
    tasks: Annotated[tuple[JobTask, ...], Written(length=1)]
    name: Annotated[str, Written("text")] = ""
    silent: bool = False
    place: JobPlace = JobPlace("")


class JobConfiguration(Document, frozen=True):
    """A whole `job/config.yaml`.

    Attributes:
        api_version: the form of the file
        actions: the first one that an event starts is run, beside the silent ones before it
        form: which form the file has.
    """

    actions: tuple[JobAction, ...]
    api_version: Literal["v2"] = "v2"
    form: JobForm = JobForm.V2
