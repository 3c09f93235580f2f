"""`ScanMatrix` resources on a real API server: what it refuses, what the controller makes of them, whatever happens."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.service.controller.reconciler import Reconciler
from orchestrator.workflows.install.custom_resource import custom_resource
from tests.e2e.site import await_, run

KINDS = "smx,cm,sa,secret,deploy,role,rolebinding,netpol,wftmpl,cronwf,pvc,svc"
RESOURCE = {"apiVersion": "scanmatrix.github.io/v1alpha1", "kind": "ScanMatrix"}


@pytest.fixture(scope="module", autouse=True)
def definition(cluster: None) -> None:
    """The API server takes the definition: it is structural, and its rules cost no more than they may."""
    run("kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(custom_resource()))
    run("kubectl", "wait", "--for=condition=Established", "crd/scanmatrices.scanmatrix.github.io", "--timeout=30s")


@pytest.fixture
def space(request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"e2e-resource-{abs(hash(request.node.name)) % 10**8}-{int(time.time()) % 1000}"
    run("kubectl", "create", "namespace", name)
    yield name
    # Nobody is there to let them go.
    for each in run("kubectl", "-n", name, "get", "smx", "-o", "name").split():
        run("kubectl", "-n", name, "patch", each, "--type=merge", "-p", '{"metadata":{"finalizers":null}}', check=False)
    run("kubectl", "delete", "namespace", name, "--wait=false")


def apply(space: str, name: str = "main", *, check: bool = True, dry: bool = False, **spec: Any) -> str:
    resource = {**RESOURCE, "metadata": {"name": name, "namespace": space}, "spec": spec}
    options = ["--dry-run=server"] if dry else []
    done = subprocess.run(
        ["kubectl", "apply", *options, "-f", "-"],
        input=json.dumps(resource),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stderr


def get(space: str, kind: str, name: str, path: str) -> str:
    return run("kubectl", "-n", space, "get", kind, name, "-o", f"jsonpath={path}", check=False)


def ready(space: str, name: str = "main", field: str = "reason") -> str:
    return get(space, "smx", name, f'{{.status.conditions[?(@.type=="Ready")].{field}}}')


def versions(space: str) -> dict[str, str]:
    """Resource versions of all that is in a namespace, by kind and name; Kubernetes' own left out."""
    found = json.loads(run("kubectl", "-n", space, "get", KINDS, "-o", "json"))["items"]
    return {
        f"{one['kind']}/{one['metadata']['name']}": one["metadata"]["resourceVersion"]
        for one in found
        if one["metadata"]["name"] not in {"kube-root-ca.crt", "default"} and one["kind"] != "Secret"
    }


