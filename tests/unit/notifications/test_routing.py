"""Who is notified about what: routes, owners, contacts, and nothing that did not change."""

import pytest

from orchestrator.model import Name, Outcome, Plan, Severity, Target, Verdict, Violation
from orchestrator.notifications.owners import contacts_of
from orchestrator.notifications.routing import digest, route_names
from orchestrator.queries.earlier import Earlier
from tests.told import PLATFORM, SHOP, SLACK, SMTP, WEBHOOK, cell, difference, ledger, section, table

MAIL = {"email": {"to": "{contact}"}}
IMAGE = "docker.io/library/shop:1"


def told(routes, rows=(), *, cells=(), verdict=None, earlier=None, contacts=None, **keys):
    found = digest(
        section(*routes, **keys),
        ledger(*(cells or [cell()]), verdict=verdict),
        table(*rows),
        earlier=earlier or Earlier(),
        contacts=contacts,
    )
    assert not any(message.is_empty for message in found.messages)
    return found


def ids(changes):
    return [change.id for change in changes.shown]


def test_each_status_has_its_place():
    [message] = told(
        [SLACK],
        [
            difference("new", 1),
            difference("fixed", 2),
            difference("no longer scanned", 3),
            difference("still there", 4),
            difference("new", 5, run_before="", reference="docker.io/library/young:1"),
        ],
    ).messages
    assert (ids(message.new), ids(message.fixed), ids(message.gone)) == (["CVE-2025-1"], ["CVE-2025-2"], ["CVE-2025-3"])
    assert [one.target for one in message.first.shown] == ["docker.io/library/young:1"]
    assert message.new.shown[0].version == "3.0.2"
    assert message.fixed.shown[0].version == "3.0.1"


def test_some_of_several_that_came_or_went_are_reported():
    [message] = told(
        [SLACK],
        [
            difference("changed", 1, count_before=2, count_after=3),
            difference("changed", 2, count_before=2, count_after=1),
            difference("changed", 3, count_before=2, count_after=2),
            difference("changed", 4, count_before=2, count_after=3, suppressed_after="ignored"),
            difference("changed", 5, count_before=2, count_after=3, suppressed_before="ignored"),
        ],
    ).messages
    notes = {change.id: change.note for change in (*message.new.shown, *message.fixed.shown)}
    assert ids(message.new) == ["CVE-2025-1", "CVE-2025-3", "CVE-2025-5"]
    assert ids(message.fixed) == ["CVE-2025-2"]
    assert (notes["CVE-2025-1"], notes["CVE-2025-2"]) == ("2 before, 3 now", "2 before, 1 now")
    assert "ignored" in notes["CVE-2025-5"]
    assert {change.version for change in message.fixed.shown} == {"3.0.2"}


def test_nothing_changed_nothing_told():
    found = told([SLACK, WEBHOOK, MAIL], [difference("still there", n) for n in range(5)], smtp=SMTP)
    assert found.messages == ()
    assert found.untold_findings == 0


def test_what_is_suppressed_is_not_told_until_it_no_longer_is():
    rows = [
        difference("new", 1, suppressed_after="ignored"),
        difference("fixed", 2, suppressed_before="ignored"),
        difference("no longer scanned", 3, suppressed_before="ignored"),
        difference("still there", 4, suppressed_before="ignored", suppressed_after="ignored"),
        difference("still there", 5, suppressed_before="not_affected", suppressed_after=""),
    ]
    [message] = told([SLACK], rows).messages
    assert ids(message.new) == ["CVE-2025-5"]
    assert message.new.shown[0].note
    assert message.fixed.total == message.gone.total == 0


def test_the_first_run_of_all_is_a_summary():
    rows = [
        difference("new", n, reference=f"docker.io/library/t{n % 40}:1", run_before="", severity=severity)
        for n, severity in enumerate(["low", "critical"] * 500)
    ]
    [message] = told([SLACK], rows).messages
    assert message.new.total == 0
    assert (message.first.targets, message.first.total) == (40, 1000)
    assert message.first.severities == {"critical": 500, "low": 500}
    assert list(message.first.severities) == ["critical", "low"]
    assert len(message.first.shown) == 10
    assert all(one.severities == {"critical": 25} for one in message.first.shown)


