"""From an accepted event to a Workflow, and from its end to what sinks are sent: real git, store and API of a cluster.

What only a cluster can show (pods, policies, deadlines) is in `tests/e2e/test_event_jobs.py`.
"""

import json
import os
import random
import re
import sqlite3
import time
from collections import Counter

import pytest

from orchestrator.config.loading import load_config
from orchestrator.engines.argo.jobs import ArgoJobs
from orchestrator.errors import TemporaryError
from orchestrator.receiving.messages import digest_of
from orchestrator.service.events.jobs.admission import JudgedTasks
from orchestrator.service.events.jobs.configurations import JobConfigurations
from orchestrator.service.events.jobs.orders import JobPlanner, RefusedTaskError
from orchestrator.service.events.jobs.runner import JobRunner, job_id
from orchestrator.service.events.sinks import EventSinks
from orchestrator.store.inbox.messages import JOBS, AcceptedEvent
from orchestrator.store.inbox.store import InboxStore
from tests.integration.test_event_runs import serve, until
from tests.tools import repositories, require
from tests.tools.git_servers import git
from tests.tools.receivers import webhook

TYPE = "sh.keptn.event.test.triggered"
JOB = """
apiVersion: v2
actions:
  - name: Notify
    silent: true
    events: [{name: sh.keptn.event.test.triggered, jsonpath: {property: $.data.notify, match: "yes"}}]
    tasks: [{name: Note, image: registry.example/note:1, cmd: [note]}]
  - name: Run tests
    events: [{name: sh.keptn.event.test.triggered}]
    tasks:
      - {name: Load, image: registry.example/load:1, cmd: [locust, "{{workflow.name}}"], files: [locust/basic.py]}
      - {name: Report, image: registry.example/report:1, cmd: [report], ttlSecondsAfterFinished: 0}
  - name: Never
    events: [{name: sh.keptn.event.test.triggered}]
    tasks: [{image: registry.example/never:1}]
"""


class Admission:
    """Pins what it is asked about; refuses what it is to refuse."""

    bounds_folders = False

    def __init__(self):
        self.refused = {}

    def pinned(self, job, order):
        for task in order.tasks:
            if why := self.refused.get(task.image):
                raise why
        digest = "sha256:" + "a" * 64
        return order._replace(tasks=tuple(task._replace(image=f"{task.image}@{digest}") for task in order.tasks))

    def confirm(self, job, order):
        assert all("@sha256:" in task.image for task in order.tasks)


@pytest.fixture
def repository(tmp_path):
    require("git")
    repositories.make(tmp_path / "jobs.git", {"job/config.yaml": JOB, "locust/basic.py": "x"})
    return tmp_path / "jobs.git"


class Service:
    """What a replica of the service does about jobs, one look at a time."""

    def __init__(self, folder, repository, **jobs):
        section = {"git": {"url": f"file://{repository}", "ref": "main"}, **jobs}
        text = {
            "volume": {"path": "volume"},
            "limits": {"retries": 0},
            "argo": {"namespace": "scans"},
            "events": {"jobs": section, "sinks": [{"url": "https://sink.example/x"}]},
        }
        (folder / "scanmatrix.yaml").write_text(json.dumps(text))
        self.config = load_config(folder / "scanmatrix.yaml", environment={})
        self.inbox = InboxStore(f"sqlite:///{folder}/store.db", patience=5)
        self.inbox.migrate()
        self.sinks = EventSinks(self.config.events, {})
        self.admission = Admission()
        self.counted = Counter()
        self.restart()

    def restart(self):
        section = self.config.events.jobs
        self.runner = JobRunner(
            self.config,
            self.inbox,
            self.sinks,
            count=lambda sender, outcome, number: self.counted.update({str(outcome): number}),
            planner=JobPlanner(self.config, {}, self.admission),
            configurations=JobConfigurations(section, retries=0),
            engine=ArgoJobs(self.config),
        )

    def accept(self, number=1, *, kind=TYPE, commit="", **data):
        event = {"specversion": "1.0", "id": str(number), "source": "/ci", "type": kind, "shkeptncontext": "c-1"}
        event |= {"gitcommitid": commit} if commit else {}
        event["data"] = {"project": "shop", "stage": "dev", "service": "web", **data}
        key = digest_of("/ci", str(number), "job")
        accepted = AcceptedEvent(key, "/ci", str(number), "cloudevents", JOBS, None, (), json.dumps(event))
        return self.inbox.accept([accepted], settle=0, most=100).new

    def work(self, lease=30):
        entries = self.inbox.take("me", {JOBS: 10}, lease=lease)
        for entry in entries:
            self.runner.attempt(entry)
        return entries

    def told(self):
        found = []
        [sink] = self.sinks.names
        while some := self.inbox.take_outgoing("me", sink, lease=30, most=10):
            for each in some:
                found.append(json.loads(each.body))
                self.inbox.mark_sent(each)
        return found