def settled(space: str) -> dict[str, str]:
    """The same, once Kubernetes' own controllers have stopped writing into new objects."""
    before: dict[str, str] = {}
    while before != (now := versions(space)):
        before = now
        time.sleep(1)
    return before


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"target": []}, 'unknown field "spec.target"'),
    "two kinds of target": ({"targets": [{"image": "a", "repository": {"url": "https://x/y"}}]}, "exactly one of csv"),
    "a csv without its text": ({"targets": [{"csv": {"path": "t.csv"}}]}, "put its text there"),
    "owner of a csv": (
        {"targets": [{"csv": {"path": "t"}, "owner": "x"}], "files": {"t": "image\n"}}, "columns of that file",
    ),
    "another namespace": ({"targets": [{"cluster": {"namespaces": ["kube-system"]}}]}, "its own namespace"),
    "a template without its text": ({"scans": {"templates": ["x.yaml"]}}, "not in spec.files"),
    "two caches": ({"cache": [{"upstream": "docker.io"}, {"upstream": "docker.io"}]}, "more than one cache"),
    "longer than longest": ({"schedule": {"retry": {"first": "2d", "longest": "3h"}}}, "first is longer than longest"),
    "replicas without a store": ({"argo": {"scheduler": {"replicas": 2}}}, "name the Secret"),
    "a rule without its feed": ({"policy": {"rules": [{"name": "a", "kev": True}]}}, "feeds.kev"),
    "two rules of a name": ({"policy": {"rules": [{"name": "a"}, {"name": "a"}]}}, "the same name"),
    "mail without a server": ({"notify": {"routes": [{"email": {"to": ["a@b.example"]}}]}}, "smtp"),
    "half a login": ({"notify": {"smtp": {"host": "h", "user": "u"}}}, "both, user and password"),
    "an export to nowhere": ({"exports": {"always": ["s3"]}}, "no exports.s3"),
    "a key without kms": ({"exports": {"s3": {"bucket": "b", "kmsKey": "k"}}}, "aws:kms"),
    "half a parent": ({"exports": {"dependencyTrack": {"url": "https://x", "parent": "p"}}}, "both, parent"),
    "versions of nothing": (
        {"scanners": {"deny": [{"versions": ["1"], "digests": ["sha256:" + "0" * 64], "reason": "r"}]}}, "image beside",
    ),
    "a bad duration": ({"limits": {"deadline": "soon"}}, "should match"),
    "too many retries": ({"limits": {"retries": 1000}}, "less than or equal"),
    "a label that is none": ({"ignoreLabel": "a b"}, "should match"),
    "a file with a path": ({"files": {"../x": "y"}}, "every key must match"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_when_it_is_written(name: str) -> None:
    spec, message = REFUSED[name]
    assert message in apply("default", "refused", check=False, dry=True, **spec)


def test_a_look_makes_all_of_it_and_the_next_one_writes_nothing(space: str) -> None:
    apply(space, ignoreLabel="ignore")
    Reconciler().look(space, "main")
    made = settled(space)
    assert {"ConfigMap/scanmatrix-config", "Deployment/scheduler", "WorkflowTemplate/scanmatrix"} <= made.keys()
    assert "CronWorkflow/scanmatrix" not in made
    # The volume may be bound meanwhile, or not: one look sees what there is now.
    again = Reconciler()
    again.look(space, "main")
    steady = settled(space)
    again.look(space, "main")
    Reconciler().look(space, "main")  # one that was started just now, and remembers nothing
    assert settled(space) == steady
    assert {name: steady[name] for name in made if not name.startswith(("ScanMatrix", "PersistentVolumeClaim"))} == {
        name: made[name] for name in made if not name.startswith(("ScanMatrix", "PersistentVolumeClaim"))
    }
    assert get(space, "smx", "main", "{.status.observedGeneration}") == "1"
    listed = run("kubectl", "-n", space, "get", "smx").split("\n")[0].split()
    assert listed[:3] == ["NAME", "READY", "REASON"]
    assert "ScanMatrix" in get(space, "deploy", "scheduler", "{.metadata.ownerReferences[0].kind}")
    assert get(space, "pvc", "scanmatrix", "{.metadata.ownerReferences}") == ""


def test_an_edit_is_followed_and_what_somebody_else_changed_is_corrected(space: str) -> None:
    reconciler = Reconciler()
    apply(space, ignoreLabel="ignore")
    reconciler.look(space, "main")
    apply(space, ignoreLabel="ignore", argo={"schedule": "0 3 * * *"})
    run("kubectl", "-n", space, "delete", "role", "scanmatrix-planner")
    run("kubectl", "-n", space, "patch", "netpol", "pull", "--type=merge", "-p", '{"spec":{"policyTypes":["Ingress"]}}')
    reconciler.look(space, "main")
    assert get(space, "cronwf", "scanmatrix", "{.spec.schedules[0]}") == "0 3 * * *"
    assert get(space, "deploy", "scheduler", "{.spec.replicas}") == "0"
    assert "planner" in get(space, "role", "scanmatrix-planner", "{.metadata.name}")
    assert json.loads(get(space, "netpol", "pull", "{.spec.policyTypes}")) == ["Ingress", "Egress"]
    assert get(space, "smx", "main", "{.status.nextRun}").endswith("T03:00:00Z")
    assert get(space, "smx", "main", "{.status.observedGeneration}") == "2"
    apply(space, ignoreLabel="ignore")
    reconciler.look(space, "main")
    assert get(space, "cronwf", "scanmatrix", "{.metadata.name}") == ""


def test_a_resource_that_cannot_be_says_why_and_leaves_what_there_was(space: str) -> None:
    reconciler = Reconciler()
    apply(space, argo={"schedule": "0 3 * * *"})
    reconciler.look(space, "main")
    before = settled(space)
    apply(space, argo={"schedule": "0 3 * * *"}, scans={"default": ["no-such-scan"]})
    reconciler.look(space, "main")
    assert (ready(space), ready(space, field="status")) == ("Failed", "False")
    assert "no-such-scan" in ready(space, field="message")
    after = settled(space)
    assert {name: after[name] for name in before if "ScanMatrix" not in name} == {
        name: before[name] for name in before if "ScanMatrix" not in name
    }
    events = run("kubectl", "-n", space, "get", "events", "--field-selector=reason=Failed", "-o", "name").split()
    assert len(events) == 1
    reconciler.look(space, "main")
    assert (
        len(run("kubectl", "-n", space, "get", "events", "--field-selector=reason=Failed", "-o", "name").split()) == 1
    )


def test_what_belongs_to_somebody_else_is_left_alone(space: str) -> None:
    reconciler = Reconciler()
    run("kubectl", "-n", space, "create", "deployment", "scheduler", "--image=x.example/theirs:1", "--replicas=0")
    apply(space, "main")
    reconciler.look(space, "main")
    assert ready(space) == "Failed"
    assert "Deployment scheduler" in ready(space, field="message")
    assert "theirs" in get(space, "deploy", "scheduler", "{.spec.template.spec.containers[0].image}")
    assert get(space, "cm", "scanmatrix-config", "{.metadata.name}") == ""
    run("kubectl", "-n", space, "delete", "deployment", "scheduler")
    reconciler.look(space, "main")
    time.sleep(1)
    apply(space, "second")
    reconciler.look(space, "second")
    assert "main is older" in ready(space, "second", "message")
    run("kubectl", "-n", space, "delete", "smx", "main")

    def acts() -> bool:
        reconciler.look(space, "second")
        return get(space, "role", "scanmatrix", "{.metadata.ownerReferences[0].name}") == "second"

    # What main had goes with it, by and by; nothing is half the one's and half the other's.
    await_(acts, 60, "the second one to act")
    assert "older" not in ready(space, "second", "message")


@contextmanager
def controller(*namespaces: str, lease: str = "") -> Iterator[subprocess.Popen[bytes]]:
    words = [f"--namespace={each}" for each in namespaces]
    process = subprocess.Popen(
        [sys.executable, "-m", "scanmatrix", "-v", "controller", "--lease", lease, *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail("the controller did not end on SIGTERM")


def test_it_is_killed_at_any_point_and_started_again(space: str) -> None:
    for minute, moment in enumerate((1.5, 2.2, 2.9)):
        apply(space, argo={"schedule": f"{minute} 3 * * *"})
        with controller(space) as process:
            time.sleep(moment)
            process.kill()
            process.wait()
    apply(space, argo={"schedule": "7 3 * * *"})
    with controller(space):
        await_(lambda: get(space, "smx", "main", "{.status.observedGeneration}") == "4", 60, "the last one to be seen")
        assert get(space, "cronwf", "scanmatrix", "{.spec.schedules[0]}") == "7 3 * * *"
        assert ready(space) in {"Waiting", "Reconciled"}
        assert json.loads(get(space, "smx", "main", "{.metadata.finalizers}")) == ["scanmatrix.github.io/controller"]
        assert "kopf" not in get(space, "smx", "main", "{.metadata.annotations}")
        # It wakes by itself.
        apply(space, argo={"schedule": "8 3 * * *"})
        await_(lambda: get(space, "cronwf", "scanmatrix", "{.spec.schedules[0]}") == "8 3 * * *", 20, "the edit")
        run("kubectl", "-n", space, "delete", "smx", "main", "--timeout=30s")
    await_(lambda: not get(space, "wftmpl", "scanmatrix", "{.metadata.name}"), 60, "what it had to go with it")
    assert get(space, "pvc", "scanmatrix", "{.metadata.name}") == "scanmatrix"


def test_of_two_replicas_one_acts_and_the_other_follows(space: str) -> None:
    def holder() -> str:
        return get(space, "lease", "one", "{.spec.holderIdentity}")

    with controller(space, lease=f"{space}/one") as first:
        await_(lambda: bool(holder()), 30, "the first one to act")
        held = holder()
        with controller(space, lease=f"{space}/one"):
            time.sleep(5)
            assert holder() == held
            first.send_signal(signal.SIGTERM)  # of one that is killed, the lease runs out; a test of it is a unit test
            first.wait()
            await_(lambda: holder() not in {"", held}, 30, "the second one to act")
            apply(space)
            await_(lambda: bool(ready(space)), 30, "a resource to be seen by it")
        await_(lambda: not holder(), 20, "the lease to be let go at the end")


WORKFLOW = """
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: by-hand, labels: {scanmatrix/run: by-hand}}
spec:
  entrypoint: wait
  templates: [{name: wait, suspend: {}}]
"""


def test_deleted_mid_run_it_stops_what_runs_and_then_goes(space: str) -> None:
    apply(space, argo={"schedule": "0 0 1 1 *"})
    with controller(space):
        await_(lambda: bool(ready(space)), 30, "the resource to be seen")
        run("kubectl", "-n", space, "apply", "-f", "-", stdin=WORKFLOW)
        await_(lambda: get(space, "wf", "by-hand", "{.status.phase}") == "Running", 60, "a run")
        run("kubectl", "-n", space, "delete", "smx", "main", "--timeout=60s")
        assert get(space, "wf", "by-hand", "{.spec.shutdown}") == "Stop"
        assert get(space, "wf", "by-hand", "{.status.phase}") == "Failed"
    assert get(space, "smx", "main", "{.metadata.name}") == ""


@pytest.mark.campaign
def test_a_thousand_of_them(tmp_path: Path) -> None:
    """Each in a namespace of its own; all are seen, and then nobody writes any more."""
    spaces = [f"e2e-many-{number:04}" for number in range(1000)]
    objects = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each}} for each in spaces]
    objects += [
        {**RESOURCE, "metadata": {"name": "main", "namespace": each}, "spec": {"suspend": True}} for each in spaces
    ]
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(objects))
    try:
        run("kubectl", "apply", "--server-side", "-f", str(tmp_path / "all.yaml"))
        with controller():
            seen = "{.items[*].status.observedGeneration}"
            await_(
                lambda: len(run("kubectl", "get", "smx", "-A", "-o", f"jsonpath={seen}").split()) >= 1000, 850, "all"
            )
    finally:
        run("kubectl", "delete", "-f", str(tmp_path / "all.yaml"), "--wait=false", check=False)
