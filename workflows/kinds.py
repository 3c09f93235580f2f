"""Which manifests can be rendered; by itself, so that naming one does not import Hera."""

from enum import StrEnum


class ManifestKind(StrEnum):
    """What `scanmatrix render` writes.

    Attributes:
        WORKFLOW: one self-contained Workflow for each shard, as `argo submit` takes it.
        TEMPLATE: the WorkflowTemplate of all scans, which plans in the cluster.
        SUBMISSION: a Workflow that brings its plan to the WorkflowTemplate.
        SCHEDULE: the CronWorkflow that starts the WorkflowTemplate.
    """

    WORKFLOW = "workflow"
    TEMPLATE = "template"
    SUBMISSION = "submission"
    SCHEDULE = "schedule"
