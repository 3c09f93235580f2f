"""Lists: pages that have each row once, filters, fields, cursors, and what an answer rests on."""

import time

import pytest

from orchestrator.api import results as results_api
from orchestrator.api.json_documents import plain
from orchestrator.queries.choice import Choice
from orchestrator.service.rest.caller import Caller, Role
from orchestrator.service.rest.cursors import CursorScheme
from orchestrator.service.rest.settings import ServeSettings
from tests.served import served
from tests.stored_runs import day, finding, write_run

LISTS = {
    "/api/v1/runs": "runs",
    "/api/v1/targets": "targets",
    "/api/v1/cells": "cells",
    "/api/v1/findings": "findings",
    "/api/v1/changes?run=run-2": "differences",
}


def every(client, path, name, limit=1):
    found, cursor, between = [], "", "&" if "?" in path else "?"
    while True:
        answer = client.get(f"{path}{between}limit={limit}&cursor={cursor}")
        assert answer.status_code == 200, answer.text
        assert len(answer.json()[name]) <= limit
        found += answer.json()[name]
        if not (cursor := answer.json()["next"]):
            return found


def test_pages_have_every_row_once_in_one_order(client):
    for path, name in LISTS.items():
        whole = client.get(path).json()
        assert whole["next"] == ""
        assert len(whole[name]) > 1
        assert every(client, path, name) == whole[name], path


def test_a_page_is_right_while_runs_end(client):
    first = client.get("/api/v1/findings?limit=1").json()
    state = client.app.state.service
    write_run(state.volume, "run-3", day(3), {"a/general": [finding(8), finding(9)], "d/general": [finding(1)]})
    state.kept.refresh()
    rest = client.get(f"/api/v1/findings?limit=100&cursor={first['next']}").json()["findings"]
    seen = [(row["target"], row["id"]) for row in (*first["findings"], *rest)]
    assert len(seen) == len(set(seen))
    assert ("d", "CVE-2025-1") in seen


def test_findings_are_those_of_the_command_line(client, config):
    found, _ = results_api.findings_now(config, Choice())
    listed = client.get("/api/v1/findings").json()["findings"]
    assert sorted((row["target"], row["id"]) for row in listed) == sorted((one.target, one.finding.id) for one in found)


FILTERS = {
    "id=cve-2021-44228": {"CVE-2021-44228"},
    "package=log4j*": {"CVE-2021-44228"},
    "severity=critical": {"CVE-2021-44228"},
    "fixable=true&target=b": {"CVE-2025-3"},
    "owner=bank&suppressed=true": {"CVE-2025-1", "CVE-2025-3"},
    "scan=virus": set(),
    "kind=secret": set(),
    "id=%27%3B%20DROP%20TABLE%20states%3B--": set(),
    "package=%3Cscript%3E": set(),
}


def test_filters(client):
    for asked, ids in FILTERS.items():
        answer = client.get(f"/api/v1/findings?{asked}")
        assert answer.status_code == 200, answer.text
        assert {row["id"] for row in answer.json()["findings"]} == ids, asked
        assert answer.json()["coverage"]["targets"] > 0


def test_an_empty_list_says_what_it_rests_on(client):
    answer = client.get("/api/v1/findings?target=c").json()
    assert answer["findings"] == []
    assert answer["coverage"] == {"targets": 1, "covered": 0}
    [unknown] = answer["unknown"]
    assert (unknown["target"], "timed out" in unknown["why"]) == ("c", True)


def test_what_nobody_knows_is_not_empty(client):
    for path in ("findings?target=nobody", "targets?owner=nobody", "cells?scan=nobody", "targets/x"):
        answer = client.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:scanmatrix:problem:not-found"), answer.text


def test_only_the_fields_that_are_asked_for(client):
    rows = client.get("/api/v1/findings?fields=id,severity").json()["findings"]
    assert all(set(row) == {"id", "severity"} for row in rows)
    assert client.get("/api/v1/findings?fields=id,nothing").status_code == 400


MADE_UP = (
    ("targets", CursorScheme("targets", {"choice": plain(Choice())}), 2**63),
    ("targets", CursorScheme("targets", {"choice": plain(Choice())}), 10**40),
    ("cells", CursorScheme("cells", {"choice": plain(Choice()), "outcome": ""}), (1, "a\0")),
    ("runs", CursorScheme("runs", {}), (-(2**70), "x")),
    ("workloads", CursorScheme("workloads", {}), 2**64),
)


@pytest.mark.parametrize(("path", "scheme", "position"), MADE_UP)
def test_a_cursor_made_up_by_who_knows_how_is_refused_where_no_database_takes_it(client, path, scheme, position):
    answer = client.get(f"/api/v1/{path}", params={"cursor": scheme.spell(position)})
    assert answer.status_code == 400, answer.text


