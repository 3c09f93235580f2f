import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.argo.fates import Fate, Fates, Surroundings
from orchestrator.argo.names import SHARD
from orchestrator.argo.nodes import NodesUnreadableError
from orchestrator.argo.reasons import CANCELLED, RUN_DEADLINE, explain
from orchestrator.cluster.objects import Node, Parameters, Pod, Workflow
from tests.examples import examples
from tests.unit.argo.runs import around, fates_of, made, node, recorded

EARLY, LATE, LATER = (f"2025-03-01T1{hour}:00:00Z" for hour in range(3))


@pytest.mark.parametrize(
    ("cell", "words", "code", "attempts"),
    [
        ("t-all good", [], 0, 1),
        ("t-all exit", ["exit code 3"], 3, 1),
        ("t-all flaky", ["exit code 75"], 75, 2),
        ("t-all memory", ["memory", "OOMKilled"], 137, 2),
        ("t-all no-image", ["docker.io/anchore/nothing-here:v1", "cannot be pulled"], None, 1),
        ("t-all bad-name", ["docker.io/Anchore/UPPER:v1", "cannot be pulled", "lowercase"], None, 1),
        ("t-all never-image", ["docker.io/anchore/absent:v1", "cannot be pulled"], None, 1),
        ("t-all slow", ["longer than its deadline"], None, 1),
        ("t-all slow-stage", ["longer than its deadline", "stage"], None, 1),
        ("t-all huge", ["the run's deadline", "never scheduled", "Insufficient memory"], None, 1),
        ("t-all stage", ["stage", "exit code 1"], None, 1),
        ("t-all stage-memory", ["stage", "OOMKilled"], None, 2),
        ("t-all evicted", ["evicted", "exceeds the limit"], None, 2),
        ("t-all no-secret", ["not be started", 'secret "nope" not found'], None, 1),
        ("t-all no-mount", ["not be started", "MountVolume"], None, 1),
        ("t-all no-program", ["not be started", "/nonexistent/scanner"], 64, 1),
        ("t-all patch", ["pod could not be made", "PodSpecPatch"], None, 2),
        ("t-all quota", ["pod could not be made", "must be less than or equal to memory limit"], None, 2),
        ("t-set-mixed good", [], 0, 1),
        ("t-set-mixed exit", ["exit code 3"], 3, 1),
        ("t-set-mixed memory", ["OOMKilled"], 137, 1),
        ("t-set-slow slow", ["stopped", "same pod", "exit"], 143, 1),
        ("t-set-stage good", ["stage", "exit code 75"], None, 1),
        ("t-set-no-image good", [], 0, 1),
        ("t-set-no-image no-image", ["docker.io/anchore/nothing-here:v1", "cannot be pulled"], None, 1),
        ("t-unpulled good", ["pull", "exit code 1"], None, 0),
    ],
)
def test_every_way_to_fail_has_its_own_reason(cell, words, code, attempts):
    fate = fates_of("everything").cell(*cell.split())
    assert [word for word in words if word not in fate.reason] == [], fate.reason
    assert bool(fate.reason) is bool(words)
    assert (fate.exit_code, fate.attempts, fate.ended) == (code, attempts, True)


def test_a_container_of_ours_that_failed_is_known_as_such():
    fates = fates_of("everything")
    assert [scan for scan in ("stage", "slow-stage", "stage-memory") if not fates.cell("t-all", scan).own] == []
    assert [scan for scan in ("exit", "memory", "good", "no-image") if fates.cell("t-all", scan).own] == []
    assert fates.cell("t-all", "stage").container == "stage"
    assert fates.cell("t-unpulled", "good").own


