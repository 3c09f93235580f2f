"""An answer says what it rests on, and what is not known is never an empty answer."""

import pytest

from orchestrator.errors import NotKnownError
from orchestrator.model import LedgerRow, Outcome
from orchestrator.queries.choice import Choice
from orchestrator.queries.coverage import coverage_of


def row(target, scan="general", outcome=Outcome.OK, **fields):
    names = {"references": (f"registry.example/shop/{target}:1.0",), "owners": (f"team-{target}",)}
    return LedgerRow(cell=f"{target}/{scan}", target=target, scan=scan, outcome=outcome, **(names | fields))


ROWS = [
    row("web"),
    row("web", "virus", Outcome.FAILED, reason="killed"),
    row("db", outcome=Outcome.FAILED, reason="killed"),
    row("db", "virus", Outcome.SKIPPED, reason="fresh", standing="r0"),
    row("job", outcome=Outcome.OK, suspect="distrusted"),
]
LOOKS_FOR = {"general": frozenset({"vulnerability"}), "virus": frozenset({"malware"})}


def covered(**choice):
    found = coverage_of("r1", ROWS, Choice(**choice), LOOKS_FOR)
    return found.targets, {each.target: each.why for each in found.unknown}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, (3, {"job": "general suspect"})),
        ({"scan": "general"}, (3, {"db": "general failed", "job": "general suspect"})),
        ({"scan": "vir*"}, (3, {"web": "virus failed", "job": "no scan of it looks for this"})),
        ({"kinds": ("malware",)}, (3, {"web": "virus failed", "job": "no scan of it looks for this"})),
        ({"kinds": ("secret",)}, (3, dict.fromkeys(("web", "db", "job"), "no scan of it looks for this"))),
        ({"target": "*/web*"}, (1, {})),
        ({"owner": "team-job"}, (1, {"job": "general suspect"})),
    ],
)
def test_what_is_known_of_what_is_asked_about(choice, expected):
    assert covered(**choice) == expected


@pytest.mark.parametrize(
    ("choice", "hint"),
    [
        ({"scan": "genral"}, "has no scan 'genral', did you mean 'general'"),
        ({"target": "shop/we"}, "has no target 'shop/we', did you mean 'registry.example/shop/web"),
        ({"target": "registry.example/shop/wbe:1.0"}, "did you mean 'registry.example/shop/web:1.0'"),
        ({"owner": "team-wbe"}, "has no owner 'team-wbe', did you mean 'team-web'"),
        ({"target": "nothing/like/it"}, "it has registry.example/shop/db"),
    ],
)
def test_a_name_that_is_not_there_is_said_with_the_one_that_may_be_meant(choice, hint):
    with pytest.raises(NotKnownError, match=hint):
        covered(**choice)


def test_the_sentence():
    assert str(coverage_of("r1", ROWS[:1], Choice())) == "covers 1 of 1 targets"
    assert str(coverage_of("r1", ROWS, Choice(), LOOKS_FOR)) == (
        "covers 2 of 3 targets; nothing is known of 1: registry.example/shop/job:1.0: general suspect"
    )
