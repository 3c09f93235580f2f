"""Jobs of events as Workflows: what their pods may do, and that texts mean themselves."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.argo.command_line import parse
from orchestrator.argo.jobs import JobRecord
from orchestrator.workflows.jobs import compiled
from orchestrator.workflows.manifests import to_yaml
from orchestrator.workflows.pods import container_security, opaque
from orchestrator.workflows.settings import RenderError
from tests.golden import check_golden
from tests.unit.workflows.jobs import COMMIT, EVENT, REPOSITORY, config_of, job, order_of

IMAGE = f"registry.example.com/load/locust@sha256:{'1' * 64}"
WHOLE = job(f"""
- name: Load
  image: {IMAGE}
  files: [locust/basic.py, data/]
  cmd: [locust]
  args: [-f, /keptn/locust/basic.py, --host, $(HOST), "{{{{workflow.name}}}} stays"]
  workingDir: /keptn
  env:
    - {{name: HOST, value: $.data.project, valueFrom: event}}
    - {{name: STATIC, value: "$(HOST)-1", valueFrom: string}}
    - {{name: load-secrets, valueFrom: secret}}
  envFrom: [{{configMapRef: {{name: settings}}, prefix: SET_}}]
  resources: {{limits: {{cpu: "2", memory: 1Gi}}}}
  maxPollDuration: 600
  ttlSecondsAfterFinished: 120
  annotations: {{example.com/why: load}}
  labels: {{example.com/team: a}}
  networkPolicy: {{egress: [{{cidr: 203.0.113.0/24, ports: [443]}}, {{namespace: shop, pods: {{app: web}}}}]}}
- name: Report
  image: {IMAGE}
  cmd: [report]
""")


@pytest.fixture
def config(tmp_path):
    return config_of(tmp_path)


def templates(text, config, **more):
    spec = compiled(order_of(text, **more), config).workflow["spec"]
    return {each["name"]: each for each in spec["templates"]}


def variables(container):
    return {each["name"]: each.get("value") for each in container["env"]}


def filled(text, values):
    """As Kubernetes fills in a command, or a variable (k8s.io/kubernetes/third_party/forked/golang/expansion)."""
    found, at = "", 0
    while at < len(text):
        if text[at] == "$" and text[at + 1 : at + 2] == "$":
            found, at = found + "$", at + 2
        elif text[at] == "$" and text[at + 1 : at + 2] == "(" and (end := text.find(")", at)) > 0:
            name = text[at + 2 : end]
            found, at = found + values.get(name, f"$({name})"), end + 1
        else:
            found, at = found + text[at], at + 1
    return found


def started(container):
    """What a container is started with, and its variables, once Kubernetes has filled them in."""
    known = {}
    for name, value in variables(container).items():
        known[name] = filled(value, known)
    return [filled(word, known) for word in [*container.get("command", []), *container.get("args", [])]], known


def test_a_whole_job(config):
    found = compiled(order_of(WHOLE), config)
    check_golden(Path(__file__).with_name("job.golden.yaml"), to_yaml([found.workflow, *found.policies]))


def test_the_second_task_waits_for_the_first(config):
    found = templates(WHOLE, config)["job"]
    assert [[step["name"] for step in together] for together in found["steps"]] == [["task-1"], ["task-2"]]


def test_a_task_is_as_closed_as_a_scanner(config):
    found = compiled(order_of(WHOLE), config)
    spec = found.workflow["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    restricted = container_security().model_dump(by_alias=True, exclude_none=True)
    for pod in found.pods:
        assert pod["containers"][0]["securityContext"] == restricted
        assert pod["automountServiceAccountToken"] is False
        for volume in pod["volumes"]:
            assert "persistentVolumeClaim" not in volume
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"]
        # Git's credentials are with what fetches alone.
        assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == {"files", "scratch-main"}
    patch = json.loads(templates(WHOLE, config)["task-1"]["podSpecPatch"])
    [main] = [each for each in patch["containers"] if each["name"] == "main"]
    assert {mount["subPath"] for mount in main["volumeMounts"] if mount.get("readOnly")} == {
        "argoexec",
        "template",
        "ctr",
    }


def test_files_are_fetched_before_by_the_commit_of_the_event(config):
    found = templates(WHOLE, config)
    [fetching] = found["task-1"]["initContainers"]
    step = parse([filled(word, {"SCANMATRIX_BRACE": "{"}) for word in fetching["args"]])
    assert (step.repository, step.commit, step.files) == (REPOSITORY, COMMIT, ("locust/basic.py", "data"))
    assert step.folders == ("keptn-stages/dev/keptn-services/web", "keptn-stages/dev", "")
    assert (step.size, str(step.to)) == (20 * 1024**2, "/keptn")
    assert {mount["name"]: mount["mountPath"] for mount in fetching["volumeMounts"]}["files"] == "/keptn"
    [volume] = [each for each in found["task-1"]["volumes"] if each["name"] == "files"]
    assert volume["emptyDir"]["sizeLimit"] == "20Mi"
    # One without files has nothing that could reach the repository.
    assert "initContainers" not in found["task-2"]
    assert "hostAliases" not in found["task-2"]
    assert not any("secret" in each for each in found["task-2"]["volumes"])


def test_its_time_ends_the_pod(config, tmp_path):
    found = compiled(order_of(WHOLE), config).workflow["spec"]
    times = {each["name"]: each.get("activeDeadlineSeconds") for each in found["templates"]}
    assert (times["task-1"], times["task-2"]) == (600, 300)
    assert found["activeDeadlineSeconds"] == 600 + 300 + 2 * 120
    assert found["ttlStrategy"] == {"secondsAfterCompletion": 21600}  # the longest of its tasks
    config = config_of(tmp_path, "    longest: 100s\n")
    found = compiled(order_of(WHOLE), config).workflow
    assert found["spec"]["templates"][1]["activeDeadlineSeconds"] == 100
    record = msgspec.json.decode(found["metadata"]["annotations"]["scanmatrix/job-order"], type=JobRecord)
    assert {(task.timeout, task.bound) for task in record.tasks} == {(100, "events.jobs.longest")}


EXPRESSIONS = [
    "{{workflow.name}}", "{{=1+1}}", "{{{{x}}}}", "{{", "{", "}}{{", "{{{a}", "$(HOST)", "$$(HOST)", "$", "$({{x}})",
    "$$", "${{x}}", "{$(HOST){",
]  # fmt: skip


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_what_comes_with_an_event_means_itself(config, text):
    event = {**EVENT, "data": {**EVENT["data"], "project": "p", "text": text, "labels": {"l": text}}}
    found = compiled(
        order_of(job(f"""