def test_a_pod_that_is_gone_still_has_its_reason_from_argo():
    fates = fates_of("everything", pods=False, warnings=False)
    told = {scan: fates.cell("t-all", scan).reason for scan in ("exit", "memory", "stage", "slow", "evicted", "quota")}
    words = ("exit code 3", "OOMKilled", "stage", "deadline", "evicted", "must be less")
    assert [pair for pair in zip(words, told.values(), strict=True) if pair[0] not in pair[1]] == []
    assert "stage" in fates.cell("t-set-stage", "exit").reason


def test_without_warnings_an_image_that_was_never_there_is_still_named():
    fate = fates_of("everything", warnings=False).cell("t-all", "no-image")
    assert "docker.io/anchore/nothing-here:v1" in fate.reason
    assert fate.exit_code is None


def test_a_failed_database_is_reported_by_the_container_that_failed():
    fates = fates_of("everything")
    assert fates.databases["good"].reason == ""
    assert "refresh" in fates.databases["exit"].reason
    assert "exit code 7" in fates.databases["exit"].reason


@pytest.mark.parametrize("scan", ["grype", "load-grype", "database-grype"])
def test_a_database_that_was_fetched_and_could_not_be_loaded(scan):
    fates = Fates()
    load = node(f"load-{scan}", "Failed", "load: Error (exit code 9)", begun="2025-03-01T10:01:00Z")
    fates.add(made("w", node(f"database-{scan}", "Succeeded", ""), load))
    assert fates.databases.keys() == {scan}
    assert "exit code 9" in fates.databases[scan].reason


def test_a_batch_of_stored_sboms_is_no_attempt_of_any_one_cell():
    fates = Fates()
    fates.add(made("w", node("sboms-grype", "Failed", "main: OOMKilled (exit code 137)", batch="001"),
                   node("sboms-grype", "Failed", "keep: Error (exit code 1)", begun=LATE, batch="001"),
                   node("sboms-grype", "Succeeded", "", batch="002")))  # fmt: skip
    assert fates.attempted() == []
    assert fates.batches["grype", "001"].unkept
    assert fates.batches["grype", "001"].attempts == 2
    assert fates.batches["grype", "002"].reason == ""


def test_what_was_answered_from_an_sbom_did_not_fail_with_the_pull_of_its_image():
    fates = Fates()
    fates.add(made("w", node("pull", "Failed", "main: Error (exit code 1)", target="t")))
    assert fates.cell("t", "a").reason.startswith("pull:")
    assert fates.cell("t", "a", pulled=False).reason == ""


@pytest.mark.parametrize("pods", [True, False])
def test_a_cancelled_run_says_so_in_each_cell_that_it_stopped_or_kept_from_starting(pods):
    fates = fates_of("cancelled", pods=pods)
    stopped = [("t-all", "slow"), ("t-all", "huge"), ("t-all", "no-image"), ("t-set-slow", "slow"), ("t-after", "good")]
    assert [cell for cell in [*stopped, ("t-unknown", "good")] if "cancelled" not in fates.cell(*cell).reason] == []
    assert "never started" in fates.cell("t-after", "good").reason
    assert "nothing-here:v1" in fates.cell("t-all", "no-image").reason
    assert fates.cell("t-all", "good").reason == ""
    assert "exit code 1" in fates.cell("t-unpulled", "good").reason


@pytest.mark.parametrize("container", ["main", "keep", "wait"])
@pytest.mark.parametrize("code", [2, 137, 143])
@pytest.mark.parametrize(
    ("around", "ended"), [({"stopped": True}, CANCELLED), ({"late": True}, RUN_DEADLINE), ({}, "")]
)
def test_a_container_that_argo_ends_with_the_run_says_so(container, code, around, ended):
    ends = {"main": 0, container: code}
    states = [{"name": name, "state": {"terminated": {"exitCode": each}}} for name, each in ends.items()]
    pod = msgspec.convert({"metadata": {"name": "p"}, "status": {"containerStatuses": states}}, type=Pod)
    failed = node("quick", "Error", f"{container}: Error (exit code {code})", target="t", scan="quick")
    said = explain(failed, pod, **around).text
    assert said.startswith((CANCELLED, RUN_DEADLINE)) == bool(ended)
    assert said.startswith(ended)
    states[-1]["state"]["terminated"]["exitCode"] = 1
    pod = msgspec.convert({"metadata": {"name": "p"}, "status": {"containerStatuses": states}}, type=Pod)
    assert "exit code 1" in explain(failed, pod, **around).text
    assert not explain(failed, pod, **around).text.startswith((CANCELLED, RUN_DEADLINE))


