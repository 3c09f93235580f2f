"""Jobs of events in a cluster: from an event at a running service to what its sink is sent, with files out of real git.

The service runs on this machine, as people run `scanmatrix serve`; the pods are the cluster's.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.images import ORCHESTRATOR
from tests.cluster.state import NODE_IP
from tests.e2e.jobs import GIT_SECRET, PASSWORD, USER, GitHost, Jobs, git_host, run
from tests.e2e.site import Site, await_, make_site
from tests.tools import repositories
from tests.tools.receivers import Hook, webhook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.tools.git_servers import GitHttp
    from tests.tools.upstream import Upstream

NAMESPACE = "e2e-jobs"
_LISTENING = re.compile(r"listening on (http://\S+)")
#: What a task sees and manages to do, as one line of JSON.
_LOOK = """
import json, os, pathlib, socket, sys
def can(what, *given):
    try:
        what(*given)
        return True
    except OSError:
        return False
def connects(host, port):
    socket.create_connection((host, int(port)), 3).close()
keptn = pathlib.Path("/keptn")
print("SEEN " + json.dumps(dict(
    arguments=sys.argv[1:], uid=os.getuid(), environment=dict(os.environ),
    files=dict((str(each.relative_to(keptn)), each.read_text()) for each in keptn.rglob("*") if each.is_file()),
    token=os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"),
    root=can(pathlib.Path("/probe").touch), git=os.path.exists("/git"),
    argo=can(pathlib.Path("/var/run/argo/argoexec").open, "ab"),
    keptn=can((keptn / "own").touch), resolves=can(socket.getaddrinfo, "kubernetes.default.svc.cluster.local", 443),
    reaches=[each for each in os.environ.get("ADDRESSES", "").split() if can(connects, *each.split(","))],
)))
"""


def seen(data: dict[str, Any], task: int = 0) -> dict[str, Any]:
    """What a task that looks around saw."""
    log = data["job"]["tasks"][task]["log"]
    found = re.search(r"^SEEN (.*)$", log, re.MULTILINE)
    assert found, data
    return json.loads(found[1])


def look(*arguments: str, **task: Any) -> dict[str, Any]:
    return {"name": "look", "cmd": ["python3", "-c", _LOOK], "args": list(arguments), **task}


@contextmanager
def serve(site: Site, folder: Path, environment: dict[str, str]) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The service as people run it, with the kubeconfig of the cluster."""
    command = [sys.executable, "-m", "scanmatrix", "serve", "--port", "0"]
    command += ["--config", str(site.folder / "scanmatrix.yaml"), "--volume", str(folder / "volume")]
    with (folder / "service.log").open("a+") as log:
        begin = log.tell()
        process = subprocess.Popen(command, stderr=log, env={**os.environ, **environment})
        try:
            end = time.monotonic() + 90
            while not (found := _LISTENING.search((folder / "service.log").read_text()[begin:])):
                assert process.poll() is None, (folder / "service.log").read_text()
                assert time.monotonic() < end
                time.sleep(0.1)
            yield found[1], process
        finally:
            process.terminate()
            process.wait(60)


def environment(server: GitHttp, hook: Hook) -> dict[str, str]:
    """What the service needs: git's login and certificate, and its sink."""
    return {
        "SCANMATRIX_GIT_HOST": f"{NODE_IP}:{server.port}",
        "SCANMATRIX_GIT_USERNAME": USER,
        "SCANMATRIX_GIT_TOKEN": PASSWORD,
        "GIT_SSL_CAINFO": str(server.root / "server.pem"),
        "SINK_URL": hook.url,
    }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHost]:
    with git_host(tmp_path_factory.mktemp("git")) as found:
        yield found


