"""The service in a pod: asked through its Service, and sent the events of a real registry, which it has scanned there.

Image, registry, signatures, git, cluster and sink are real; nothing of the service runs on this machine.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from websockets.sync.client import connect

from tests.e2e.event_service import ENVIRONMENT, KEYED, NAMESPACE, OTHER, Served, serve_events
from tests.e2e.in_pod import NAME, TOKENS, InPod
from tests.e2e.jobs import GIT_SECRET
from tests.e2e.jobs import run as python
from tests.e2e.site import await_, run
from tests.e2e.test_helm import CHART, helm
from tests.tools.images import Image, layer
from tests.tools.sigstore import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.state import State

IMAGE, TEXT = "docker.io/shop/by-hand:1", "{{workflow.uid}} {{=1+1}} $(HOME)"


@pytest.fixture(scope="module")
def served(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve_events(state, tmp_path_factory.mktemp("service")) as found:
        yield found


def put(service: InPod, image: str) -> dict[str, Any]:
    """Put a result, as other tools do; what is answered."""
    report = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": []}
    with service.client() as client:
        answer = client.put("/scan-results", json={"imageId": image, "report": report})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def results(service: InPod) -> list[str]:
    """The images with a result: the one that was put, and what our own scans know since."""
    with service.client() as client:
        return [each["imageId"] for each in client.get("/scan-results", params={"fields": "imageId"}).json()]


def test_it_is_asked_through_its_service(served: Served) -> None:
    service = served.service
    address = service.url.replace("http", "ws", 1) + "/subscribe"
    with connect(address, additional_headers={"authorization": f"Bearer {service.token}"}) as socket:
        assert put(service, IMAGE)["changed"]
        assert json.loads(socket.recv(timeout=30)) == IMAGE
    assert results(service) == [IMAGE]
    with service.client() as client:
        page = client.get("/", headers={"accept": "text/html"})
        assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (200, "text/html")
        assert IMAGE in page.text
        metrics = client.get("/metrics").text
        assert 'http_response_duration_seconds_count{method="PUT",path="/scan-results"} 1.0' in metrics
        del client.headers["authorization"]
        assert client.get("/scan-results").status_code == 401
        assert client.get("/healthz").status_code == 200


def test_an_image_is_pushed_scanned_and_told_of_and_a_plugin_runs(served: Served) -> None:
    """From the registry's own webhook on: what is pushed once starts a run, and a job."""
    site, hook = served.jobs.site, served.jobs.hook
    image = Image.build([layer({"app": "shop"})])
    name = served.upstream.push("shop/web:1.4", image)

    def told(kind: str) -> list[dict[str, Any]]:
        events = [json.loads(body) for _, body in hook.got]
        return [each["data"] for each in events if each["type"] == f"io.scanmatrix.{kind}"]

    await_(lambda: bool(told("run.finished") and told("job.finished")), 180, "run and job to be over")
    [run_] = told("run.finished")
    assert (run_["outcome"], run_["digest"], run_["passed"]) == ("scanned", image.digest, True)
    assert run_["cells"]["ok"] == 1
    assert site.wait(run_["run"], seconds=60) == "Succeeded"
    with served.service.client() as client:
        [cell] = [each for each in client.get("/api/v1/cells").json()["cells"] if each["state"]["scan"] == "quick"]
    assert (cell["references"], cell["state"]["outcome"]) == ([name], "ok")
    [job] = told("job.finished")
    assert (job["status"], job["result"]) == ("succeeded", "pass"), job
    [task] = job["job"]["tasks"]
    assert task["image"].startswith(f"{served.upstream.host}/signed/tool@sha256:")
    assert name in task["log"]
    # Made by the account of the service, out of its pod.
    policies = site.kubectl("get", "networkpolicies", "-l", f"scanmatrix/job={job['job']['id']}", "-o", "name").split()
    assert len(policies) == 1


@pytest.mark.parametrize("namespace", [NAMESPACE, OTHER, "default"])
def test_the_account_of_the_service_may_what_jobs_need(served: Served, namespace: str) -> None:
    user = f"--as=system:serviceaccount:{NAMESPACE}:{NAME}"
    listed = run("kubectl", "-n", namespace, "auth", "can-i", "--list", "--no-headers", user).splitlines()
    verbs = {line.split()[0]: set(line[line.rindex("[") + 1 : -1].split()) for line in listed if line[0].isalpha()}
    may = {"create", "patch", "delete"} if namespace != "default" else set()
    assert verbs.get("networkpolicies.networking.k8s.io", set()) == may
    assert may <= verbs.get("workflows.argoproj.io", set())
    assert not verbs.keys() & {"secrets", "rolebindings.rbac.authorization.k8s.io", "serviceaccounts"}
    assert "create" not in verbs.get("pods", set())