@pytest.mark.parametrize("lost", ["Pod failed before main container starts due to PodInitializing: ", "pod deleted"])
@pytest.mark.parametrize(
    "status",
    [
        None,
        {},
        {"containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "PodInitializing"}}}]},
        {"containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": 137,
          "reason": "ContainerStatusUnknown"}}}]},
    ],
)  # fmt: skip
def test_what_did_not_begin_before_its_run_was_cancelled_was_cancelled(status, lost):
    attempt = node("scan-a", "Error", lost, target="t")
    pod = None if status is None else msgspec.convert({"metadata": {"name": "p"}, "status": status}, type=Pod)
    for shutdown, cancelled in (("Terminate", True), ("", False)):
        fates = Fates()
        fates.add(made("w", attempt, shutdown=shutdown), Surroundings({attempt.id: pod} if pod else {}))
        assert ("cancelled" in fates.cell("t", "a").reason) is cancelled


@pytest.mark.parametrize(("code", "cancelled"), [(3, False), (2, True)])
def test_what_had_failed_before_its_run_was_cancelled_keeps_its_reason(code, cancelled):
    fates = Fates()
    fates.add(made("w", node("scan-a", "Failed", f"main: Error (exit code {code})", target="t"), shutdown="Terminate"))
    fate = fates.cell("t", "a")
    assert f"exit code {code}" in fate.reason
    assert fate.exit_code == code
    assert ("cancelled" in fate.reason) is cancelled


