"""What an event may ask for: the first rule that is about what was pushed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.kit.matching import any_glob
from orchestrator.receiving.messages import PushKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.config.events import EventRule
    from orchestrator.receiving.messages import Push


def rule_for(push: Push, sender: str, rules: Sequence[EventRule]) -> EventRule | None:
    """The rule by which a push is scanned; None where it is not to be."""
    return next((rule for rule in rules if _is_about(rule, push, sender)), None)


def _is_about(rule: EventRule, push: Push, sender: str) -> bool:
    if not any_glob((sender,), rule.senders):
        return False
    if push.kind is PushKind.REPOSITORY:
        return any_glob((push.name,), rule.repositories) and any_glob((push.tag,), rule.refs)
    is_tagged = any_glob((push.tag,), rule.tags) if push.tag else rule.untagged
    return is_tagged and any_glob((push.name,), rule.images)
