"""The names by which Workflows, their templates and the pods of a run are made and found again."""

from __future__ import annotations

from enum import StrEnum

from orchestrator.model import TargetKind

#: Of every Workflow and pod of a run: its id. The parent, its shards and later retries of a run all carry the same.
RUN = "scanmatrix/run"
#: Of a Workflow that is one shard of its run, and of its pods: the shard's number, from `001`.
SHARD = "scanmatrix/shard"
#: Of a pod: id of the target it works on.
TARGET = "scanmatrix/target"
#: Of a pod: name of its scan.
SCAN = "scanmatrix/scan"
#: Of a Workflow that an event started, and of its pods: the id of its job; of a pod the number of its task, from 1.
JOB, TASK = "scanmatrix/job", "scanmatrix/task"
#: Annotation of such a Workflow: what it is about, as JSON; see `orchestrator.argo.jobs`.
JOB_ORDER = "scanmatrix/job-order"
#: Of a pod: which kind of step it is, a `Component`.
COMPONENT = "app.kubernetes.io/component"
PART_OF = "app.kubernetes.io/part-of"
#: Value of `PART_OF`.
SCANMATRIX = "scanmatrix"
#: Set by Argo: on every pod of a Workflow the Workflow's name; on a Workflow of a schedule, the schedule's name; an
#: annotation of a pod, the id of its node.
ARGO_WORKFLOW = "workflows.argoproj.io/workflow"
ARGO_CRON = "workflows.argoproj.io/cron-workflow"
ARGO_NODE_ID = "workflows.argoproj.io/node-id"
#: Labels that Argo sets on a Workflow: its phase; and whether it has ended, `true` or `false`.
ARGO_PHASE, ARGO_COMPLETED = "workflows.argoproj.io/phase", "workflows.argoproj.io/completed"
#: Annotation of a pod, before the name of a container: the command by which Argo ends that container.
ARGO_KILL_COMMAND = "workflows.argoproj.io/kill-cmd-"

#: Of a cache's objects: its name.
CACHE = "scanmatrix/cache"
#: Annotations of pods that have to start again when the digest of what they read at their start changes.
CONFIGURATION_DIGEST, SETTINGS_DIGEST = "scanmatrix/configuration", "scanmatrix/settings"

#: The WorkflowTemplate's name; argo submit --from workflowtemplate/scanmatrix.
WORKFLOW_TEMPLATE = "scanmatrix"
#: The CronWorkflow that finishes runs which ended without their last step.
REAPER = "scanmatrix-reaper"
#: Annotation of the WorkflowTemplate: what `orchestrator.argo.binding.scan_digests` says of its scans, as JSON.
SCANS_ANNOTATION = "scanmatrix/scans"
#: ConfigMap with the configuration (key `scanmatrix.yaml`) for runs that plan in the cluster.
CONFIG_MAP = "scanmatrix-config"
#: ConfigMap in which the scheduler of a custom resource keeps its state, under this key; and its component.
STATE, STATE_KEY, STATE_COMPONENT = "scanmatrix-state", "state.json", "state"
#: ConfigMap that says how many online cells of a scan run at a time; its keys are names of their templates.
LIMITS = "scanmatrix-limits"

#: The container whose end is the end of its pod's node.
MAIN = "main"
#: The init container that makes cells ready for their scanners.
STAGE = "stage"
#: The container beside scanners that keeps their reports.
KEEP = "keep"
#: In the pod of a worker: the container that takes cells, and that of the scanner.
FEEDER, SCANNER = "feeder", "scanner"
#: The init container that fetches the files of a task, and the volume that they are in.
FILES = "files"
#: Containers that Argo makes itself, before and beside the others.
INIT, WAIT = "init", "wait"
ARGO_CONTAINERS = frozenset({INIT, WAIT})


#: How the volumes begin in which scanners write, and those with the files of layers or with SBOMs that they read, one
#: for each container; so do templates of scans' batches.
_SCRATCH_PREFIX, _LAYERS_PREFIX, _DATABASE_PREFIX = "scratch-", "layers-", "database-"
_SBOMS_PREFIX = "sboms-"


class Component(StrEnum):
    """Values of `COMPONENT`, by which network policies let pods out.

    Attributes:
        DATABASE: our own code fetches a scanner's database.
        DATABASE_COMMAND: the one kind of pod with a scanner's image and a network, because our own code cannot.
        LOAD: a scanner loads its database, without a network.
        FETCH: the commit of a repository is fetched.
        SCAN: a cell.
        ONLINE: the one kind of cell that may use the network.
        IMAGE: an image and all its scans, in one pod.
        JOB: a task of a job that an event started.
        WORKER: takes cells of one scan out of the queue, with the scanner beside it.
    """

    PLAN = "plan"
    DATABASE = "database"
    DATABASE_COMMAND = "database-command"
    LOAD = "load"
    PULL = "pull"
    FETCH = "fetch"
    SCAN = "scan"
    ONLINE = "online"
    IMAGE = "image"
    JOB = "job"
    SHARD = "shard"
    LEFT = "left"
    EVICT = "evict"
    AGGREGATE = "aggregate"
    RESULTS = "results"
    REAPER = "reaper"
    REPLACE = "replace"
    CACHE = "cache"
    SCHEDULER = "scheduler"
    SERVICE = "service"
    WORKER = "worker"