def of_containers(**codes: int) -> Pod:
    """A pod whose containers ended with these exit codes."""
    ended = [
        {"name": name, "state": {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed"}}}
        for name, code in codes.items()
    ]
    return msgspec.convert({"metadata": {"name": "p"}, "status": {"containerStatuses": ended}}, type=Pod)


@pytest.mark.parametrize("pod", [None, of_containers(main=0, wait=0, keep=75)])
def test_a_scan_whose_report_could_not_be_kept_has_failed(pod):
    attempt = node("scan-a", "Failed", "keep: Error (exit code 75)", target="t")
    fates = Fates()
    fates.add(made("w", attempt), Surroundings({attempt.id: pod} if pod else {}))
    fate = fates.cell("t", "a")
    assert "keep container ended with exit code 75" in fate.reason
    assert (fate.own, fate.container) == (True, "keep")


def test_what_argo_passes_over_has_failed_all_the_same():
    """It takes a container beside the scanner that was killed for one that it ended itself."""
    attempt = node("scan-a", "Succeeded", "", target="t")
    fates = Fates()
    fates.add(made("w", attempt), Surroundings({attempt.id: of_containers(main=0, wait=0, keep=137)}))
    assert "keep container was killed by signal 9" in fates.cell("t", "a").reason


@pytest.mark.parametrize("keep", [75, 137])
@pytest.mark.parametrize("gone", [False, True])
def test_in_a_pod_of_several_scans_each_says_that_its_report_could_not_be_kept(keep, gone):
    parent = node("image-set-1", "Failed", f"keep: Error (exit code {keep})", target="t")
    parent = msgspec.structs.replace(parent, outputs=Parameters(exit_code="3"))
    pod = of_containers(a=0, b=3, keep=keep, wait=0)
    within = [
        msgspec.structs.replace(
            node("image-set-1", *ended), id=name, type="Container", display_name=name, boundary_id=parent.id
        )
        for name, *ended in (("a", "Succeeded", ""), ("b", "Failed", "b: Error (exit code 3)"))
    ]
    fates = Fates()
    fates.add(made("w", parent, *within), Surroundings({} if gone else {parent.id: pod}))
    unkept, failed = fates.cell("t", "a"), fates.cell("t", "b")
    assert unkept.reason.startswith("its keep container "), unkept.reason
    assert (unkept.unkept, unkept.exit_code, unkept.container) == (True, None, "keep")
    assert (failed.unkept, failed.exit_code) == (False, 3)
    assert "exit code 3" in failed.reason
    assert fates.pulls()["t"].reason == ""


@pytest.mark.parametrize("keep", [0, 75, 137, 143])
def test_how_a_report_was_kept_is_no_reason_for_a_scanner_that_failed(keep):
    attempt = node("scan-a", "Failed", "main: Error (exit code 3)", target="t")
    fates = Fates()
    fates.add(made("w", attempt), Surroundings({attempt.id: of_containers(main=3, wait=0, keep=keep)}))
    fate = fates.cell("t", "a")
    assert "exit code 3" in fate.reason
    assert (fate.exit_code, fate.own, fate.container) == (3, False, "main")


@pytest.mark.parametrize("keep", [75, 137])
def test_in_a_pod_of_several_scans_nobody_was_stopped_because_of_what_keeps_their_reports(keep):
    pod = of_containers(keep=keep, a=143, wait=0)
    parent = node("image-set-1", "Failed", "a: Error (exit code 143)", target="t")
    container = msgspec.structs.replace(
        node("image-set-1", "Failed", "a: Error (exit code 143)", target="t"),
        id="inner", type="Container", display_name="a", boundary_id=parent.id,
    )  # fmt: skip
    fates = Fates()
    fates.add(made("w", parent, container), Surroundings({parent.id: pod}))
    assert "another scan" not in fates.cell("t", "a").reason


@pytest.mark.parametrize(
    ("volume", "key"),
    [
        ("scratch-main", "limits.cellDisk"),
        ("scratch-virus", "limits.cellDisk"),
        ("layers-main", "limits.cellDisk"),
        ("database-load", "limits.databaseDisk"),
        ("database-refresh", "limits.databaseDisk"),
        ("scratch", ""),
        ("var-run-argo", ""),
    ],
)
def test_what_a_scanner_has_too_much_of_is_bounded_by_a_key(volume, key):
    message = f'Usage of EmptyDir volume "{volume}" exceeds the limit "64Mi". '
    gone = msgspec.convert(
        {"metadata": {"name": "p"}, "status": {"phase": "Failed", "reason": "Evicted", "message": message}}, type=Pod
    )
    for pod in (None, gone):
        attempt = node("scan-a", "Failed", message, target="t")
        fates = Fates()
        fates.add(made("w", attempt), Surroundings({attempt.id: pod} if pod else {}))
        reason = fates.cell("t", "a").reason
        assert "evicted" in reason
        assert "exceeds the limit" in reason
        assert [each for each in ("limits.cellDisk", "limits.databaseDisk") if each in reason] == ([key] if key else [])


def test_the_deadline_of_the_run_is_distinguished_from_that_of_a_cell():
    late = fates_of("deadline")
    for cell in [("t-all", "slow"), ("t-all", "huge"), ("t-set-slow", "slow"), ("t-after", "good"), ("t-no", "good")]:
        assert "the run's deadline" in late.cell(*cell).reason
    assert "nothing-here" in late.cell("t-all", "no-image").reason
    assert late.cell("t-all", "good").reason == ""
    assert "the run's" not in fates_of("everything").cell("t-all", "slow").reason


def test_the_deadline_of_a_run_may_stand_in_its_template():
    data = recorded("deadline")
    seconds = data["workflow"]["spec"].pop("activeDeadlineSeconds")
    data["workflow"]["status"]["storedWorkflowTemplateSpec"] = {"activeDeadlineSeconds": seconds}
    fates = Fates()
    fates.add(msgspec.convert(data["workflow"], type=Workflow), around(data))
    assert "the run's deadline" in fates.cell("t-all", "slow").reason


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"reason": "Evicted", "message": "The node was low on resource: memory."}, ["evicted", "low on resource"]),
        ({"reason": "Evicted", "message": 'Usage of EmptyDir volume "scratch-main" exceeds the limit "20Gi". '},
         ["evicted", "scratch-main", "20Gi"]),
        ({"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
                          "message": "preempting to accommodate a higher priority pod"}]}, ["preempted"]),
        ({"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}]},
         ["node"]),
        ({"reason": "NodeLost"}, ["node"]),
        ({"reason": "Terminated", "message": "Pod was terminated in response to imminent node shutdown."}, ["shut"]),
        ({"containerStatuses": [{"name": "main", "imageID": "x", "state": {"terminated": {"exitCode": 128,
          "reason": "StartError", "message": "no such file"}}}]}, ["not be started", "no such file"]),
        ({"containerStatuses": [{"name": "main", "imageID": "x", "state": {"terminated": {"exitCode": 137,
          "reason": "Error"}}}]}, ["signal 9", "137"]),
        ({"containerStatuses": [{"name": "main", "imageID": "x", "state": {"terminated": {"exitCode": 0}}},
          {"name": "wait", "imageID": "x", "state": {"terminated": {"exitCode": 64, "reason": "Error"}}}]}, ["wait"]),
    ],
)  # fmt: skip
def test_what_came_from_outside_is_reported_by_the_pod(status, words):
    failed = node("scan-a", "Failed", "main: Error (exit code 137)", target="t")
    data = {"metadata": {"name": "p"}, "status": {"phase": "Failed"} | status}
    fates = Fates()
    fates.add(made("w", failed), Surroundings({failed.id: msgspec.convert(data, type=Pod)}))
    reason = fates.cell("t", "a").reason
    assert [word for word in words if word not in reason] == [], reason


