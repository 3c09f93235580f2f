"""Which pushes a rule is about."""

import pytest

from orchestrator.config.events import EventsSection
from orchestrator.receiving.messages import Push, PushKind
from orchestrator.receiving.rules import rule_for

RULES = EventsSection.model_validate({
    "rules": [
        {"name": "releases", "senders": "harbor", "images": "registry.example/shop/*", "tags": ["v*", "1.?"]},
        {"name": "bank", "images": ["registry.example/bank/*"], "untagged": True},
        {"name": "code", "repositories": "https://git.example/shop/*", "refs": "main"},
    ]
}).rules  # fmt: skip


@pytest.mark.parametrize(
    ("sender", "push", "rule"),
    [
        ("harbor", Push(PushKind.IMAGE, "registry.example/shop/web", "v2"), "releases"),
        ("harbor", Push(PushKind.IMAGE, "registry.example/shop/web", "1.4"), "releases"),
        ("harbor", Push(PushKind.IMAGE, "registry.example/shop/web", "latest"), None),
        ("quay", Push(PushKind.IMAGE, "registry.example/shop/web", "v2"), None),
        ("harbor", Push(PushKind.IMAGE, "registry.example/shop/web", "", "sha256:1"), None),
        ("quay", Push(PushKind.IMAGE, "registry.example/bank/api", "", "sha256:1"), "bank"),
        ("quay", Push(PushKind.IMAGE, "registry.example.evil/bank/api", "1"), None),
        ("github", Push(PushKind.REPOSITORY, "https://git.example/shop/web.git", "main"), "code"),
        ("github", Push(PushKind.REPOSITORY, "https://git.example/shop/web.git", "next"), None),
        ("github", Push(PushKind.REPOSITORY, "registry.example/bank/api", "main"), None),
    ],
)
def test_the_first_rule_about_it_holds(sender, push, rule):
    found = rule_for(push, sender, RULES)
    assert (found.name if found else None) == rule