@pytest.fixture(scope="module")
def listening() -> Iterator[int]:
    """A port of the node where somebody answers."""

    def accept() -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                server.accept()[0].close()

    with socket.create_server((NODE_IP, 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]


@pytest.fixture(scope="module")
def jobs(upstream: Upstream, served: GitHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    server, bare = served
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "site").mkdir()
    with webhook() as hook:
        section = {
            "git": {"url": served.url, "ref": "main"},
            "events": ["com.example.*"],
            "secrets": ["allowed"],
            "resources": {"cpu": "20m", "memory": "32Mi"},
        }
        settings = {
            "argo": {"gitSecret": GIT_SECRET},
            "events": {"jobs": section, "sinks": [{"url": "${SINK_URL}"}]},
            "limits": {"retries": 1},
        }
        csv = "image\nno-such-image:1\n"
        with make_site(folder / "site", NAMESPACE, upstream, csv=csv, settings=settings) as site:
            served.make_secret(site)
            for name in ("allowed", "forbidden"):
                site.kubectl("create", "secret", "generic", name, f"--from-literal=OF_{name.upper()}=correct-horse")
            with serve(site, folder, environment(server, hook)) as (url, _):
                yield Jobs(url, hook, site, bare)


def test_a_task_gets_exactly_its_files_and_nothing_else(jobs: Jobs, listening: int):
    addresses = f"{NODE_IP},{listening} {NODE_IP},10250"
    task = look(
        "$(TEXT)", "{{workflow.name}}", "{{=1+1}}",
        files=["own/basic.py", "shared/stage.txt", "shared/project.txt"],
        env=[
            {"name": "TEXT", "value": "$.data.text", "valueFrom": "event"},
            {"name": "ADDRESSES", "value": addresses, "valueFrom": "string"},
            {"name": "allowed", "valueFrom": "secret"},
        ],
    )  # fmt: skip
    commit = jobs.push("whole", [task], **{"own__basic.py": "first"})
    jobs.push("whole", [task], **{"own__basic.py": "second"})
    jobs.send("whole", commit=commit, text="{{workflow.uid}} $(HOME) {{=1+1}}", labels={"l": "{{pod.name}}"})
    data = jobs.finished("whole")
    assert (data["status"], data["result"], data["job"]["commit"]) == ("succeeded", "pass", commit)
    found = seen(data)
    # Which folder has it, and at which commit; nothing beside it.
    assert found["files"] == {
        "own/basic.py": "first",
        "shared/stage.txt": "of the stage",
        "shared/project.txt": "of the project",
    }
    # Texts stay what they are.
    assert found["arguments"] == ["{{workflow.uid}} $(HOME) {{=1+1}}", "{{workflow.name}}", "{{=1+1}}"]
    environment = found["environment"]
    assert environment["LABELS_L"] == "{{pod.name}}"
    assert (environment["KEPTN_PROJECT"], environment["KEPTN_SERVICE"]) == ("shop", "whole")
    assert environment["OF_ALLOWED"] == "correct-horse"
    # What it may not.
    assert found["uid"] != 0
    assert (found["token"], found["root"], found["git"], found["argo"]) == (False, False, False, False)
    assert found["keptn"] is True
    assert (found["resolves"], found["reaches"]) == (False, [])
    assert data["job"]["tasks"][0]["image"] == ORCHESTRATOR


def test_a_task_reaches_what_it_asked_for(jobs: Jobs, listening: int):
    variable = {"name": "ADDRESSES", "value": f"{NODE_IP},{listening} {NODE_IP},10250", "valueFrom": "string"}
    egress = [{"cidr": f"{NODE_IP}/32", "ports": [listening]}]
    jobs.push("egress", [look(env=[variable], networkPolicy={"egress": egress})])
    jobs.send("egress")
    found = seen(jobs.finished("egress"))
    assert (found["resolves"], found["reaches"]) == (True, [f"{NODE_IP},{listening}"])


def test_the_second_task_does_not_run_when_the_first_fails(jobs: Jobs):
    first = run("print('working'); raise SystemExit(3)", name="first")
    jobs.push("fails", [first, run("print('never')", name="second")])
    jobs.send("fails")
    data = jobs.finished("fails")
    assert (data["status"], data["result"]) == ("succeeded", "fail")
    assert "task 1 (first) ended with exit code 3" in data["message"]
    assert [task["state"] for task in data["job"]["tasks"]] == ["failed", "omitted"]
    assert "working" in data["job"]["tasks"][0]["log"]
    name = jobs.workflows("fails")[0]["metadata"]["name"]
    pods = json.loads(jobs.site.kubectl("get", "pods", "-l", f"workflows.argoproj.io/workflow={name}", "-o", "json"))
    assert len(pods["items"]) == 1


def test_tasks_run_in_order(jobs: Jobs):
    jobs.push("order", [run("print('one')", name="first"), run("print('two')", name="second")])
    jobs.send("order")
    data = jobs.finished("order")
    first, second = data["job"]["tasks"]
    assert data["result"] == "pass"
    assert first["finished"] <= second["started"]
    states = [[task["state"] for task in each["job"]["tasks"]] for each in jobs.told("order", ".status.changed")]
    # It looks every few seconds, so not every state is seen.
    assert any("running" in each for each in states), states


def test_its_time_ends_the_pod_itself(jobs: Jobs):
    program = "import time; print('began', flush=True); time.sleep(600)"
    jobs.push("slow", [run(program, name="slow", maxPollDuration=20)])
    jobs.send("slow")
    data = jobs.finished("slow", seconds=120)
    assert (data["status"], data["result"]) == ("succeeded", "fail")
    assert "took longer than 20 s (maxPollDuration)" in data["message"]
    name = jobs.workflows("slow")[0]["metadata"]["name"]

    def ended() -> bool:
        selector = f"workflows.argoproj.io/workflow={name}"
        phases = jobs.site.kubectl("get", "pods", "-l", selector, "-o", "jsonpath={.items[*].status.phase}")
        return set(phases.split()) <= {"Failed", "Succeeded"}

    await_(ended, 60, "the pod to end")


def test_a_pod_that_can_never_start_ends_too(jobs: Jobs):
    jobs.push("nobody", [run("print('never')", name="nobody", serviceAccount="not-there", maxPollDuration=10)])
    jobs.send("nobody")
    data = jobs.finished("nobody", seconds=300)
    assert (data["status"], data["result"]) == ("errored", "fail")
    assert "not-there" in data["message"]


@pytest.mark.parametrize(
    ("name", "task", "said"),
    [
        ("missing", {"files": ["nowhere.py"]}, "there is no file or folder 'nowhere.py'"),
        ("link", {"files": ["shared/link"]}, "is a symbolic link"),
        ("through", {"files": ["out/keptn-stages"]}, "leads through 'out'"),
        ("large", {"files": ["large.bin"], "emptyDirSizeLimit": "1Mi"}, "1.0 MiB are the most"),
        ("huge", {"emptyDirSizeLimit": "1Gi"}, "1.0 GiB for files is more than the 20.0 MiB"),
        ("escape", {"files": ["../../../shared/project.txt"]}, "leads out of the repository"),
        ("secret", {"env": [{"name": "forbidden", "valueFrom": "secret"}]}, "is none that tasks may read"),
        ("root", {"securityContext": {"privileged": True}}, "privileged"),
    ],
)
def test_what_may_not_be_ends_with_an_event_and_the_task_never_runs(
    jobs: Jobs, name: str, task: dict[str, Any], said: str
):
    if name == "large":
        work = jobs.bare.with_name(f"{jobs.bare.name}.work")
        repositories.commit(work, {"large.bin": base64.b64encode(os.urandom(2_000_000))})
    jobs.push(name, [run("print('it runs')", name=name, **task)])
    jobs.send(name)
    data = jobs.finished(name)
    assert (data["status"], data["result"]) == ("errored", "fail")
    assert said in data["message"]
    assert not any("it runs" in each.get("log", "") for each in data["job"]["tasks"])


def test_what_a_task_writes_beyond_its_folder_ends_it(jobs: Jobs):
    program = "import pathlib, time; pathlib.Path('/keptn/x').write_bytes(bytes(60_000_000)); time.sleep(280)"
    jobs.push("fills", [run(program, name="fills", maxPollDuration=300)])
    jobs.send("fills")
    data = jobs.finished("fills", seconds=360)
    assert data["result"] == "fail"
    assert "evicted" in data["message"]


def test_its_workflow_is_gone_when_nothing_is_to_be_kept(jobs: Jobs):
    jobs.push("gone", [run("print('gone')", name="gone", ttlSecondsAfterFinished=0)])
    jobs.send("gone")
    assert jobs.finished("gone")["result"] == "pass"
    await_(lambda: not jobs.workflows("gone"), 240, "its Workflow to be deleted")
    [told] = jobs.told("gone", ".started")
    label = f"scanmatrix/job={told['job']['id']}"
    await_(lambda: not jobs.site.kubectl("get", "networkpolicies", "-l", label, "-o", "name"), 60, "its policies to go")


def test_a_service_that_is_killed_runs_each_job_once(served: GitHost, jobs: Jobs, tmp_path: Path):
    """Beside the other one, with a store of its own."""
    server, _ = served
    for number in range(5):
        jobs.push(f"killed{number}", [run("import time; time.sleep(2); print('once')", name="once")])
    given = environment(server, jobs.hook)
    with serve(jobs.site, tmp_path, given) as (url, process):
        mine = Jobs(url, jobs.hook, jobs.site, jobs.bare)
        for number in range(5):
            mine.send(f"killed{number}")
        time.sleep(2)
        process.send_signal(signal.SIGKILL)
        process.wait()
    for pause in (3, 6):
        with serve(jobs.site, tmp_path, given) as (_, process):
            time.sleep(pause)
            process.send_signal(signal.SIGKILL)
            process.wait()
    with serve(jobs.site, tmp_path, given):
        for number in range(5):
            data = jobs.finished(f"killed{number}")
            assert data["result"] == "pass"
            assert data["job"]["tasks"][0]["log"].count("once") == 1
            assert len(jobs.workflows(f"killed{number}")) == 1