@pytest.fixture
def service(tmp_path, repository, api):
    return Service(tmp_path, repository)


def test_tasks_are_judged_by_the_policy_of_scans_before_they_run(tmp_path, repository, api):
    service = Service(tmp_path, repository)
    text = json.loads((tmp_path / "scanmatrix.yaml").read_text())
    policy = {"name": "ours", "images": ["registry.example/load"]}
    text["admission"] = {"policies": [policy], "maximum": {"emptyDir": "10Mi", "memory": "1Gi"}}
    (tmp_path / "scanmatrix.yaml").write_text(json.dumps(text))
    service.config = load_config(tmp_path / "scanmatrix.yaml", environment={})
    service.admission = JudgedTasks(service.config)
    service.restart()
    for number, (task, said) in enumerate(
        {
            "image: registry.example/other:1": "no policy is about",
            "image: registry.example/load:1, securityContext: {privileged: true}": "privileged",
            "image: registry.example/load:1, securityContext: {runAsUser: 0, runAsNonRoot: false}": "root",
            "image: registry.example/load:1, securityContext: {capabilities: {add: [NET_ADMIN]}}": "addedCapabilities",
            "image: registry.example/load:1, emptyDirSizeLimit: 11Mi": "emptyDir",
            "image: registry.example/load:1, resources: {limits: {memory: 2Gi}}": "memory",
        }.items()
    ):
        push_job(repository, f"{{{task}, cmd: [a]}}")
        service.accept(number)
        service.work()
        finished = service.told()[-1]["data"]
        assert said in finished["message"], (task, finished["message"])
        assert "job/config.yaml:2" in finished["message"]
    assert api.workflows == []
    for more in ("", ", emptyDirSizeLimit: 10Mi"):
        push_job(repository, f"{{image: 'registry.example/load:1', cmd: [a]{more}}}")
        service.accept(f"last{more}")
        service.work()
    assert len(api.workflows) == 2


def test_without_a_policy_tasks_are_still_held_to_what_is_restricted(service, api, repository):
    service.admission = JudgedTasks(service.config)
    service.restart()
    for number, asked in enumerate(["privileged: true", "capabilities: {add: [SYS_ADMIN]}", "runAsUser: 0"]):
        push_job(repository, f"{{image: 'a/b:1', cmd: [a], securityContext: {{{asked}}}}}")
        service.accept(number)
        service.work()
        assert "admission.forbidden" in service.told()[-1]["data"]["message"]
    assert api.workflows == []
    push_job(repository, "{image: 'a/b:1', cmd: [a]}")
    service.accept("last")
    service.work()
    assert len(api.workflows) == 1


def push_job(repository, task):
    """Have the branch hold a job of one task."""
    work = repository.with_name("jobs.git.work")
    text = f"apiVersion: v2\nactions: [{{name: A, events: [{{name: {TYPE}}}], tasks: [{task}]}}]\n"
    repositories.commit(work, {"job/config.yaml": text})
    git("push", "-q", str(repository), "HEAD:main", cwd=work)


def node(workflow, number, phase, **more):
    name = f"{workflow}-{number}"
    return {name: {"id": name, "name": name, "type": "Pod", "templateName": f"task-{number}", "phase": phase, **more}}