class TemplateName(StrEnum):
    """Templates of a Workflow of which there is one each.

    Attributes:
        MATRIX: the entry point.
        END: what follows a Workflow that did not succeed.
        IMAGE: an image whose item says which scans it gets.
        REPOSITORY: a repository, likewise.
        PULL: makes sure of an image's tarball.
        FETCH: makes sure of a repository's.
        SHARDS: all shards of a run, several at a time.
        SHARDS_IN_TURN: the same, one at a time.
        SHARD: one of them.
        LEFT: which cells of pods for whole images failed.
        RESULTS: prints the results of a run; an entry point of its own.
        REAP: finishes runs that ended without their last step; of a Workflow of its own.
        REPLACE: stops the older runs of the schedule.
        JOB: the tasks of a job, one after the other; of a Workflow of its own.
    """

    MATRIX = "matrix"
    END = "end"
    PLAN = "plan"
    IMAGE = "image"
    REPOSITORY = "repository"
    PULL = "pull"
    FETCH = "fetch"
    SHARDS = "shards"
    SHARDS_IN_TURN = "shards-in-turn"
    SHARD = "shard"
    LEFT = "left"
    EVICT = "evict"
    AGGREGATE = "aggregate"
    RESULTS = "results"
    REAP = "reap"
    REPLACE = "replace"
    JOB = "job"


_SCAN_PREFIX, _REPOSITORY_PREFIX, _ONLINE_PREFIX = "scan-", "repository-", "online-"
_DATABASE_PREFIX, _LOAD_PREFIX, _IMAGE_PREFIX = "database-", "load-", "image-"
_TASK_PREFIX = "task-"


def cell_template(scan: str, kind: TargetKind = TargetKind.IMAGE, *, online: bool = False) -> str:
    """The template of a scan: for images, for the files of repositories, or for the API of their host."""
    prefix = _SCAN_PREFIX if kind is TargetKind.IMAGE else _ONLINE_PREFIX if online else _REPOSITORY_PREFIX
    return f"{prefix}{scan}"


def scan_of(template: str) -> str:
    """Name of the scan that a template belongs to; empty for one of no scan."""
    return _behind(template, _SCAN_PREFIX, _REPOSITORY_PREFIX, _ONLINE_PREFIX)


def sboms_template(scan: str) -> str:
    """The template, and the task, of the cells of a scan that read stored SBOMs, a batch to a pod."""
    return f"{_SBOMS_PREFIX}{scan}"


def sboms_scan_of(template: str) -> str:
    """Name of the scan of such a template; empty for another one."""
    return _behind(template, _SBOMS_PREFIX)


def database_template(scan: str) -> str:
    """The template, and the task, that fetches a scan's database."""
    return f"{_DATABASE_PREFIX}{scan}"


def load_template(scan: str) -> str:
    """The template, and the task, in which a scanner loads what was fetched."""
    return f"{_LOAD_PREFIX}{scan}"


def database_of(template: str) -> str:
    """Name of the scan whose database a template fetches or loads; empty for another template."""
    return _behind(template, _DATABASE_PREFIX, _LOAD_PREFIX)


def image_template(name: str) -> str:
    """The template of the images that want just the scans of a set."""
    return f"{_IMAGE_PREFIX}{name}"


def is_image_template(template: str) -> bool:
    """Whether it is the template of a set of scans."""
    return template.startswith(_IMAGE_PREFIX)


def task_template(number: int) -> str:
    """The template of a task, by its place in the job from 1."""
    return f"{_TASK_PREFIX}{number}"


def task_of(template: str) -> int:
    """The number of the task that a template belongs to; 0 for another template."""
    number = _behind(template, _TASK_PREFIX)
    return int(number) if number.isdecimal() else 0


def scratch_of(container: str) -> str:
    """The volume that ends with its pod and holds all that the scanner of a container writes."""
    return f"{_SCRATCH_PREFIX}{container}"


def layers_of(container: str) -> str:
    """The volume that ends with its pod and holds the files of layers that the scanner of a container reads."""
    return f"{_LAYERS_PREFIX}{container}"


def sboms_of(container: str) -> str:
    """The volume that ends with its pod and holds the SBOMs that the scanner of a container reads."""
    return f"{_SBOMS_PREFIX}{container}"


def made_by(container: str) -> str:
    """The volume that ends with its pod and holds all that a command which makes a database writes."""
    return f"{_DATABASE_PREFIX}{container}"


def is_of_database(volume: str) -> bool:
    """Whether a volume is such a one."""
    return volume.startswith(_DATABASE_PREFIX)


def is_of_scanner(volume: str) -> bool:
    """Whether a volume is one of a scanner's own, which its cell's disk bounds."""
    return volume.startswith((_SCRATCH_PREFIX, _LAYERS_PREFIX, _SBOMS_PREFIX))


def shard_number(number: int) -> str:
    """A shard's number as labels, parameters and names have it."""
    return f"{number:03}"


def shards_template(workflow: str) -> str:
    """The WorkflowTemplate of the shards of a Workflow; an expression of Argo's may stand for its name."""
    return f"{workflow}-shards"


def of_run(run: str) -> str:
    """Selector of everything that belongs to a run."""
    return f"{RUN}={run}"


def _behind(text: str, *prefixes: str) -> str:
    return next((text.removeprefix(prefix) for prefix in prefixes if text.startswith(prefix)), "")