@pytest.mark.parametrize(
    ("phase", "message", "word"),
    [
        ("Error", "pod deleted", "deleted"),
        ("Error", "container deleted", "deleted"),
        ("Failed", "Pod was terminated in response to imminent node shutdown.", "shut down"),
        ("Pending", "ImagePullBackOff: Back-off pulling image \"a.example/b:1\"", "a.example/b:1"),
        ("Pending", "Unschedulable: 0/3 nodes are available", "0/3"),
        ("Failed", "", "says why"),
        ("Error", 'pods "x" is forbidden: exceeded quota', "exceeded quota"),
        ("Running", "", "did not end"),
    ],
)  # fmt: skip
def test_without_a_pod_argo_is_quoted(phase, message, word):
    fates = Fates()
    fates.add(made("w", node("scan-a", phase, message, target="t")))
    fate = fates.cell("t", "a")
    assert word in fate.reason
    assert fate.ended is (phase not in {"Pending", "Running"})


@pytest.mark.parametrize("order", [1, -1])
def test_the_last_attempt_of_all_workflows_counts_whichever_came_first(order):
    first = made("run", node("scan-a", "Failed", "main: Error (exit code 3)", begun=EARLY, target="t"))
    second = made("run-retry", node("scan-a", "Succeeded", begun=LATE, target="t"))
    fates = Fates()
    for workflow in (first, second)[::order]:
        fates.add(workflow)
    fate = fates.cell("t", "a")
    assert (fate.reason, fate.attempts, fate.started, fate.begun) == ("", 2, EARLY, LATE)