def test_nul_is_refused_before_a_database_is_asked(client):
    for path in ("targets/a%00", "who-has?id=a%00", "runs/%00/ledger", "findings?package=%00"):
        assert client.get(f"/api/v1/{path}").status_code == 400, path


def test_a_cursor_of_another_question_or_a_made_up_one_is_refused(client):
    cursor = client.get("/api/v1/findings?limit=1").json()["next"]
    for path in ("findings?severity=high&", "findings?target=a&", "cells?", "targets?", "runs?", "changes?"):
        answer = client.get(f"/api/v1/{path}cursor={cursor}")
        assert (answer.status_code, answer.json()["type"]) == (400, "urn:scanmatrix:problem:bad-request"), path
    for made_up in ("1", "x" * 2000, "%F0%9F%98%80", cursor[::-1], cursor + "A"):
        assert client.get(f"/api/v1/findings?cursor={made_up}").status_code == 400, made_up


WRONG = """
findings?limit=0
findings?limit=1001
findings?limit=many
findings?severity=bad
findings?kind=bad
findings?fixable=perhaps
cells?outcome=bad
changes?since=yesterday
changes?since=2025-01-01
changes?run=run-2&since=2025-03-01T00:00:00Z
changes?status=bad
who-has
who-has?id=x&cursor=y
"""


def test_what_is_asked_wrongly_is_a_problem(client):
    for path in WRONG.split():
        answer = client.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), path


def test_runs_that_are_not_there(client):
    assert client.get("/api/v1/changes?run=nobody").status_code == 404
    for path in ("nobody", "nobody/ledger", "nobody/progress", "nobody/bom", "nobody/report", "..%2F..%2Fetc/ledger"):
        answer = client.get(f"/api/v1/runs/{path}")
        assert answer.status_code in {400, 404}, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/api/v1/runs/run-2/cells/..%2F..%2Fx/general/report").status_code in {400, 404}


class ShopOnly:
    async def identify(self, connection):
        return Caller("shop", Role.READ, frozenset({"shop"}))


CHANGES = (
    ("POST", "/api/v1/runs"),
    ("POST", "/api/v1/plan"),
    ("PUT", "/scan-results"),
    ("DELETE", "/scan-results/a"),
    ("POST", "/api/v1/runs/run-2/cancel"),
    ("POST", "/api/v1/runs/run-2/retry"),
)


def test_a_team_sees_its_own_targets_only(config):
    with served(config, guard=ShopOnly()) as client:
        assert {row["target"] for row in client.get("/api/v1/targets").json()["targets"]} == {"a", "c"}
        assert {row["target"] for row in client.get("/api/v1/cells").json()["cells"]} == {"a", "c"}
        assert {row["target"] for row in client.get("/api/v1/findings").json()["findings"]} == {"a"}
        assert client.get("/api/v1/coverage").json()["coverage"] == {"targets": 2, "covered": 1}
        who = client.get("/api/v1/who-has?id=CVE-2025-2").json()
        assert (who["findings"], who["count"]["value"]) == ([], 0)
        assert client.get("/api/v1/who-has?id=CVE-2025-3").json()["count"]["value"] == 0
        assert client.get("/api/v1/targets/b").status_code == 404
        assert client.get("/api/v1/targets/b/bom").status_code == 404
        ledger = client.get("/api/v1/runs/run-2/ledger").json()
        assert {row["target"] for row in ledger["rows"]} == {"a", "c"}
        assert "bank" not in client.get("/api/v1/changes?run=run-2").text
        for path in ("/metrics", "/api/v1/runs/run-2/bom", "/api/v1/runs/run-2/report", "/api/v1/suppressions"):
            assert client.get(path).status_code == 403, path
        for method, path in CHANGES:
            assert client.request(method, path, json={}).status_code == 403, path


def test_a_question_that_takes_too_long_is_ended(config):
    with served(config, ServeSettings(query_seconds=0.0001)) as client:
        answer = client.get("/api/v1/findings")
        assert (answer.status_code, answer.headers["retry-after"]) == (504, "5"), answer.text
        assert answer.json()["type"] == "urn:scanmatrix:problem:query-too-slow"


def test_metrics_are_of_routes_and_of_the_matrix(client):
    end = time.monotonic() + 60
    while "scanmatrix_targets " not in (text := client.get("/metrics").text):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert 'scanmatrix_findings{severity="critical"} 1.0' in text
    assert 'scanmatrix_cells{freshness="never",outcome="failed",scan="general"} 1.0' in text
    assert "scanmatrix_targets 3.0" in text
    assert "scanmatrix_targets_covered 2.0" in text
    assert "scanmatrix_series_dropped 0.0" in text
    client.get("/scan-results/registry.example%2Fa%3A1")
    timed = client.get("/metrics").text
    assert 'http_response_duration_seconds_count{method="GET",path="/scan-results/{imageId}"} 1.0' in timed
    assert "registry.example" not in timed
