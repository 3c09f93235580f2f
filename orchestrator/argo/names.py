"""The labels by which the Workflows and pods of a run are found again."""

#: Of every Workflow and pod of a run: its id. The parent, its shards and later retries of a run all carry the same.
RUN = "scanmatrix/run"
#: Of a Workflow that is one shard of its run, and of its pods: the shard's number, from `001`.
SHARD = "scanmatrix/shard"
#: Of a pod: id of the target it works on.
TARGET = "scanmatrix/target"
#: Of a pod: name of its scan.
SCAN = "scanmatrix/scan"
#: Of a pod: which kind of step it is (`plan`, `database`, `load`, `pull`, `fetch`, `scan`, `online`, `image`,
#: `aggregate`, …).
COMPONENT = "app.kubernetes.io/component"
PART_OF = "app.kubernetes.io/part-of"
#: Value of `PART_OF`.
SCANMATRIX = "scanmatrix"
#: Set by Argo on every pod of a Workflow: the Workflow's name; and, an annotation, the id of its node.
ARGO_WORKFLOW = "workflows.argoproj.io/workflow"
ARGO_NODE_ID = "workflows.argoproj.io/node-id"


#: Value of `COMPONENT` of the one kind of cell that may use the network.
ONLINE_COMPONENT = "online"

#: Value of `COMPONENT` of the pods in which a scanner loads its database, without a network; and of the one kind that
#: has the scanner's image and a network, because our own code cannot fetch the database.
LOAD_COMPONENT, DATABASE_COMMAND = "load", "database-command"

#: Templates of the Workflow: what fetches a scan's database, and what loads it.
DATABASE_TEMPLATE, LOAD_TEMPLATE = "database-", "load-"
#: Templates of the Workflow: of a scan for images, for the files of repositories, and for the API of their host; the
#: name of the scan follows. Then those of what makes sure of a target's tarball.
SCAN_TEMPLATE, REPOSITORY_TEMPLATE, ONLINE_TEMPLATE = "scan-", "repository-", "online-"
PULL_TEMPLATE, FETCH_TEMPLATE = "pull", "fetch"


def scan_of(template: str) -> str:
    """Name of the scan that a template belongs to; empty for one of no scan."""
    prefixes = (SCAN_TEMPLATE, REPOSITORY_TEMPLATE, ONLINE_TEMPLATE)
    return next((template.removeprefix(prefix) for prefix in prefixes if template.startswith(prefix)), "")


def of_run(run: str) -> str:
    """Selector of everything that belongs to a run."""
    return f"{RUN}={run}"