def test_a_pull_that_failed_in_a_retry_does_not_spoil_the_cells_that_were_ok_before():
    fates = Fates()
    fates.add(made("run", node("pull", "Succeeded", begun=EARLY, target="t"),
                   node("scan-good", "Succeeded", begun=EARLY, target="t"),
                   node("scan-bad", "Failed", "main: Error (exit code 3)", begun=EARLY, target="t")))  # fmt: skip
    fates.add(made("run-retry", node("pull", "Failed", "main: Error (exit code 1)", begun=LATE, target="t")))
    assert fates.cell("t", "good").reason == ""
    assert "pull" in fates.cell("t", "bad").reason
    assert fates.cell("t", "bad").attempts == 1


def test_a_shard_without_a_workflow_tells_why_its_cells_never_started():
    parent = made("run", node("shard", "Error", 'workflows is forbidden: User "x" cannot create', shard="002"),
                  node("shard", "Failed", "main: Error (exit code 1)", shard="001"))  # fmt: skip
    child = made("run-001", node("scan-a", "Succeeded", target="t"), labels={SHARD: "001"})
    fates = Fates()
    for workflow in (parent, child):
        fates.add(workflow)
    assert fates.cell("t", "a", shard="001").reason == ""
    reason = fates.cell("u", "a", shard="002").reason
    assert "002" in reason
    assert "cannot create" in reason
    assert list(fates.shards) == ["002"]


def test_a_cancelled_shard_is_the_business_of_its_own_cells():
    parts = [
        made("run-001", Node(id="a", type="DAG", inputs=_target("t"), phase="Failed"), shutdown="Terminate",
             labels={SHARD: "001"}),
        made("run-002", Node(id="b", type="DAG", inputs=_target("u"), phase="Succeeded"), labels={SHARD: "002"}),
    ]  # fmt: skip
    fates = Fates()
    for part in parts:
        fates.add(part)
    assert "cancelled" in fates.cell("t", "a").reason
    assert fates.runs == {"run-001": "the run was cancelled"}


def test_a_run_that_is_called_deadline_has_not_run_into_one():
    fates = Fates()
    fates.add(made("deadline", phase="Failed", message="child 'deadline-123' failed"))
    assert fates.runs == {}


def test_a_plan_step_that_failed_ends_every_cell():
    fates = Fates()
    fates.add(made("run", node("plan", "Failed", "main: Error (exit code 2)"), phase="Failed"))
    assert "plan step" in fates.cell("t", "a").reason
    assert "exit code 2" in fates.cell("t", "a").reason


def test_a_workflow_that_prints_results_says_nothing_of_cells():
    printing = made("run-results", shutdown="Terminate")
    arguments = msgspec.convert({"parameters": [{"name": "only", "value": "results"}]}, type=Parameters)
    spec = msgspec.structs.replace(printing.spec, arguments=arguments)
    fates = Fates()
    fates.add(msgspec.structs.replace(printing, spec=spec))
    assert fates.runs == {}


def test_of_a_run_that_nobody_knows_a_cell_has_no_fate_but_no_error_either():
    assert Fates().cell("t", "a") == Fate(ended=False)


def test_nodes_that_cannot_be_read_leave_what_was_known():
    fates = Fates()
    fates.add(made("run", node("scan-a", "Succeeded", target="t")))
    with pytest.raises(NodesUnreadableError):
        fates.add(msgspec.convert({"metadata": {"name": "x"}, "status": {"compressedNodes": "e30="}}, type=Workflow))
    assert fates.cell("t", "a").reason == ""


