"""The truth from the cluster, by the real client over HTTP: records, then the ledger."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import msgspec
import pytest

from orchestrator.argo.names import ARGO_NODE_ID, ARGO_WORKFLOW, RUN, SHARD
from orchestrator.cluster.client import Cluster
from orchestrator.model import Cell, CellRecord, Limits, Name, Outcome, Plan, Scan, Target
from orchestrator.model.documents import encode, read
from orchestrator.steps.aggregate import aggregate
from orchestrator.steps.settle import MOST_LOGS, settle
from orchestrator.volume.layout import Volume
from tests.integration.kube_api import KubeApi
from tests.unit.argo.runs import recorded

REPORT = b'{"format": "scanmatrix/1", "scanner": {"name": "x"}, "findings": []}'


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def cluster(api: KubeApi) -> Iterator[Cluster]:
    with Cluster("scanmatrix", patience=0.5) as found:
        yield found


def make_plan(cells: list[tuple[str, str]], run: str = "everything", limits: Limits | None = None) -> Plan:
    names = dict.fromkeys(target for target, _ in cells)
    targets = tuple(
        Target(
            id=name, names=(Name(reference=f"r.example/{name}:1"),), digest=f"sha256:{number:064x}", pull="http://x/y"
        )
        for number, name in enumerate(names)
    )
    scans = dict.fromkeys(scan for _, scan in cells)
    return Plan(
        run=run,
        created="2026-11-21T02:50:00Z",
        version="0",
        scans=tuple(Scan(name=scan, image="x", command=("x",), format="scanmatrix") for scan in scans),
        targets=targets,
        cells=tuple(Cell(target=target, scan=scan) for target, scan in cells),
        limits=limits or Limits(),
    )


def put_run(api: KubeApi, name: str) -> None:
    """A recorded Workflow with its pods, labelled as Argo and we do."""
    data = recorded(name)
    api.workflows.append(data["workflow"])
    for pod in data["pods"]:
        pod["metadata"].setdefault("labels", {})[ARGO_WORKFLOW] = data["workflow"]["metadata"]["name"]
        api.pods.append(pod)
    api.events += data["events"]


def report(plan: Plan, volume: Volume, target: str, scan: str) -> None:
    folder = volume.cell(plan.run, target, scan)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_bytes(REPORT)


def record(plan: Plan, volume: Volume, target: str, scan: str, made: CellRecord | None = None) -> CellRecord:
    path = volume.record(plan.run, target, scan)
    if made is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(made))
    return read(path, CellRecord)


CELLS = [*(("t-all", scan) for scan in ("good", "exit", "memory", "no-image", "stage", "huge")), ("t-unpulled", "good"),
         ("t-set-mixed", "good"), ("t-set-mixed", "exit")]  # fmt: skip


@pytest.mark.parametrize("put", [Path.mkdir, Path.touch])
def test_a_cell_whose_record_cannot_be_written_costs_no_other_and_is_not_ok(put, api, cluster, volume):
    plan = make_plan([("t-all", "good"), ("t-all", "exit"), ("t-set-mixed", "good")])
    put_run(api, "everything")
    for cell in plan.cells:
        report(plan, volume, cell.target, cell.scan)  # the one that failed left one, too
    path = volume.record(plan.run, "t-all", "exit")
    put(path)
    if put is Path.mkdir:
        (path / "x").touch()
    settled = settle(plan, volume, cluster)
    ledger = aggregate(plan, volume, notes=settled.notes, unrecorded=settled.unrecorded)
    assert {row.cell: row.outcome for row in ledger.rows if row.outcome is Outcome.FAILED} == {
        "t-all/exit": Outcome.FAILED
    }
    (failed,) = (row for row in ledger.rows if row.outcome is Outcome.FAILED)
    assert "exit code 3" in failed.reason
    assert any("t-all/exit" in note for note in settled.notes) == (put is Path.mkdir)


def test_the_ledger_says_what_became_of_every_cell(api, cluster, volume):
    plan = make_plan(CELLS)
    put_run(api, "everything")
    pod = next(pod["metadata"]["name"] for pod in api.pods if "-scan-exit-" in pod["metadata"]["name"])
    executor = 'time="2026-11-21T02:51:18.1Z" level=info msg="sub-process exited" argo=true error="exit status 3"'
    api.logs[pod, "main"] = (
        "".join(f"line {n}\n" for n in range(99)) + f"cannot read\n{executor}\nError: exit status 3\n"
    )
    refresh = next(
        pod["metadata"]["name"] for pod in api.pods if "-database-exit-1733002296" in pod["metadata"]["name"]
    )
    api.logs[refresh, "refresh"] = "connecting\nthe mirror is away\n"
    for target, scan in CELLS:  # anybody who failed may have written one all the same
        report(plan, volume, target, scan)
    notes = settle(plan, volume, cluster).notes
    rows = {(row.target, row.scan): row for row in aggregate(plan, volume, notes=notes).rows}
    assert {key for key, row in rows.items() if row.outcome is Outcome.OK} == {
        ("t-all", "good"),
        ("t-set-mixed", "good"),
    }
    failed = rows["t-all", "exit"]
    assert "exit code 3" in failed.reason
    assert failed.log.splitlines()[-2:] == ["line 98", "cannot read"]
    assert len(failed.log.splitlines()) == 20
    assert "OOMKilled" in rows["t-all", "memory"].reason
    assert rows["t-all", "memory"].attempts == 2
    assert "docker.io/anchore/nothing-here:v1" in rows["t-all", "no-image"].reason
    assert "never scheduled" in rows["t-all", "huge"].reason
    assert "pull" in rows["t-unpulled", "good"].reason
    assert rows["t-unpulled", "good"].attempts == 0
    summary = (volume.results(plan.run) / "summary.md").read_text()
    assert "exit code 7" in summary  # of the database's refresh
    assert "the mirror is away" in summary
    assert "deadline" in summary


def test_settling_again_changes_nothing_even_when_logs_have_gone(api, cluster, volume):
    plan = make_plan(CELLS)
    put_run(api, "everything")
    for pod in api.pods:
        api.logs[pod["metadata"]["name"], "main"] = "it said so\n"
    settle(plan, volume, cluster)
    before = {cell: record(plan, volume, *cell) for cell in CELLS}
    stamps = {path: path.stat().st_mtime_ns for path in volume.run(plan.run).rglob("*.record.json")}
    api.logs.clear()
    settle(plan, volume, cluster)
    assert {cell: record(plan, volume, *cell) for cell in CELLS} == before
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_what_our_own_containers_wrote_in_this_attempt_stays(api, cluster, volume):
    plan = make_plan(CELLS)
    put_run(api, "everything")
    written = CellRecord(
        attempts=1, started="2026-11-21T02:51:15Z", finished="2026-11-21T02:51:19Z", error="its tarball is gone"
    )
    record(plan, volume, "t-all", "stage", written)
    record(
        plan, volume, "t-unpulled", "good", CellRecord(error="pull: no such manifest", finished="2026-11-21T02:51:00Z")
    )
    old = msgspec.structs.replace(written, finished="2026-11-20T02:51:19Z", error="something of yesterday", log="old")
    record(plan, volume, "t-all", "exit", old)
    settle(plan, volume, cluster)
    assert record(plan, volume, "t-all", "stage").error == "its tarball is gone"
    assert record(plan, volume, "t-unpulled", "good").error == "pull: no such manifest"
    assert "exit code 3" in record(plan, volume, "t-all", "exit").error
    assert record(plan, volume, "t-all", "exit").log == ""


def test_what_our_own_containers_could_only_say_is_the_reason_too(api, cluster, volume):
    plan = make_plan(CELLS)
    put_run(api, "everything")
    pull = next(pod["metadata"]["name"] for pod in api.pods if "-pull-" in pod["metadata"]["name"])
    api.logs[pull, "main"] = "something\nscanmatrix-step: /volume/blobs: no space\nError: exit status 75\n"
    settle(plan, volume, cluster)
    assert record(plan, volume, "t-unpulled", "good").error.endswith("/volume/blobs: no space")


def test_a_success_ends_the_record_of_an_earlier_failure(api, cluster, volume):
    plan = make_plan([("t-all", "good")])
    put_run(api, "everything")
    record(plan, volume, "t-all", "good", CellRecord(attempts=1, started="2026-11-21T01:00:00Z", error="no", log="x"))
    report(plan, volume, "t-all", "good")
    settle(plan, volume, cluster)
    found = record(plan, volume, "t-all", "good")
    assert (found.error, found.exit_code, found.log) == ("", 0, "")
    assert found.finished > found.started
    assert aggregate(plan, volume).count(Outcome.OK) == 1


def test_success_codes_without_zero_do_not_refuse_a_success(api, cluster, volume):
    plan = make_plan([("t-all", "good")])
    plan = msgspec.structs.replace(plan, scans=(msgspec.structs.replace(plan.scans[0], success_codes=(1,)),))
    put_run(api, "everything")
    report(plan, volume, "t-all", "good")
    settle(plan, volume, cluster)
    assert aggregate(plan, volume).count(Outcome.OK) == 1


@pytest.mark.parametrize("status", [403, 500])
def test_without_the_api_the_reports_tell_and_the_summary_says_so(api, cluster, volume, status):
    plan = make_plan(CELLS)
    put_run(api, "everything")
    api.faults["/workflows"] = status
    report(plan, volume, "t-all", "good")
    notes = settle(plan, volume, cluster).notes
    ledger = aggregate(plan, volume, notes=notes)
    assert ledger.count(Outcome.OK) == 1
    assert ledger.count(Outcome.FAILED) == len(CELLS) - 1
    assert str(status) in (volume.results(plan.run) / "summary.md").read_text() or status == 403
    assert len(notes) == 1


def test_without_events_reasons_say_less_but_are_there(api, cluster, volume):
    plan = make_plan(CELLS)
    put_run(api, "everything")
    api.faults["/events"] = 403
    settle(plan, volume, cluster)
    assert "nothing-here" in record(plan, volume, "t-all", "no-image").error
    assert "exit code 3" in record(plan, volume, "t-all", "exit").error


def test_logs_that_may_not_be_read_are_asked_for_a_few_times_only(api, cluster, volume):
    cells = [("t", f"s{number}") for number in range(60)]
    plan = make_plan(cells, run="many")
    put_many(api, "many", cells, "Failed")
    api.faults["/log$"] = 403
    notes = settle(plan, volume, cluster).notes
    assert api.asked["log"] <= 8
    assert len([note for note in notes if "log" in note]) == 1
    assert all("exit code 3" in record(plan, volume, *cell).error for cell in cells)


def test_one_workflow_that_cannot_be_read_costs_its_own_cells_only(api, cluster, volume):
    plan = make_plan(CELLS)
    put_run(api, "everything")
    api.workflows.insert(
        0, {"metadata": {"name": "bad", "labels": {RUN: plan.run}}, "status": {"compressedNodes": "e30="}}
    )
    notes = settle(plan, volume, cluster).notes
    assert "exit code 3" in record(plan, volume, "t-all", "exit").error
    assert any("bad" in note for note in notes)


def test_a_run_of_a_thousand_cells_in_shards_settles_in_seconds(api, cluster, volume):
    cells = [(f"t{number}", f"s{scan}") for number in range(250) for scan in range(4)]
    plan = make_plan(cells, run="large", limits=Limits(cells_per_shard=400))
    for number in range(3):
        part = [cell for index, cell in enumerate(cells) if index // 400 == number]
        if number < 2:
            put_many(api, f"large-{number + 1:03}", part, "Failed", run="large", labels={SHARD: f"{number + 1:03}"})
    shard = {"id": "x", "type": "Pod", "templateName": "shard", "phase": "Error", "message": "workflows is forbidden",
             "inputs": {"parameters": [{"name": "shard", "value": "003"}]}}  # fmt: skip
    api.workflows.append({"metadata": {"name": "large", "labels": {RUN: "large"}}, "status": {"nodes": {"x": shard}}})
    began = time.monotonic()
    notes = settle(plan, volume, cluster).notes
    took = time.monotonic() - began
    assert took < 60  # some seconds; the machine may be busy
    assert api.asked["log"] == MOST_LOGS
    assert any(str(800 - MOST_LOGS) in note for note in notes)
    assert sum("exit code 3" in record(plan, volume, *cell).error for cell in cells[:800]) == 800
    assert sum("003" in record(plan, volume, *cell).error for cell in cells[800:]) == 200


def put_many(
    api: KubeApi, name: str, cells: list[tuple[str, str]], phase: str, *, run: str = "", labels: dict | None = None
) -> None:
    nodes = {}
    for number, (target, scan) in enumerate(cells):
        id_ = f"{name}-{number}"
        nodes[id_] = {
            "id": id_, "type": "Pod", "templateName": f"scan-{scan}", "phase": phase,
            "message": "main: Error (exit code 3)",
            "startedAt": "2026-11-21T02:51:00Z", "finishedAt": "2026-11-21T02:52:00Z",
            "inputs": {"parameters": [{"name": "target", "value": target}]},
        }  # fmt: skip
        api.logs[f"pod-{id_}", "main"] = "it failed\n"
        api.pods.append({
            "metadata": {"name": f"pod-{id_}", "annotations": {ARGO_NODE_ID: id_}, "labels": {ARGO_WORKFLOW: name}},
            "status": {"phase": "Failed", "containerStatuses": [
                {"name": "main", "imageID": "x", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}]},
        })  # fmt: skip
    metadata = {"name": name, "labels": {RUN: run or name} | (labels or {})}
    api.workflows.append({"metadata": metadata, "status": {"phase": "Failed", "nodes": nodes}})


def test_a_cell_that_still_runs_is_left_to_its_own_containers(api, cluster, volume):
    plan = make_plan([("t", "a")], run="running")
    put_many(api, "running", [("t", "a")], "Running")
    record(plan, volume, "t", "a", CellRecord(attempts=1, started="2026-11-21T02:51:00Z"))
    before = volume.record(plan.run, "t", "a").stat().st_mtime_ns
    settle(plan, volume, cluster)
    assert volume.record(plan.run, "t", "a").stat().st_mtime_ns == before


def test_a_report_that_was_kept_before_what_keeps_reports_was_killed_counts(api, cluster, volume):
    plan = make_plan([("t-set-mixed", "good")])
    put_run(api, "everything")
    keeper = {"name": "keep", "state": {"terminated": {"exitCode": 137, "reason": "Error"}}}
    for pod in api.pods:
        if "-image-set-" in pod["metadata"]["name"]:
            pod["status"].setdefault("containerStatuses", []).append(keeper)
    (row,) = aggregate(plan, volume, notes=settle(plan, volume, cluster).notes).rows
    assert row.reason.startswith("its keep container was killed by signal 9")
    report(plan, volume, "t-set-mixed", "good")
    (row,) = aggregate(plan, volume, notes=settle(plan, volume, cluster).notes).rows
    assert (row.outcome, row.reason) == (Outcome.OK, "")


@pytest.mark.parametrize("known", [True, False])
def test_what_the_controller_knew_when_it_made_our_pod_is_waited_for(known, api, cluster, volume, monkeypatch):
    """It makes the pod that aggregates first, and writes down afterwards that a scanner was killed."""
    plan = make_plan([("t-all", "memory")])
    put_run(api, "everything")
    report(plan, volume, "t-all", "memory")
    (workflow,) = api.workflows
    after = workflow["status"]["nodes"]
    before = {
        id_: each | {"phase": "Running", "message": "", "finishedAt": None} if each["phase"] == "Failed" else each
        for id_, each in after.items()
    }
    workflow["status"]["nodes"] = before
    record(plan, volume, "t-all", "memory", CellRecord(attempts=1, started="2026-11-21T02:51:00Z"))
    monkeypatch.setattr("orchestrator.steps.settle._POLL", 0.05)
    own = Timer(0.4, lambda: workflow["status"].update(nodes=after | {"own": {"id": "own", "type": "Pod"}}))
    own.start()
    settled = settle(plan, volume, cluster, also="everything", node="own" if known else "")
    own.join()
    (row,) = aggregate(plan, volume, notes=settled.notes).rows
    assert (row.outcome is Outcome.FAILED) is known
