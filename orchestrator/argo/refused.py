"""Workflows that left their run alone, because another one was at work on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.argo.agreed import Exit
from orchestrator.argo.attempts import AttemptKind, attempt_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.cluster.objects import Node

_MESSAGE = f"exit code {Exit.TAKEN:d})"


def is_refused(found: Mapping[str, Node]) -> bool:
    """Whether the plan step of a Workflow found its run taken: then it tells nothing of the run.

    Args:
        found: the nodes of the Workflow, by id.
    """
    plans = [node for node in found.values() if attempt_of(node, found).kind is AttemptKind.PLAN]
    return bool(plans) and all(node.phase == "Failed" and _was_taken(node) for node in plans)


def _was_taken(node: Node) -> bool:
    code = node.outputs.exit_code if node.outputs is not None else None
    return code == str(int(Exit.TAKEN)) or _MESSAGE in node.message