- image: {IMAGE}
  cmd: [show]
  args: ["$(TEXT)"]
  env:
    - {{name: HOST, value: host, valueFrom: string}}
    - {{name: TEXT, value: $.data.text, valueFrom: event}}
"""), event), config,
    ).workflow  # fmt: skip
    written = msgspec.json.encode(found["spec"]).decode()
    patches = [each.get("podSpecPatch", "") for each in found["spec"]["templates"]]
    assert "{{" not in written
    assert not any("{{" in patch for patch in patches)
    container = found["spec"]["templates"][1]["container"]
    words, values = started(container)
    assert values["TEXT"] == values["LABELS_L"] == text
    assert words == ["show", text]


@pytest.mark.parametrize("text", [text for text in EXPRESSIONS if "$(HOST)" not in text and "$$" not in text])
def test_what_a_configuration_says_is_no_expression_of_argo(config, text):
    quoted = json.dumps(text)
    found = templates(job(f"- {{image: {IMAGE}, cmd: [show, {quoted}], args: [{quoted}], files: [{quoted}]}}"), config)
    assert "{{" not in json.dumps(found)
    words, _ = started(found["task-1"]["container"])
    assert words == ["show", text, text]
    fetched, _ = started(found["task-1"]["initContainers"][0])
    assert f"--file={text}" in fetched


def test_references_of_a_configuration_are_filled_in(config):
    [words, values] = started(templates(WHOLE, config)["task-1"]["container"])
    assert words == ["locust", "-f", "/keptn/locust/basic.py", "--host", "shop", "{{workflow.name}} stays"]
    assert values["STATIC"] == "shop-1"
    assert (values["KEPTN_SERVICE"], values["LABELS_TEAM_NAME"]) == ("web", "a")


@pytest.mark.parametrize(
    "key",
    ["workingDir: '/{{x}}'", "image: 'a/{{x}}'", "annotations: {a.b/c: '{{x}}'}"],
)
def test_an_expression_where_it_cannot_be_kept_as_text_is_refused(config, key):
    task = f"- {{image: {IMAGE}, cmd: [a], {key}}}" if "image" not in key else f"- {{{key}, cmd: [a]}}"
    with pytest.raises(RenderError, match=r"\{\{"):
        compiled(order_of(job(task)), config)


def test_names_of_one_variable_count_once_the_last(config):
    found = templates(job(f"""
- image: {IMAGE}
  env:
    - {{name: A, value: one, valueFrom: string}}
    - {{name: HOME, value: /keptn, valueFrom: string}}
    - {{name: A, value: two, valueFrom: string}}