def refused(host: str) -> dict[str, tuple[dict[str, Any], tuple[str, ...]]]:
    """Tasks that may not run: what each asks for, and the rule and reason that its refusal names."""

    def of(image: str, *why: str, number: int) -> tuple[dict[str, Any], tuple[str, ...]]:
        rule = f"admission.policies[{number}].authorities"
        return {"image": f"{host}/{image}", "cmd": ["/bin/registry"]}, (rule, *why)

    return {
        "unlisted": (
            {"image": "unlisted.example/app:1", "cmd": ["app"]},
            ("admission.policies", "no policy is about unlisted.example/app"),
        ),
        "unsigned": of("by-key/unsigned:1", "there is no signature at all", number=2),
        "wrongkey": of("other-key/app:1", "not signed with it", number=3),
        "wrongidentity": of("by-identity/app:1", f"signed by {IDENTITY}", number=4),
        "moved": of("by-key/moved:1", "there is no signature at all", number=2),
        "replayed": of("by-key/replayed:1", f"it is about another image, {KEYED['digest']}", number=2),
        "privileged": (python("", securityContext={"privileged": True}), ("admission.forbidden", "privileged")),
        "folder": (python("", emptyDirSizeLimit="1Gi"), ("events.jobs.filesSize", "1.0 GiB")),
        "above": (python("", files=["../../shared/project.txt"]), ("leads out of the repository",)),
        "secret": (python("", env=[{"name": TOKENS, "valueFrom": "secret"}]), ("events.jobs.secrets", TOKENS)),
        "account": (python("", serviceAccount=NAME), (f"{NAME} is an account of scanmatrix itself",)),
    }


def test_what_may_not_run_has_neither_workflow_nor_pod_and_the_rule_is_named(served: Served) -> None:
    """All at once, and beside them what may run: so each is refused for what it is, and not for where it is."""
    jobs, host = served.jobs, served.upstream.host
    wanted = refused(host)
    text = {"name": "TEXT", "value": "$.data.text", "valueFrom": "event"}
    may = {
        "signed": {
            "image": f"{host}/signed/tool:1",
            "cmd": ["/bin/registry", "help"],
            "args": ["$(TEXT)"],
            "env": [text],
        },
        "elsewhere": python("print('it runs elsewhere')", namespace=OTHER),
        # A link is found where files are fetched: in the pod, before the task.
        "link": python("print('it runs')", files=["shared/link"]),
    }
    tasks = {name: task for name, (task, _) in wanted.items()} | may
    jobs.push_all({name: [{"name": name, **task}] for name, task in tasks.items()})
    jobs.send_all(*tasks, text=TEXT)
    for name, (_, said) in wanted.items():
        data = jobs.finished(name, seconds=90)
        assert (data["status"], data["result"], data["job"]["tasks"]) == ("errored", "fail", []), data
        assert all(each in data["message"] for each in said), (name, data["message"])
        assert jobs.objects("workflows,pods,networkpolicies", name) == []
    signed, elsewhere, link = (jobs.finished(name) for name in may)
    assert signed["result"] == "pass", signed
    assert f"{host}/signed/tool:1@sha256:" in signed["job"]["tasks"][0]["image"]
    assert TEXT in signed["job"]["tasks"][0]["log"]
    assert "it runs elsewhere" in elsewhere["job"]["tasks"][0]["log"], elsewhere
    assert (link["status"], "is a symbolic link" in link["message"]) == ("errored", True), link
    assert "it runs" not in link["job"]["tasks"][0]["log"]


def test_what_was_put_outlives_its_pod(served: Served) -> None:
    service = served.service
    [pod] = service.pods()
    run("kubectl", "-n", NAMESPACE, "delete", "pod", pod, "--force", "--grace-period=0")
    await_(lambda: pod not in service.pods() and bool(service.pods()), 60, "another pod")
    service.await_ready()
    assert IMAGE in results(service)
    assert not put(service, IMAGE)["changed"]
    with service.client() as client:
        assert len(client.get("/api/v1/runs").json()["runs"]) == 2  # what was put, and what was pushed


def test_by_the_chart_it_serves_the_same_and_starts_again_with_another_configuration(served: Served) -> None:
    """In the place of the installed one, whose names it has."""
    site = served.jobs.site
    policy = json.loads(site.kubectl("get", "networkpolicy", NAME, "-o", "json"))
    site.kubectl("delete", "deployment,service,serviceaccount,role,rolebinding,networkpolicy", NAME)
    serving = {"enabled": True, "environmentSecret": ENVIRONMENT, "gitSecret": GIT_SECRET, "jobs": True,
               "networkPolicy": {"egress": policy["spec"]["egress"]}}  # fmt: skip
    helm("install", "served", str(CHART), "-n", NAMESPACE, "--wait", "--timeout=180s",
         values={"controller": {"enabled": False}, "service": serving})  # fmt: skip
    service = InPod(NAMESPACE, served.service.token)
    service.await_ready()
    assert IMAGE in results(service)
    held = json.loads(site.kubectl("get", "configmap", "scanmatrix-config", "-o", "json"))["data"]
    changed = {"data": {"scanmatrix.yaml": held["scanmatrix.yaml"] + "# changed\n"}}
    site.kubectl("patch", "configmap", "scanmatrix-config", "--type=merge", "-p", json.dumps(changed))
    restarts = "jsonpath={.items[*].status.containerStatuses[0].restartCount}"
    pods = ("get", "pods", "-l", "app.kubernetes.io/component=service", "-o", restarts)
    await_(lambda: site.kubectl(*pods) == "1", 150, "its pod to start again")
    service.await_ready()
    assert IMAGE in results(service)