def test_severity_and_topics():
    rows = [
        difference("new", 1, severity="critical"),
        difference("new", 2, severity="low"),
        difference("fixed", 3, severity="critical"),
        difference("new", 4, severity="low", run_before=""),
    ]
    found = told([SLACK | {"severity": "high", "about": ["new"]}], rows)
    assert ids(found.messages[0].new) == ["CVE-2025-1"]
    assert found.messages[0].fixed.total == found.messages[0].first.total == 0
    assert (found.untold_findings, found.unasked_findings) == (0, 3)


def test_owners_by_glob_and_those_that_nobody_owns():
    rows = [
        difference("new", 1),
        difference("new", 2, owners=[PLATFORM], reference="platform:1"),
        difference("new", 3, owners=[], reference="orphan:1"),
        difference("new", 4, owners=[SHOP, PLATFORM], reference="both:1"),
    ]
    routes = [
        SLACK | {"name": "shop", "owners": "shop@*"},
        SLACK | {"name": "platform", "owners": [PLATFORM]},
        SLACK | {"name": "orphans", "owners": "-"},
        SLACK | {"name": "all"},
    ]
    found = {message.route: sorted(ids(message.new)) for message in told(routes, rows).messages}
    assert found == {
        "shop": ["CVE-2025-1", "CVE-2025-4"],
        "platform": ["CVE-2025-2", "CVE-2025-4"],
        "orphans": ["CVE-2025-3"],
        "all": ["CVE-2025-1", "CVE-2025-2", "CVE-2025-3", "CVE-2025-4"],
    }
    untold = told(routes[:2], rows, cells=[cell(outcome=Outcome.FAILED, owners=())])
    assert (untold.untold_findings, untold.untold_cells) == (1, 1)


@pytest.mark.parametrize(
    ("contact", "owners", "to"),
    [
        ("team@example.com", [SHOP], ["team@example.com"]),
        ("#team-shop", [SHOP], [SHOP]),
        ("", [SHOP, "Shop Team", PLATFORM], [SHOP, PLATFORM]),
        ("team@elsewhere.example", [SHOP], [SHOP]),
        ("team@EXAMPLE.com", [], ["team@EXAMPLE.com"]),
        ("x@example.com\r\nBcc: y@example.com", [], []),
        ("#team-shop", ["Shop Team"], []),
    ],
)
def test_mail_to_contacts(contact, owners, to):
    found = told(
        [MAIL],
        [difference("new", 1, owners=owners)],
        contacts={IMAGE: dict.fromkeys(owners or ("",), (contact,))},
        smtp=SMTP,
    )
    assert [message.recipient for message in found.messages] == to
    assert found.untold_findings == (0 if to else 1)


def test_domains_of_contacts_may_be_widened():
    route = {"email": {"to": "{contact}", "domains": ["*.example", "example.com"]}}
    contacts = {IMAGE: {"team": ("team@elsewhere.example",)}}
    [message] = told([route], [difference()], contacts=contacts, smtp=SMTP).messages
    assert message.recipient == "team@elsewhere.example"


def test_each_contact_gets_its_own_part_and_fixed_addresses_all():
    rows = [difference("new", 1), difference("new", 2, owners=[PLATFORM], reference="platform:1")]
    route = {"email": {"to": ["{contact}", "security@example.com"]}}
    cells = [cell(outcome=Outcome.FAILED), cell(outcome=Outcome.FAILED, reference="platform:1", owners=(PLATFORM,))]
    verdict = Verdict(passed=False, broken=("coverage: 98 %",))
    found = told([route], rows, cells=cells, verdict=verdict, smtp=SMTP)
    by = {message.recipient: message for message in found.messages}
    assert {who: sorted(ids(message.new)) for who, message in by.items()} == {
        SHOP: ["CVE-2025-1"],
        PLATFORM: ["CVE-2025-2"],
        "security@example.com": ["CVE-2025-1", "CVE-2025-2"],
    }
    assert {who: message.failed.total for who, message in by.items()} == {
        SHOP: 1,
        PLATFORM: 1,
        "security@example.com": 2,
    }
    assert {who for who, message in by.items() if message.broken} == {"security@example.com"}


def test_channels_of_contacts():
    route = {"slack": SLACK["slack"] | {"channel": "{contact}"}}
    found = told([route], [difference(), difference(reference="other:1")], contacts={IMAGE: {"team": ("#team-shop",)}})
    assert [message.recipient for message in found.messages] == ["#team-shop"]
    assert found.untold_findings == 1


