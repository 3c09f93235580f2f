"""Hera builders: the only code that imports hera, and only when something is rendered.

text = render(plan, config)                        # YAML for `argo submit`
text = render(plan, config, kind=ManifestKind.TEMPLATE)  # the WorkflowTemplate
size = spec_bytes(plan, config, submitted=True)    # of the largest Workflow
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.workflows.kinds import ManifestKind

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.model import Plan

__all__ = ["ManifestKind", "render", "spec_bytes"]


def render(plan: Plan, config: Config, *, kind: ManifestKind = ManifestKind.WORKFLOW) -> str:
    """A plan as YAML, one document for each manifest; see `orchestrator.workflows.manifests.manifests`."""
    from orchestrator.workflows import manifests  # noqa: PLC0415 - imports hera

    return manifests.render(plan, config, kind=kind)


def spec_bytes(plan: Plan, config: Config, *, submitted: bool) -> int:
    """Bytes of the plan's largest Workflow; see `orchestrator.workflows.manifests.spec_bytes`."""
    from orchestrator.workflows import manifests  # noqa: PLC0415 - imports hera

    return manifests.spec_bytes(plan, config, submitted=submitted)