WORDS = """main: OOMKilled (exit code 137)|stage: Error (exit code 99999999)|(exit code )|pod deleted|: (exit code 1): |
Unschedulable: |ImagePullBackOff|Step exceeded its deadline|2025-03-01T10:00:00Z|2025-03-01|t|scan-a|pull|image-set-1|
shard|plan|database-a|Failed|Error|Succeeded|Running|Pod|Container|DAG|main|wait|init|0|²|ContainerStatusUnknown|OOMKilled|
DisruptionTarget|Pod was active on the node longer than the specified deadline|PodScheduled|True|False"""
TEXT = st.text(max_size=40) | st.sampled_from(WORDS.replace("\n", "").split("|"))
ENDED = st.fixed_dictionaries({"exitCode": st.integers(-(2**31), 2**31)}, optional={"reason": TEXT, "message": TEXT})
STATE = st.one_of(
    st.just({}),
    st.builds(lambda value: {"terminated": value}, ENDED),
    st.builds(lambda reason: {"waiting": {"reason": reason}}, TEXT),
)
STATUSES = st.lists(
    st.fixed_dictionaries({"name": TEXT, "state": STATE}, optional={"image": TEXT, "imageID": TEXT}), max_size=3
)
CONDITIONS = st.lists(st.fixed_dictionaries({"type": TEXT}, optional={"status": TEXT, "reason": TEXT}), max_size=2)
POD = st.fixed_dictionaries(
    {"phase": TEXT, "reason": TEXT, "message": TEXT, "containerStatuses": STATUSES, "initContainerStatuses": STATUSES,
     "conditions": CONDITIONS}
)  # fmt: skip
NODE = st.fixed_dictionaries(
    {"id": st.sampled_from("abcd"), "displayName": TEXT, "type": TEXT, "templateName": TEXT, "phase": TEXT,
     "message": TEXT},
    optional={"startedAt": st.none() | TEXT, "finishedAt": st.none() | TEXT, "boundaryID": st.sampled_from("abcd"),
              "outputs": st.fixed_dictionaries({"exitCode": TEXT}),
              "inputs": st.just({"parameters": [{"name": "target", "value": "t"}]})},
)  # fmt: skip


@settings(max_examples=examples(80), deadline=None)
@given(
    several=st.lists(NODE, max_size=4),
    pods=st.dictionaries(st.sampled_from("abcd"), POD),
    said=st.tuples(TEXT, TEXT),
    seconds=st.none() | st.integers(-(2**40), 2**63),
    warnings=st.dictionaries(st.sampled_from("abcd"), st.lists(TEXT, max_size=2).map(tuple)),
)
def test_whatever_the_cluster_says_each_cell_has_one_fate(several, pods, said, seconds, warnings):
    phase, message = said
    data = {
        "metadata": {"name": "w"},
        "spec": {"activeDeadlineSeconds": seconds},
        "status": {"phase": phase, "message": message, "nodes": {each["id"]: each for each in several},
                   "startedAt": "2025-03-01T10:00:00Z"},
    }  # fmt: skip
    left = {id_: msgspec.convert({"metadata": {"name": id_}, "status": status}, Pod) for id_, status in pods.items()}
    fates = Fates()
    fates.add(msgspec.convert(data, type=Workflow), Surroundings(left, warnings))
    for scan in ("a", "main", "t"):
        fate = fates.cell("t", scan)
        assert isinstance(fate.reason, str)
        assert fate.reason or not fate.ended or fate.exit_code == 0


def _target(value: str) -> Parameters:
    return msgspec.convert({"parameters": [{"name": "target", "value": value}]}, type=Parameters)


@pytest.mark.parametrize(
    ("said", "shutdown", "words"),
    [
        ("main: Error (exit code 143)", "Stop", "the run was cancelled"),
        ("main: Error (exit code 137)", "Terminate", "the run was cancelled"),
        ("stage: Error (exit code 143)", "Stop", "the run was cancelled"),
        ("main: Error (exit code 143)", "", "signal 15"),
        ("main: OOMKilled (exit code 137)", "Stop", "OOMKilled"),
        ("main: Error (exit code 3)", "Stop", "exit code 3"),
    ],
)
def test_what_a_signal_ended_in_a_cancelled_run_was_cancelled(said, shutdown, words):
    """Argo does not always put its own word there: the pod's may come after it."""
    fates = Fates()
    fates.add(made("run", node("scan-a", "Failed", said, target="t"), shutdown=shutdown, phase="Failed"))
    assert words in fates.cell("t", "a").reason