def pod(workflow, number, code=0, container="main"):
    state = {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed"}}
    statuses = [{"name": container, "state": state, "imageID": "x"}]
    kind = "initContainerStatuses" if container != "main" else "containerStatuses"
    return {
        "metadata": {
            "name": f"pod-{number}",
            "labels": {"workflows.argoproj.io/workflow": workflow},
            "annotations": {"workflows.argoproj.io/node-id": f"{workflow}-{number}"},
        },
        "status": {"phase": "Failed" if code else "Succeeded", kind: statuses},
    }


def end(api, phase, *nodes, pods=(), message=""):
    [workflow] = [each for each in api.workflows if each["metadata"]["name"].endswith("-1")]
    name = workflow["metadata"]["name"]
    together = {}
    for number, state, more in nodes:
        together |= node(name, number, state, **more)
    workflow["status"] = {"phase": phase, "nodes": together, "message": message,
                          "startedAt": "2026-11-30T06:00:00Z", "finishedAt": "2026-11-30T06:01:00Z"}  # fmt: skip
    api.pods = [pod(name, *each) for each in pods]
    return name


def test_an_event_becomes_one_workflow_and_its_end_one_event(service, api):
    service.accept()
    [entry] = service.work()
    [workflow] = api.workflows
    name = workflow["metadata"]["name"]
    assert name == f"{job_id(entry)}-1"
    policies = api.others["networkpolicies"]
    assert {each["metadata"]["ownerReferences"][0]["uid"] for each in policies} == {workflow["metadata"]["uid"]}
    assert len(policies) == 2
    images = [each["container"]["image"] for each in workflow["spec"]["templates"] if "container" in each]
    assert images == [f"registry.example/{each}:1@sha256:{'a' * 64}" for each in ("load", "report")]

    [started] = service.told()
    assert started["type"] == "sh.keptn.event.test.started"
    assert (started["triggeredid"], started["shkeptncontext"]) == ("1", "c-1")
    assert (started["data"]["project"], started["data"]["service"]) == ("shop", "web")
    assert [task["name"] for task in started["data"]["job"]["tasks"]] == ["Load", "Report"]

    end(api, "Running", (1, "Running", {}))
    service.runner.look()
    service.runner.look()
    [changed] = service.told()
    assert changed["type"] == "sh.keptn.event.test.status.changed"
    assert [task["state"] for task in changed["data"]["job"]["tasks"]] == ["running", "waiting"]
    assert "@sha256:" in changed["data"]["job"]["tasks"][0]["image"]

    end(api, "Succeeded", (1, "Succeeded", {}), (2, "Succeeded", {}), pods=[(1,), (2,)])
    api.logs = {("pod-1", "main"): "loaded\n", ("pod-2", "main"): "x" * 200_000 + "the end\n"}
    service.runner.look()
    [finished] = service.told()
    assert finished["type"] == "sh.keptn.event.test.finished"
    data = finished["data"]
    assert (data["status"], data["result"], data["job"]["outcome"]) == ("succeeded", "pass", "passed")
    assert data["test"] == {"start": "2026-11-30T06:00:00Z", "end": "2026-11-30T06:01:00Z"}
    assert "loaded" in data["message"]
    assert data["message"].endswith("the end\n")
    assert len(json.dumps(finished)) < 128 * 1024
    assert service.counted == {"job-passed": 1}
    service.runner.look()
    assert (service.told(), service.work()) == ([], [])
    assert service.accept() == set()


def test_the_second_task_does_not_run_after_the_first_failed_and_sinks_are_sent_why(service, api):
    service.accept(kind=TYPE)
    service.work()
    name = end(api, "Failed", (1, "Failed", {"message": "Error (exit code 3)"}), pods=[(1, 3)])
    api.logs = {("pod-1", "main"): "no host\n"}
    service.runner.look()
    finished = service.told()[-1]["data"]
    assert (finished["status"], finished["result"], finished["job"]["outcome"]) == ("succeeded", "fail", "failed")
    assert [task["state"] for task in finished["job"]["tasks"]] == ["failed", "omitted"]
    assert "task 1 (Load) ended with exit code 3" in finished["message"]
    assert "no host" in finished["message"]
    assert service.counted == {"job-failed": 1}
    assert any(each["metadata"]["name"] == name for each in api.workflows)  # it is kept, to be looked at


def test_a_file_that_is_missing_in_the_pod_is_an_error_with_its_reason(service, api):
    service.accept()
    service.work()
    end(api, "Failed", (1, "Failed", {"message": "files: Error (exit code 1)"}), pods=[(1, 1, "files")])
    api.logs = {("pod-1", "files"): "scanmatrix-step: there is no file or folder 'locust/basic.py'\n"}
    service.runner.look()
    finished = service.told()[-1]["data"]
    assert (finished["status"], finished["result"]) == ("errored", "fail")
    first = finished["message"].partition("\n")[0]  # behind it are the logs
    assert "task 1 (Load) its files could not be fetched" in first
    assert first.endswith("exit code 1: there is no file or folder 'locust/basic.py'")


def test_a_task_that_takes_too_long_has_failed(service, api):
    service.accept()
    service.work()
    message = "Pod was active on the node longer than the specified deadline"
    end(api, "Failed", (1, "Failed", {"message": message}))
    service.runner.look()
    finished = service.told()[-1]["data"]
    assert finished["result"] == "fail"
    assert "took longer than 300 s (maxPollDuration)" in finished["message"]


def test_what_is_killed_anywhere_submits_one_workflow_with_its_policies(service, api, monkeypatch):
    service.accept()
    places = ["POST .*networkpolicies", "POST .*/workflows$", "PATCH .*networkpolicies"]
    for number, broken in enumerate(places):
        api.faults = {broken: 422}
        with monkeypatch.context() as ended:  # as if the process had
            ended.setattr(JobRunner, "_failed", lambda *_: None)
            assert service.work(lease=0)
        service.inbox.renew("me", lease=0)
        service.restart()
        assert len(api.workflows) == (number > 1)
    api.faults = {}
    service.work(lease=0)
    service.inbox.renew("me", lease=0)
    service.restart()
    service.work()  # under way: it is followed, and nothing is submitted again
    assert len(api.workflows) == 1
    owners = [each["metadata"]["ownerReferences"][0]["uid"] for each in api.others["networkpolicies"]]
    assert owners == [api.workflows[0]["metadata"]["uid"]] * 2
    end(api, "Succeeded", (1, "Succeeded", {}), (2, "Succeeded", {}))
    service.runner.look()
    kinds = [each["type"].rpartition(".")[2] for each in service.told()]
    assert kinds == ["started", "finished"]


def test_what_was_begun_is_finished_by_the_commit_that_it_was_begun_with(service, api, repository, monkeypatch):
    service.accept(notify="yes")
    with monkeypatch.context() as ended:
        ended.setattr(JobRunner, "_follow", lambda *_: 1 / 0)
        ended.setattr(JobRunner, "_failed", lambda *_: None)
        service.work(lease=0)
    before = {each["metadata"]["name"] for each in api.workflows}
    work = repository.with_name("jobs.git.work")
    repositories.commit(work, {"job/config.yaml": JOB.replace("Run tests", "Other").replace("silent: true", "")})
    git("push", "-q", str(repository), "HEAD:main", cwd=work)
    service.inbox.renew("me", lease=0)
    service.restart()
    assert service.work()
    assert {each["metadata"]["name"] for each in api.workflows} == before
    assert len(before) == 2


def test_the_commit_that_an_event_names_counts_if_it_belongs_to_the_branch(service, api, repository):
    work = repository.with_name("jobs.git.work")
    first = git("rev-parse", "HEAD", cwd=work)
    repositories.commit(work, {"job/config.yaml": JOB.replace("load:1", "load:2")})
    git("push", "-q", str(repository), "HEAD:main", cwd=work)
    git("checkout", "-q", "-b", "proposal", cwd=work)
    foreign = repositories.commit(work, {"job/config.yaml": JOB.replace("load:1", "evil:1")})
    git("push", "-q", str(repository), "HEAD:refs/pull/1/head", cwd=work)
    service.accept(1, commit=first)
    service.accept(2)
    service.accept(3, commit=foreign)
    service.work()
    images = {
        json.loads(each["metadata"]["annotations"]["scanmatrix/job-order"])["event"]: each["spec"]["templates"][1][
            "container"
        ]["image"].partition("@")[0]
        for each in api.workflows
    }
    assert images == {"1": "registry.example/load:1", "2": "registry.example/load:2"}
    [fetching] = api.workflows[0]["spec"]["templates"][1]["initContainers"]
    assert first in fetching["args"]
    [finished] = [each for each in service.told() if each["type"].endswith(".finished")]
    assert finished["triggeredid"] == "3"
    assert "is not in the history of 'main'" in finished["data"]["message"]


def test_silent_actions_run_and_nobody_is_sent_anything_about_them(service, api):
    service.accept(notify="yes")
    service.work()
    assert sorted(each["metadata"]["name"][-2:] for each in api.workflows) == ["-0", "-1"]
    [started] = service.told()
    assert started["data"]["job"]["action"] == "Run tests"


def test_silent_actions_alone_send_nothing_even_when_they_fail(tmp_path, repository, api):
    work = repository.with_name("jobs.git.work")
    repositories.commit(work, {"job/config.yaml": JOB.replace("name: Run tests", "name: Run tests\n    silent: true")})
    text = (work / "job/config.yaml").read_text().replace("name: Never", "name: Never\n    silent: true")
    repositories.commit(work, {"job/config.yaml": text})
    git("push", "-q", str(repository), "HEAD:main", cwd=work)
    service = Service(tmp_path, repository)
    service.admission.refused = {"registry.example/never:1": RefusedTaskError("not allowed")}
    service.accept()
    service.work()
    [workflow] = api.workflows
    workflow["status"] = {"phase": "Failed", "nodes": node(workflow["metadata"]["name"], 1, "Failed", message="x")}
    service.runner.look()
    assert service.told() == []
    assert service.counted == {"job-errored": 1}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"job/config.yaml": None}, "there is no file or folder 'job/config.yaml'"),
        ({"job/config.yaml": "apiVersion: v3\nactions: []\n"}, "job/config.yaml:1: apiVersion"),
        ({"job/config.yaml": "a: [\n"}, "job/config.yaml:"),
    ],
)
def test_a_configuration_that_cannot_be_read_still_ends_with_an_event(service, api, repository, files, said):
    work = repository.with_name("jobs.git.work")
    for name, text in files.items():
        if text is None:
            (work / name).unlink()
    repositories.commit(work, {name: text for name, text in files.items() if text is not None})
    git("push", "-q", str(repository), "HEAD:main", cwd=work)
    service.accept()
    service.work()
    started, finished = service.told()
    assert started["type"].endswith(".started")
    assert (finished["data"]["status"], finished["data"]["result"]) == ("errored", "fail")
    assert said in finished["data"]["message"]
    assert service.counted == {"job-errored": 1}
    assert api.workflows == []


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("{image: a/b:1, emptyDirSizeLimit: 1Gi}", r"job/config.yaml:\d+: 1.0 GiB for files is more than the 20.0 MiB"),
        ("{image: a/b:1, files: [../../etc/passwd]}", "leads out of the repository"),
        ("{image: a/b:1, env: [{name: store, valueFrom: secret}]}", "the Secret store is none that tasks may read"),
        ("{image: a/b:1, envFrom: [{configMapRef: {name: x}}]}", "the ConfigMap x is none that tasks may read"),
        ("{image: a/b:1, namespace: kube-system}", "may not run in the namespace kube-system"),
        ("{image: a/b:1, serviceAccount: scanmatrix-service}", "is an account of scanmatrix itself"),
        ("{image: a/b:1, enableKubernetesApiAccess: true}", "needs a serviceAccount"),
        ("{image: a/b:1, workingDir: '/{{x}}'}", "which Argo Workflows would replace"),
        ("{image: a/b:1, env: [{name: A, value: $.data.none, valueFrom: event}]}", "the event has nothing at"),
        ("{plugin: nobody/knows}", "nobody/knows"),
        ("{image: refused/image:1}", "refused by a rule"),
    ],
)
def test_what_a_task_may_not_have_ends_with_an_event_that_says_where(service, api, repository, task, said):
    push_job(repository, task)
    service.admission.refused = {"refused/image:1": RefusedTaskError("refused by a rule")}
    service.accept()
    service.work()
    finished = service.told()[-1]
    assert finished["type"].endswith(".finished")
    assert finished["data"]["status"] == "errored"
    assert re.search(said, finished["data"]["message"]), finished["data"]["message"]
    assert api.workflows == []