"""), config)  # fmt: skip
    names = [each["name"] for each in found["task-1"]["container"]["env"]]
    assert len(names) == len(set(names))
    assert "SCANMATRIX_BRACE" not in names  # nothing here has two braces
    assert variables(found["task-1"]["container"])["A"] == "two"
    assert variables(found["task-1"]["container"])["HOME"] == "/keptn"


def test_the_program_of_an_image_is_named_for_a_task_without_a_command(config):
    found = templates(job(f"- {{image: {IMAGE}}}"), config, entrypoint=("/entry", "$(HOME)"), defaults=("serve",))
    assert found["task-1"]["container"]["command"] == ["/entry", "$$(HOME)"]
    assert found["task-1"]["container"]["args"] == ["serve"]
    found = templates(job(f"- {{image: {IMAGE}, args: ['$(HOME)']}}"), config, entrypoint=("/entry",), defaults=("x",))
    assert found["task-1"]["container"]["args"] == ["$(HOME)"]
    assert "command" not in templates(job(f"- {{image: {IMAGE}}}"), config)["task-1"]["container"]


@pytest.mark.parametrize(
    ("asked", "cpu", "memory"),
    [
        ("", ("50m", "1"), ("128Mi", "512Mi")),
        ("resources: {limits: {memory: 64Mi}}", ("50m", "1"), ("64Mi", "64Mi")),
        ("resources: {requests: {memory: 2Gi, cpu: '3'}}", ("3", "3"), ("2Gi", "2Gi")),
        ("resources: {requests: {cpu: 10m}, limits: {cpu: 20m}}", ("10m", "20m"), ("128Mi", "512Mi")),
    ],
)
def test_resources_are_those_of_the_installation_where_a_task_says_nothing(config, asked, cpu, memory):
    found = templates(job(f"- {{image: {IMAGE}{', ' if asked else ''}{asked}}}"), config)
    resources = found["task-1"]["container"]["resources"]
    assert (resources["requests"]["cpu"], resources["limits"]["cpu"]) == cpu
    assert (resources["requests"]["memory"], resources["limits"]["memory"]) == memory
    assert "ephemeral-storage" in resources["limits"]


def test_a_token_only_for_a_task_that_asks_for_one(config):
    found = templates(job(f"- {{image: {IMAGE}, serviceAccount: deployer, enableKubernetesApiAccess: true}}"), config)
    assert found["task-1"]["serviceAccountName"] == "deployer"
    assert found["task-1"]["automountServiceAccountToken"] is True
    found = templates(job(f"- {{image: {IMAGE}, serviceAccount: deployer}}"), config)
    assert found["task-1"]["automountServiceAccountToken"] is False
    with pytest.raises(RenderError, match="needs a serviceAccount"):
        compiled(order_of(job(f"- {{image: {IMAGE}, enableKubernetesApiAccess: true}}")), config)
    for own in ("scanmatrix", "scanmatrix-service"):
        with pytest.raises(RenderError, match=r"config.yaml:\d+: .* account of scanmatrix"):
            compiled(order_of(job(f"- {{image: {IMAGE}, serviceAccount: {own}}}")), config)


def test_what_a_task_asks_of_its_security_is_in_what_admission_sees(config):
    task = (
        f"- {{image: {IMAGE}, securityContext: {{privileged: true, runAsUser: 0, capabilities: {{add: [NET_ADMIN]}}}}}}"
    )
    [pod] = compiled(order_of(job(task)), config).pods
    found = pod["containers"][0]["securityContext"]
    assert (found["privileged"], found["runAsUser"]) == (True, 0)
    assert found["capabilities"] == {"add": ["NET_ADMIN"], "drop": ["ALL"]}
    assert found["allowPrivilegeEscalation"] is False


def test_labels_of_a_task_never_replace_those_by_which_policies_find_its_pod(config):
    found = templates(job(f"- {{image: {IMAGE}, labels: {{team: a}}}}"), config)
    labels = found["task-1"]["metadata"]["labels"]
    assert labels["team"] == "a"
    assert labels["app.kubernetes.io/component"] == "job"
    assert not any(name.startswith("scanmatrix/r") for name in labels)  # none of a run


def test_the_workflow_says_what_it_is_about_and_has_one_name(config):
    found = compiled(order_of(WHOLE), config).workflow
    assert found == compiled(order_of(WHOLE), config).workflow
    assert found["metadata"]["name"] == "job-00112233aabbccdd-7-0"
    record = msgspec.json.decode(found["metadata"]["annotations"]["scanmatrix/job-order"], type=JobRecord)
    assert (record.source, record.event, record.commit) == ("/ci", "4711", COMMIT)
    assert [task.timeout for task in record.tasks] == [600, 300]
    assert "scanmatrix/run" not in found["metadata"]["labels"]  # it is no run of scans


def test_more_than_argo_takes_is_refused(config):
    event = {**EVENT, "data": {**EVENT["data"], "text": "x" * 100_000}}
    variables = ", ".join(f"{{name: V{number}, value: $.data.text, valueFrom: event}}" for number in range(12))
    with pytest.raises(RenderError, match="Argo runs none of more than"):
        compiled(order_of(job(f"- {{image: {IMAGE}, env: [{variables}]}}"), event), config)


@given(st.text(alphabet="{}$()Ab= ", max_size=24))
@example("$$({x})")
@example("$$$(A){{")
@example("$($$)")
@example("$(A$(A))$($(A)$$")
def test_any_text_means_for_a_container_what_it_meant_before(text):
    known = {"A": "{{b}}", "b": "$(A)", "SCANMATRIX_BRACE": "{"}
    literal, reference = opaque(text, expands=False), opaque(text, expands=True)
    assert "{{" not in literal
    assert "{{" not in reference
    assert filled(literal, known) == text
    assert filled(reference, known) == filled(text, known)