def test_only_cells_that_did_not_fail_before():
    cells = [
        cell("general", Outcome.FAILED),
        cell("virus", Outcome.FAILED, digest="sha256:" + "1" * 64, target="another"),
        cell("sbom"),
        cell("late", Outcome.SKIPPED),
    ]
    earlier = Earlier(failed=frozenset({(IMAGE, "linux/amd64", "virus")}))
    [message] = told([SLACK], cells=cells, earlier=earlier).messages
    assert [one.scan for one in message.failed.shown] == ["general"]
    assert (message.failed.total, message.failed.still) == (1, 1)
    assert told([SLACK], cells=cells[1:], earlier=earlier).messages == ()


def test_rules_are_reported_when_they_break_and_when_they_are_met_again():
    rules = (
        Violation(rule="coverage", message="coverage: 90 %", count=3),
        Violation(rule="kev", message="kev: 1", count=1),
    )
    verdict = Verdict(passed=False, broken=tuple(rule.message for rule in rules), rules=rules)
    earlier = Earlier(broken=frozenset({"coverage", "severity"}))
    [message] = told([SLACK], verdict=verdict, earlier=earlier).messages
    assert [rule.rule for rule in message.broken] == ["kev"]
    assert (message.still_broken, message.mended) == (("coverage",), ("severity",))
    assert told([SLACK], verdict=verdict, earlier=Earlier(broken=frozenset({"coverage", "kev"}))).messages == ()
    assert told([SLACK | {"owners": [SHOP]}], verdict=verdict).untold_rules == 2


def test_the_same_finding_in_many_targets_is_one_line():
    rows = [difference("new", 1, reference=f"docker.io/library/t{n}:1") for n in range(300)]
    rows += [difference("new", n, severity="low") for n in range(2, 40)]
    rows += [difference("new", 2, severity="critical", platform="linux/arm64")]
    [message] = told([SLACK], rows).messages
    first, second, *_ = message.new.shown
    assert (first.severity, first.targets) == (Severity.CRITICAL, (f"{IMAGE} (linux/arm64)",))
    assert (second.id, second.target_count, second.count) == ("CVE-2025-1", 300, 300)
    assert len(message.new.shown) == 10
    assert message.new.total == 339


def test_an_empty_table():
    assert told([SLACK]).messages == ()


def test_a_route_keeps_its_name_when_others_come_before_it():
    other = {"slack": {"url": "https://hooks.example.com/other"}}
    [name] = route_names(section(SLACK))
    assert route_names(section(other, SLACK))[1] == name
    assert "secret" not in name
    assert len(set(route_names(section(SLACK, SLACK | {"severity": "high"}, other, WEBHOOK)))) == 4


def test_contacts_come_from_the_plan():
    def plan(*names):
        target = Target(id="t", names=names)
        return Plan(run="r", created="2025-03-01T09:00:00Z", version="0", scans=(), targets=(target,), cells=())

    newer = plan(Name(reference="a", labels={"contact": " #a "}), Name(reference="a", labels={"contact": "a@x.org"}))
    older = plan(Name(reference="a", labels={"contact": "old@x.org"}), Name(reference="b", labels={"contact": "#b"}))
    assert contacts_of([newer, older]) == {"a": {"": ("#a", "a@x.org")}, "b": {"": ("#b",)}}


def test_two_owners_of_one_name_have_their_own_contacts():
    names = tuple(Name(reference=IMAGE, owner=of, labels={"contact": f"{of}@acme.example"}) for of in ("shop", "pay"))
    plan = Plan(
        run="r",
        created="2025-03-01T09:00:00Z",
        version="0",
        scans=(),
        targets=(Target(id="t", names=names),),
        cells=(),
    )
    rows = [difference("new", 1, owners=("shop", "pay"))]
    for owners, to in ((["shop"], {"shop"}), (["pay"], {"pay"}), (["*"], {"shop", "pay"})):
        route = {"owners": owners, "email": {"to": ["{contact}"], "domains": ["acme.example"]}}
        found = told([route], rows, contacts=contacts_of([plan]), smtp=SMTP)
        assert {message.recipient for message in found.messages} == {f"{one}@acme.example" for one in to}
