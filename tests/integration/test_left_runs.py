"""Runs that ended without their last step, by the real client over HTTP: what the cluster still knows of them, and what
an engine whose volume is mounted makes of a run that disappears while it is followed.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from kubernetes.config import kube_config

from orchestrator.argo.binding import scan_digests
from orchestrator.argo.names import RUN, SCANS_ANNOTATION, WORKFLOW_TEMPLATE
from orchestrator.cluster.client import Cluster
from orchestrator.config.loading import default_config
from orchestrator.engines.argo import engine as engines
from orchestrator.engines.argo import output
from orchestrator.engines.argo.engine import ArgoEngine
from orchestrator.engines.interface import EngineError, Silent
from orchestrator.model import CellRecord, Outcome, Plan
from orchestrator.model.documents import encode
from orchestrator.results.ledger import read_ledger
from orchestrator.steps.aggregate import aggregate
from orchestrator.steps.ending import finish_left
from orchestrator.upkeep.claims import RunClaim, claims
from orchestrator.upkeep.plans import write_plan
from orchestrator.volume.layout import Volume, write_atomic
from tests.aggregation import CLEAN, make_plan, put_record, put_report
from tests.integration.kube_api import KubeApi, serve


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeApi]:
    with serve(tmp_path) as (served, kubeconfig):
        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
        yield served


@pytest.fixture
def cluster(api: KubeApi) -> Iterator[Cluster]:
    with Cluster("scanmatrix", patience=0.5) as found:
        yield found


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


def begun(volume: Volume, name: str = "run-1") -> Plan:
    """A run whose Workflow claimed it; one cell has a report, one began."""
    plan = make_plan()
    write_plan(plan, volume)
    claim = RunClaim(run=plan.run, workflow=name, uid=f"uid-{name}", namespace="scanmatrix", deadline=3600)
    write_atomic(volume.claim(plan.run), encode(claim))
    put_report(volume, plan, "app-1", "general", CLEAN["general"])
    put_record(volume, plan, "app-1", "virus", CellRecord(attempts=1, started="2025-03-01T10:00:00Z"))
    return plan


def node(scan: str, phase: str, message: str = "") -> dict:
    return {
        "id": f"x-{scan}", "type": "Pod", "templateName": f"scan-{scan}", "phase": phase, "message": message,
        "startedAt": "2025-03-01T10:00:00Z", "finishedAt": "2025-03-01T10:01:00Z",
        "inputs": {"parameters": [{"name": "target", "value": "app-1"}]},
    }  # fmt: skip


def workflow(phase: str, name: str = "run-1", *nodes: dict, **spec: str) -> dict:
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "labels": {RUN: "run-1"}},
        "spec": spec,
        "status": {"phase": phase, "nodes": {each["id"]: each for each in nodes}},
    }


def test_of_a_terminated_run_each_cell_says_what_its_node_knows(api, cluster, volume):
    plan = begun(volume)
    nodes = (node("general", "Succeeded"), node("virus", "Failed", "workflow shutdown with strategy:  Terminate"),
             node("sbom", "Failed", "main: Error (exit code 3)"))  # fmt: skip
    api.workflows = [workflow("Running", "run-1", *nodes, shutdown="Terminate")]
    assert list(finish_left(volume, cluster)) == []
    api.workflows[0]["status"]["phase"] = "Failed"
    pod = {
        "metadata": {"name": "p", "labels": {"workflows.argoproj.io/workflow": "run-1"}},
        "status": {"phase": "Running"},
    }
    api.pods = [pod]
    assert list(finish_left(volume, cluster)) == []
    api.pods = []
    assert len(list(finish_left(volume, cluster))) == 1
    rows = {row.scan: row for row in read_ledger(volume, plan.run).rows}
    assert rows["general"].outcome is Outcome.OK
    assert "cancelled" in rows["virus"].reason
    assert "exit code 3" in rows["sbom"].reason
    assert "cancelled" in rows["dependency"].reason or "terminated" in rows["dependency"].reason
    assert claims(volume) == ()


def test_a_refused_workflow_of_the_run_says_nothing_of_it(api, cluster, volume):
    plan = begun(volume)
    refused = {"id": "y", "type": "Pod", "templateName": "plan", "phase": "Failed", "outputs": {"exitCode": "4"}}
    api.workflows = [workflow("Failed", "second", refused)]
    list(finish_left(volume, cluster))
    rows = {row.scan: row for row in read_ledger(volume, plan.run).rows}
    assert "plan step" not in rows["dependency"].reason
    assert "was deleted" in rows["dependency"].reason
    engine = ArgoEngine(default_config(environment={}), volume, cluster)
    api.workflows = [workflow("Running"), workflow("Failed", "second", refused)]
    api.workflows[1]["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    assert engine.status("run-1").state == "running"


def ready(api: KubeApi, plan: Plan) -> None:
    digests = msgspec.json.encode(dict(scan_digests(plan.scans))).decode()
    template = {"metadata": {"name": WORKFLOW_TEMPLATE, "annotations": {SCANS_ANNOTATION: digests}}}
    api.others["workflowtemplates"] = [template]


def disappear(api: KubeApi) -> None:
    """The Workflow that is followed is deleted."""

    def watch() -> bytes:
        there = api.workflows.pop()
        return json.dumps({"type": "DELETED", "object": there}).encode() + b"\n"

    api._next_watch = watch  # type: ignore[method-assign]


def test_results_of_an_earlier_call_are_not_those_of_one_that_disappears(api, cluster, volume):
    plan = begun(volume)
    ready(api, plan)
    aggregate(plan, volume)
    before = read_ledger(volume, plan.run)
    disappear(api)
    ledger = ArgoEngine(default_config(environment={}), volume, cluster, mounted=True).run(plan, Silent())
    assert ledger != before
    assert any("was deleted" in row.reason for row in ledger.rows)
    assert claims(volume) == ()


def test_a_run_that_disappears_while_it_is_followed_gets_its_ledger_where_its_volume_is(api, cluster, volume):
    plan = begun(volume)
    ready(api, plan)
    engine = ArgoEngine(default_config(environment={}), volume, cluster, mounted=True)
    disappear(api)
    ledger = engine.run(plan, Silent())
    assert len(ledger.rows) == len(plan.cells)
    assert any("was deleted" in row.reason for row in ledger.rows)


def test_a_run_that_ended_without_its_last_step_and_cannot_be_finished_is_an_error(api, cluster, volume, monkeypatch):
    monkeypatch.setattr(engines, "_PATIENCE", 0)
    monkeypatch.setattr(engines, "_POLL", 0.01)
    plan = begun(volume)
    ready(api, plan)
    api.workflows = [workflow("Failed")]
    api.pods = [
        {
            "metadata": {"name": "p", "labels": {"workflows.argoproj.io/workflow": "run-1"}},
            "status": {"phase": "Running"},
        }
    ]
    with pytest.raises(EngineError, match="without a ledger"):
        ArgoEngine(default_config(environment={}), volume, cluster, mounted=True).run(plan, Silent())


def test_the_workflow_of_a_fetch_ends_before_it_is_deleted(api, cluster, volume, monkeypatch):
    monkeypatch.setattr(output, "_POLL", 0.01)
    monkeypatch.setattr(output, "_TO_END", 0.05)
    api.workflows = [workflow("Running", "x-o1")]
    output.take_away("x-o1", cluster)
    assert api.changes == [("PATCH", "x-o1"), ("DELETE", "x-o1")]
    api.workflows, api.changes = [workflow("Succeeded", "x-o2")], []
    output.take_away("x-o2", cluster)
    assert api.changes == [("DELETE", "x-o2")]
