"""What the clients answer is what the same functions answer here, by both clients, whatever the pages."""

import json
from datetime import UTC, datetime

import msgspec
import pytest

from orchestrator.api import lists
from orchestrator.api import results as results_api
from orchestrator.api.json_documents import findings_document, rows_document
from orchestrator.api.plan import read_ledger
from orchestrator.client.clients import AsyncServiceClient, ServiceClient
from orchestrator.errors import NotKnownError, UsageError
from orchestrator.model import Severity
from orchestrator.queries.choice import Choice
from orchestrator.queries.difference import Difference
from orchestrator.queries.holders import merged_rows

CHOICES = (
    None,
    Choice(severity=Severity.HIGH),
    Choice(owner="shop", suppressed=True),
    Choice(kinds=("vulnerability", "secret"), fixable=True),
    Choice(target="registry.example/shop/web:1", scan="general", package="log4j*", id="cve-2021-44228"),
)
COMPARED = (
    {},
    {"run": "run-1"},
    {"since": datetime(2025, 3, 2, 12, tzinfo=UTC)},
    {"between": ("registry.example/shop/web:1", "registry.example/bank/api:1")},
)


def as_json(rows, coverage):
    """What a command would print: the rows' columns, and what they rest on."""
    return json.loads(msgspec.json.encode(findings_document(rows, coverage)))


@pytest.fixture(params=["waited", "awaited", "awaited, a row a page"])
def ask(request, client, asked):
    """A function of the service, by each client."""
    if request.param == "waited":

        def waited(method, *args, **kwargs):
            found = getattr(client, method)(*args, **kwargs)
            return list(found) if hasattr(found, "__next__") else found

        return waited
    page = 1 if "page" in request.param else 1_000
    return lambda method, *args, **kwargs: asked(method, *args, page=page, **kwargs)


def test_both_clients_have_the_same_methods():
    of = [{name for name in dir(kind) if not name.startswith("_")} for kind in (ServiceClient, AsyncServiceClient)]
    assert of[0] == of[1]
    assert len(of[0]) > 20


def test_runs(ask, config):
    here = results_api.list_results(config)
    assert len(here) == 2
    assert ask("list_results") == here
    assert ask("list_results", most=1) == here[:1]


@pytest.mark.parametrize("choice", CHOICES)
def test_findings(ask, config, choice):
    here = results_api.findings_now(config, choice)
    assert as_json(*ask("findings_now", choice)) == as_json(*here)
    assert {row.finding.key for row in ask("findings", choice)} == {row.finding.key for row in here[0]}


def test_findings_are_some(ask):
    rows, coverage = ask("findings_now", Choice(suppressed=True))
    assert len(rows) == 4
    assert rows[0].finding.severity is Severity.CRITICAL
    assert (
        str(coverage)
        == "covers 2 of 3 targets; nothing is known of 1: registry.example/shop/idle:1: general failed: timed out"
    )


@pytest.mark.parametrize("asked_for", [("CVE-2021-44228", ""), ("ghsa-*", ""), ("", "p*"), ("CVE-2025-1", "")])
def test_who_has(ask, config, asked_for):
    id_, package = asked_for
    here = merged_rows(results_api.find_holders(config, id_, package=package))
    assert here
    there, coverage = ask("holders_now", id_, package=package)
    assert as_json(there, coverage) == as_json(here, results_api.coverage(config, id_, package=package))


@pytest.mark.parametrize("sides", COMPARED)
def test_differences(ask, config, sides):
    here, rests = results_api.list_differences(config, **sides), results_api.compared(config, **sides)
    there = ask("list_differences", **sides)
    assert here

    def documents(rows):
        found = rows_document("differences", rows, Difference, rests)["differences"]
        return list(map(msgspec.json.encode, found))

    assert documents(there) == documents(here)
    assert ask("compared", **sides) == rests


def test_the_matrix(ask, config):
    assert tuple(ask("known_targets")) == lists.targets_page(config, Choice(), 0, 10).rows
    assert tuple(ask("cells", scan="general")) == lists.cells_page(config, Choice(scan="general"), (0, ""), 10).rows
    assert {cell.target for cell in ask("cells", outcome="failed")} == {"b", "c"}
    assert ask("workloads") == []
    assert ask("one_target", "a") == lists.one_target(config, "a")
    assert ask("suppressions") == lists.suppressions(config)
    assert ask("coverage", Choice(owner="bank")) == lists.coverage_of_choice(config, Choice(owner="bank"))


def test_a_run(ask, config):
    assert ask("read_ledger", "run-2") == read_ledger(config, "run-2")
    assert ask("status", "run-2").ended
    assert ask("follow", "run-2") == [ask("status", "run-2")]
    assert ask("cancel", "run-2") == ()


def test_what_nobody_knows_is_an_error(ask):
    with pytest.raises(NotKnownError, match="there is no run run-9"):
        ask("status", "run-9")
    with pytest.raises(NotKnownError, match="there is no target x"):
        ask("one_target", "x")
    for name in ("", ".", ".."):
        with pytest.raises(UsageError, match="is no name"):
            ask("status", name)
    with pytest.raises(NotKnownError):
        ask("findings_now", Choice(target="nothing"))
    with pytest.raises(UsageError, match="there is no 'made up'"):
        ask("findings_now", Choice(kinds=("made up",)))
