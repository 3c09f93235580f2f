"""The contract: what is served is what is documented, and each operation answers as it says."""

import json
import re
import shutil
from pathlib import Path
from urllib.parse import quote

import jsonschema_rs
import pytest

from orchestrator.config.events import EventsSection
from orchestrator.config.limits import ConfiguredLimits
from orchestrator.service.rest import contract
from orchestrator.volume.layout import Volume
from tests.golden import check_golden
from tests.served import configured, served
from tests.unit.service.rest.test_scan_results import IMAGE, bom

EXAMPLES = Path(contract.__file__).with_name("examples.json")
DOCUMENT = Path(__file__).parents[4] / "docs" / "openapi.json"
_MOVING = (
    (re.compile(r"put-\d{8}-\d{6}-\d{6}-[0-9a-f]{6}"), "put-20251129-120000-000000-0a1b2c"),
    (re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{6}"), "20251129-120000-0a1b2c"),
    # Later than the runs on the volume: of what the test itself did.
    (re.compile(r"20(?:2[6-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)"), "2025-11-29T12:00:00Z"),
    # The filled volume's digests are of Python's hash, which is another one in each process.
    (re.compile(r"sha256:-?\d{5,20}(?=\")"), "sha256:" + "d" * 64),
    (re.compile(r"(?<=scanmatrix:)\d+\.\d+\.\d+"), "1.0.0"),
    (re.compile(r'(?<="version": ")\d+\.\d+\.\d+(?=")'), "1.0.0"),
)
SECRET = "0123456789abcdef"
WANTED = {"targets": ["127.0.0.1:1/shop/web:1"], "scans": ["root-user"]}
RESULT = f"/scan-results/{quote(IMAGE, safe='')}"


def asked(client):
    """Every operation once, with its answer."""
    put = {"imageId": IMAGE, "report": bom()}
    yield "put_scan_result", put, client.put("/scan-results", json=put)
    run = client.get("/api/v1/runs?limit=1").json()["runs"][0]["run"]
    target = client.get("/api/v1/targets?target=docker.io/library/alpine*").json()["targets"][0]["target"]
    for name, path in {
        "healthz": "/healthz",
        "readyz": "/readyz",
        "metrics": "/metrics",
        "list_scan_results": "/scan-results",
        "get_scan_result": RESULT,
        "list_runs": "/api/v1/runs?limit=2",
        "get_run": "/api/v1/runs/run-2",
        "get_run_progress": f"/api/v1/runs/{run}/progress",
        "get_run_ledger": "/api/v1/runs/run-2/ledger",
        "list_progress": "/api/v1/progress",
        "list_run_findings": "/api/v1/runs/run-2/findings?severity=high&limit=2",
        "get_run_highlights": "/api/v1/runs/run-2/highlights",
        "get_backlog": "/api/v1/backlog",
        "list_targets": "/api/v1/targets?owner=shop&limit=1",
        "get_target": "/api/v1/targets/b",
        "list_cells": "/api/v1/cells?scan=general&limit=2",
        "list_workloads": "/api/v1/workloads",
        "list_findings": "/api/v1/findings?severity=high&limit=2",
        "who_has": "/api/v1/who-has?id=CVE-2021-44228",
        "list_changes": "/api/v1/changes?run=run-2&limit=2",
        "list_suppressions": "/api/v1/suppressions",
        "get_coverage": "/api/v1/coverage",
        "get_run_bom": f"/api/v1/runs/{run}/bom",
        "get_run_report": f"/api/v1/runs/{run}/report",
        "get_target_bom": f"/api/v1/targets/{target}/bom",
        "get_cell_report": f"/api/v1/runs/{run}/cells/{target}/external/report",
    }.items():
        yield name, None, client.get(path)
    yield "make_plan", WANTED, client.post("/api/v1/plan", json=WANTED)
    submitted = client.post("/api/v1/runs", json=WANTED, headers={"Idempotency-Key": "build-4711"})
    yield "submit_run", WANTED, submitted
    carried = client.app.state.carried
    for thread, _ in tuple(carried._carried.values()):
        thread.join(60)
    of_it = f"/api/v1/runs/{submitted.json()['run']}"
    yield "cancel_run", None, client.post(f"{of_it}/cancel")
    yield "retry_run", None, client.post(f"{of_it}/retry")
    yield "delete_scan_result", None, client.delete(RESULT)
    event = {"specversion": "1.0", "id": "4711", "source": "/ci", "type": "io.scanmatrix.image.pushed"}
    event["data"] = {"image": "registry.example/shop/web:1.4"}
    kind = {"Content-Type": "application/cloudevents+json"}
    yield "send_events", event, client.post("/events", content=json.dumps(event), headers=kind)
    proof = {"Authorization": f"Bearer {SECRET}"}
    pushed = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "repository": "shop/api", "tag": "2"}
    told = {"events": [{"id": "1", "action": "push", "target": pushed, "request": {"host": "registry.example"}}]}
    yield "send_sender_events", told, client.post("/events/registry", json=told, headers=proof)
    hub = {"push_data": {"tag": "1.4", "pushed_at": 1795600000}, "repository": {"repo_name": "shop/web"}}
    yield "send_unsigned_events", hub, client.post(f"/events/hub/{SECRET}", json=hub)


@pytest.fixture(scope="module")
def answers(tmp_path_factory, _filled):
    root = tmp_path_factory.mktemp("contract") / "volume"
    shutil.copytree(_filled, root)
    senders = [{"name": "registry", "kind": "distribution"}, {"name": "hub", "kind": "docker-hub"}]
    rules = [{"name": "all", "images": ["registry.example/*", "docker.io/shop/*"]}]
    events = {"senders": [{**each, "secret": SECRET} for each in senders], "rules": rules, "settle": "1h"}
    config = configured(Volume(root), limits=ConfiguredLimits(retries=0), events=EventsSection.model_validate(events))
    with served(config) as client:
        yield {name: (body, answer) for name, body, answer in asked(client)}


def test_each_operation_answers_as_the_contract_says(answers):
    assert answers.keys() == contract.ANSWERS.keys()
    for name, (_, answer) in answers.items():
        status, kind, schema = contract.ANSWERS[name]
        assert answer.status_code == status, f"{name}: {answer.text[:500]}"
        assert answer.headers.get("content-type", "").partition(";")[0] == kind, name
        if kind.endswith("json"):
            whole = {**schema, "components": {"schemas": contract.schemas()}}
            jsonschema_rs.Draft202012Validator(whole).validate(answer.json())


def test_the_examples_are_real_answers(answers):
    found = {}
    for name, (body, answer) in answers.items():
        kind = contract.ANSWERS[name][1]
        example = {} if body is None else {"request": body}
        if kind == "application/json":
            example["response"] = answer.json()
        found[name] = example
    text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True)
    for moving, still in _MOVING:
        text = moving.sub(still, text)
    check_golden(EXAMPLES, text + "\n")


def test_what_is_served_is_what_is_documented(client):
    contract.examples.cache_clear()
    served_ = client.get("/api/v1/openapi.json").json()
    check_golden(DOCUMENT, json.dumps(served_, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    operations = [one for path in served_["paths"].values() for one in path.values()]
    assert {one["operationId"] for one in operations} >= contract.ANSWERS.keys()
    for one in operations:
        assert one["summary"], one["operationId"]
        assert one["description"], one["operationId"]
    assert served_["openapi"] == "3.1.0"