def test_events_that_no_action_is_about_are_done_with_quietly(service, api):
    service.accept(kind="sh.keptn.event.deployment.triggered")
    service.work()
    assert (service.told(), service.counted, api.workflows) == ([], {"no-action": 1}, [])


def test_an_event_that_was_not_kept_as_it_came_ends_once_with_its_reason(service, api):
    service.accept(1)
    with sqlite3.connect(service.inbox.file) as connection:
        connection.execute("UPDATE inbox SET whole = substr(whole, 1, 20)")
    service.accept(2)
    assert len(service.work()) == 2
    assert service.counted == {"job-errored": 1}
    with sqlite3.connect(service.inbox.file) as connection:
        [(reason, outcome), (_, other)] = connection.execute("SELECT reason, outcome FROM inbox ORDER BY id").fetchall()
    assert "was not kept as it came" in reason
    assert (outcome, other) == ("job-errored", "")
    assert len(api.workflows) == 1


def test_what_is_away_is_tried_again_and_nothing_is_sent_meanwhile(service, api):
    service.admission.refused = {"registry.example/load:1": TemporaryError("the registry is away")}
    service.accept()
    service.work()
    assert (service.told(), api.workflows, service.inbox.counts().waiting) == ([], [], 1)


def test_a_workflow_that_somebody_deleted_ends_with_an_event(service, api):
    service.accept()
    service.work()
    api.workflows.clear()
    service.runner.look()
    finished = service.told()[-1]["data"]
    assert finished["status"] == "errored"
    assert "is gone" in finished["message"]


def test_a_workflow_of_the_same_name_that_is_something_else_is_left_alone(service, api):
    service.accept()
    [entry] = service.inbox.take("me", {JOBS: 10}, lease=30)
    api.workflows = [{"metadata": {"name": f"{job_id(entry)}-1", "uid": "x"}, "spec": {"suspend": True}, "status": {}}]
    service.runner.attempt(entry)
    assert api.workflows[0]["spec"] == {"suspend": True}
    assert api.others["networkpolicies"] == []
    assert "is not that of a job" in service.told()[-1]["data"]["message"]


def test_events_of_others_are_answered_in_our_own_words(tmp_path, repository, api):
    service = Service(tmp_path, repository, events=["com.example.*"])
    work = repository.with_name("jobs.git.work")
    repositories.commit(work, {"job/config.yaml": JOB.replace(TYPE, "com.example.built")})
    git("push", "-q", str(repository), "HEAD:main", cwd=work)
    service.accept(kind="com.example.built")
    service.work()
    end(api, "Succeeded", (1, "Succeeded", {}), (2, "Succeeded", {}), pods=[(1,), (2,)])
    api.logs = {("pod-1", "main"): "one\n", ("pod-2", "main"): "two\n"}
    service.runner.look()
    started, finished = service.told()
    assert (started["type"], finished["type"]) == ("io.scanmatrix.job.started", "io.scanmatrix.job.finished")
    assert [task["log"] for task in finished["data"]["job"]["tasks"]] == ["one\n", "two\n"]
    assert "triggeredid" not in finished


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.campaign)])
def test_a_service_that_is_killed_at_random_submits_each_job_once_and_says_how_each_ended(
    tmp_path, repository, api, kills
):
    seed = int(os.environ.get("JOB_SEED", "18"))
    chance, events = random.Random(seed), 12
    with webhook() as hook:
        section = {
            "jobs": {"git": {"url": f"file://{repository}", "ref": "main"}, "atOnce": 50},
            "sinks": [{"url": hook.url}],
        }
        text = {"volume": {"path": "volume"}, "engine": "argo", "argo": {"namespace": "scans"}, "events": section}
        (tmp_path / "scanmatrix.yaml").write_text(json.dumps(text))

        def told(kind):
            found = [json.loads(body) for _, body in hook.got]
            return {each["triggeredid"]: each["data"] for each in found if each["type"].endswith(kind)}

        accepted = set()
        for _ in range(kills):
            with serve(tmp_path) as (client, process):
                for number in chance.sample(range(events), 5):
                    event = {"specversion": "1.0", "id": str(number), "source": "/ci", "type": TYPE,
                             "data": {"project": "shop", "stage": "dev", "service": "web"}}  # fmt: skip
                    answer = client.post("/events", content=json.dumps(event),
                                         headers={"content-type": "application/cloudevents+json"})  # fmt: skip
                    assert answer.status_code in {200, 202}
                    accepted.add(str(number))
                time.sleep(chance.uniform(0, 1.5))
                process.kill()
                process.wait()
        with serve(tmp_path):
            until(lambda: len(api.workflows) >= len(accepted), seconds=90, log=tmp_path / "service.log")
            until(lambda: told(".started").keys() == accepted, seconds=90, log=tmp_path / "service.log")
            for workflow in api.workflows:
                name = workflow["metadata"]["name"]
                ended = node(name, 1, "Succeeded") | node(name, 2, "Succeeded")
                workflow["status"] = {"phase": "Succeeded", "nodes": ended}
            until(lambda: told(".finished").keys() == accepted, seconds=90, log=tmp_path / "service.log")
        about = [json.loads(each["metadata"]["annotations"]["scanmatrix/job-order"])["event"] for each in api.workflows]
        assert sorted(about) == sorted(accepted), f"seed {seed}"
        assert {data["result"] for data in told(".finished").values()} == {"pass"}
        assert len(api.others["networkpolicies"]) == 2 * len(accepted)
