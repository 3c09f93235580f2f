"""`job/config.yaml` read: both forms, each key, each quirk of the original, and every mistake at its line."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import PermanentError
from orchestrator.jobs.model import JobConfiguration, JobForm, JobJsonPath, TaskQuantities, TaskResources
from orchestrator.jobs.reading import JobError, decode_job, parse_job, read_job
from tests.unit.jobs.samples import job, task_of, wrong

SOURCE_PAGE = """\
    apiVersion: v2
    actions:
    - name: "Run tests"
      event: "sh.keptn.event.test.triggered"
      files:
      - locust/basic.py
      - locust/locust.conf
      image: "docker.io/locustio/locust"
      cmd: "locust"
      args: ['--config', '/keptn/locust/locust.conf', '-f', '/keptn/locust/basic.py', '--host', '$(HOST)']
    """
WITH_PLUGIN = """\
    apiVersion: v2
    actions:
    - name: "Run tests"
      events:
      - name: "sh.keptn.event.test.triggered"
      tasks:
      - plugin: "keptn-contrib/locust-test-job"
        files:
        - locust/basic.py
        - locust/locust.conf
        with:
          LOCUST_TEST=locust/basic.py
    """
COMPLEX = """\
    apiVersion: v2
    actions:
      - name: "Run locust"
        silent: true
        events:
          - name: "sh.keptn.event.test.triggered"
            jsonpath:
              property: "$.test.teststrategy"
              match: "locust"
        tasks:
          - name: "Run locust smoke tests"
            files: [/locust/basic.py, helm/]
            image: "locustio/locust"
            imagePullPolicy: Always
            cmd: [locust]
            args: ['-f', 8080]
            env:
              - {name: HOST, value: "$.data.deployment.deploymentURIsLocal[0]", valueFrom: event, as: json}
              - {name: locust-secret, valueFrom: secret}
              - {name: DATA_DIR, value: /tmp/data, valueFrom: string}
            envFrom: [{secretRef: {name: more}, prefix: M_}, {configMapRef: {name: less}}]
            resources: {limits: {cpu: 1, memory: 512Mi}, requests: {cpu: 50m}}
            workingDir: /bin
            maxPollDuration: 1000
            namespace: carts
            ttlSecondsAfterFinished: 600
            securityContext: {runAsUser: 7000, readOnlyRootFilesystem: false, capabilities: {add: [NET_RAW]}}
            serviceAccount: robot
            annotations: {vault.hashicorp.com/agent-inject: "true"}
            labels: {team: shop}
            networkPolicy: {egress: [{cidr: 203.0.113.0/24, ports: [443]}, {namespace: shop, pods: {app: web}}]}
            enableKubernetesApiAccess: true
            emptyDirSizeLimit: 10Mi
    """


def test_every_key_of_v2():
    found, notes = job(COMPLEX)
    assert notes == ()
    assert found.form is JobForm.V2
    [action] = found.actions
    assert (action.name, action.silent) == ("Run locust", True)
    assert action.events[0].jsonpath == JobJsonPath("$.test.teststrategy", "locust")
    [task] = action.tasks
    assert task.files == ("locust/basic.py", "helm")
    assert (task.image, task.image_pull_policy, task.cmd) == ("locustio/locust", "Always", ("locust",))
    assert task.args == ("-f", "8080")
    assert [(one.name, one.value_from, one.value, one.formatting) for one in task.env] == [
        ("HOST", "event", "$.data.deployment.deploymentURIsLocal[0]", "json"),
        ("locust-secret", "secret", None, None),
        ("DATA_DIR", "string", "/tmp/data", None),
    ]
    assert [(one.secret_ref or one.config_map_ref).name + one.prefix for one in task.env_from] == ["moreM_", "less"]
    assert task.resources == TaskResources(TaskQuantities("1", "512Mi"), TaskQuantities("50m"))
    assert (task.working_dir, task.max_poll_duration, task.namespace) == ("/bin", 1000, "carts")
    assert (task.ttl_seconds_after_finished, task.service_account) == (600, "robot")
    assert task.security_context.run_as_user == 7000
    assert task.security_context.read_only_root_filesystem is False
    assert task.security_context.capabilities.add == ("NET_RAW",)
    assert task.annotations == {"vault.hashicorp.com/agent-inject": "true"}
    assert task.labels == {"team": "shop"}
    assert [(one.cidr, one.namespace, one.pods, one.ports) for one in task.network_policy.egress] == [
        ("203.0.113.0/24", None, {}, (443,)),
        (None, "shop", {"app": "web"}, ()),
    ]
    assert task.enable_kubernetes_api_access
    assert task.empty_dir_size_limit == "10Mi"


def test_each_key_knows_its_line():
    [action] = job(COMPLEX).configuration.actions
    [task] = action.tasks
    assert action.place.at() == "job/config.yaml:3"
    assert action.place.at("events[0].jsonpath.match") == "job/config.yaml:9"
    assert task.place.at() == "job/config.yaml:11"
    assert task.place.at("image") == "job/config.yaml:13"
    assert task.place.at("env[2].name") == "job/config.yaml:20"
    assert task.place.at("securityContext.capabilities.add") == "job/config.yaml:27"
    assert task.place.at("securityContext.seccompProfile.type") == "job/config.yaml:27"
    assert task.place.at("hostNetwork") == "job/config.yaml:11"


def test_it_can_be_kept():
    configuration = job(COMPLEX).configuration
    assert msgspec.json.decode(msgspec.json.encode(configuration), type=JobConfiguration) == configuration


def test_what_a_task_has_without_saying():
    task = task_of("image: alpine")
    assert (task.name, task.max_poll_duration, task.ttl_seconds_after_finished) == ("task 1", 300, 21600)
    assert task.resources is task.security_context is task.namespace is task.service_account is None
    assert not task.enable_kubernetes_api_access


def test_the_older_form_of_the_source_s_page():
    found, notes = job(SOURCE_PAGE)
    assert found.form is JobForm.OLDER
    [action] = found.actions
    [event], [task] = action.events, action.tasks
    assert (event.name, event.is_whole) == ("sh.keptn.event.test.triggered", True)
    assert (task.name, task.image, task.cmd) == ("Run tests", "docker.io/locustio/locust", ("locust",))
    assert task.args[-2:] == ("--host", "$(HOST)")
    assert task.files == ("locust/basic.py", "locust/locust.conf")
    assert (task.place.at("image"), task.place.at("files[1]")) == ("job/config.yaml:8", "job/config.yaml:7")
    [note] = notes
    assert str(note).replace(" warning:", "") == (
        "job/config.yaml:3: actions[0]: has the older form (event, args, cmd, files, image); write events: [{name: …}],"
        " as apiVersion v2 has it"
    )


def test_the_oldest_form_has_no_version_and_commands_as_text():
    found, _ = job("""
        actions:
        - name: Run locust
          event: sh.keptn.event.test.triggered
          jsonpath: {property: $.test.teststrategy, match: health}
          tasks:
          - {name: smoke, image: locustio/locust, cmd: locust -f /keptn/locustfile.py}
    """)
    assert found.form is JobForm.OLDER
    [action] = found.actions
    assert action.events[0].jsonpath == JobJsonPath("$.test.teststrategy", "health")
    assert action.tasks[0].cmd == ("locust", "-f", "/keptn/locustfile.py")


def test_values_of_a_plugin_as_the_page_writes_them():
    found, notes = job(WITH_PLUGIN)
    [task] = found.actions[0].tasks
    assert (task.plugin, task.values) == ("keptn-contrib/locust-test-job", {"LOCUST_TEST": "locust/basic.py"})
    assert (task.name, found.form) == ("keptn-contrib/locust-test-job", JobForm.V2)
    [note] = notes
    assert str(note).replace(" warning:", "") == (
        "job/config.yaml:11: actions[0].tasks[0].with: is text; write a mapping, such as LOCUST_TEST: locust/basic.py"
    )


def test_keys_without_a_value_are_left_out_as_the_original_read_them():
    task = task_of("""
        image: alpine
        files:
        env:
        resources:
    """)
    assert (task.files, task.env, task.resources) == ((), (), None)


MISTAKES = {
    "{": "2: is not YAML here: while parsing a flow node did not find expected node content",
    "[]": "1: a job configuration is a mapping with apiVersion and actions",
    "apiVersion: v1\nactions: []": "1: apiVersion: 'v1' is not 'v2'",
    "actions: []": "1: key 'apiVersion' is missing",
    "apiVersion: v2": "1: key 'actions' is missing",
    "apiVersion: v2\nactions: {}": "2: actions: must be a list",
    "apiVersion: v2\nactions:\n- {}": "3: actions[0]: key 'events' is missing",
    "apiVersion: v2\nactions: []\nextra: 1": "3: unknown key 'extra'",
    "apiVersion: v2\nactions:\n- event: sh.keptn.*.triggered\n  image: a": (
        "3: actions[0].event: is compared as a whole, as the older form always was, so this never matches; for an"
        " expression write events: [{name: …}]"
    ),
    "apiVersion: v2\nactions:\n- event: e\n  events: []\n  image: a": (
        "3: actions[0].event: is the older form of 'events', which is there as well; keep one of them"
    ),
    "apiVersion: v2\nactions:\n- event: e\n  image: a\n  tasks: []": (
        "4: actions[0].image: belongs to a task, but there is 'tasks' as well; write it there"
    ),
    "apiVersion: v2\nactions:\n- jsonpath: {property: $, match: a}\n  image: a": (
        "3: actions[0].jsonpath: belongs to an event: write it below 'events'"
    ),
    "apiVersion: v2\nactions:\n- event: e\n  iamge: a\n  cmd: a": (
        "4: actions[0]: unknown key 'iamge', did you mean 'image'?"
    ),
    "apiVersion: v2\nactions:\n- event: e\n  image: a\n  cmd: sh -c 'ls -la'": (
        "5: actions[0].cmd: as text it is cut at blanks, whatever quotes there are; write a list of its words"
    ),
    "apiVersion: v2\nactions:\n- event: e\n  image: a\n  resources: {limits: {cpu: x}}": (
        "5: actions[0].resources.limits.cpu: 'x': write CPUs like 2, 0.5 or 500m"
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES)
def test_each_mistake_is_named_at_its_line(text):
    assert f"job/config.yaml:{MISTAKES[text]}" in wrong(text)


def test_all_mistakes_are_reported_at_once():
    lines = wrong("""
        apiVersion: v3
        actions:
        - name: one
          events: [{name: "("}]
          tasks: [{image: a, cmd: ls}, {img: b}]
    """)
    assert [line.partition(" ")[0] for line in lines] == [
        "job/config.yaml:2:", "job/config.yaml:5:", "job/config.yaml:6:", "job/config.yaml:6:",
    ]  # fmt: skip


OF_TASKS = {
    "image: a\ncmd: ls": "7: actions[0].tasks[0].cmd: must be a list",
    "image: a\ncmd: ['']": "7: actions[0].tasks[0].cmd: the first item is the program; it must not be empty",
    "name: a": "6: actions[0].tasks[0]: give it exactly one of image, plugin; this has none of them",
    "image: a\nplugin: b": "6: actions[0].tasks[0]: give it exactly one of image, plugin; this has image and plugin",
    "image: a\nimge: b": "7: actions[0].tasks[0]: unknown key 'imge', did you mean 'image'?",
    "image: a\nhostNetwork: true": "7: actions[0].tasks[0]: unknown key 'hostNetwork'",
    "image: a\nfiles: [ok, ../secret]": (
        "7: actions[0].tasks[0].files[1]: '../secret' leads out of the repository; list files and folders within it"
    ),
    "image: a\nfiles: [a/../../b]": (
        "7: actions[0].tasks[0].files[0]: 'a/../../b' leads out of the repository; list files and folders within it"
    ),
    "image: a\nfiles: [/]": (
        "7: actions[0].tasks[0].files[0]: '/' is no path of a file or folder; write it like locust/basic.py"
    ),
    "image: a\nresources: {}": (
        "7: actions[0].tasks[0].resources: is empty, which the original took for no limits at all: leave it out for"
        " those of the installation, or write limits"
    ),
    "image: a\nresources: {limits: {cpu: 1}, requests: {cpu: 1500m}}": (
        "7: actions[0].tasks[0].resources.requests.cpu: 1500m is more than the limit of 1"
    ),
    "image: a\nmaxPollDuration: 0": "7: actions[0].tasks[0].maxPollDuration: must be at least 1",
    "image: a\nttlSecondsAfterFinished: -1": "7: actions[0].tasks[0].ttlSecondsAfterFinished: must be at least 0",
    "image: a\nworkingDir: bin": (
        "7: actions[0].tasks[0].workingDir: 'bin': write an absolute path, such as /keptn/locust"
    ),
    "image: a\nimagePullPolicy: Sometimes": (
        "7: actions[0].tasks[0].imagePullPolicy: 'Sometimes' is not 'Always', 'IfNotPresent' or 'Never'"
    ),
    "image: a\nannotations:\n- key1: v": "7: actions[0].tasks[0].annotations: must be a mapping of keys",
    "image: a\nannotations: {container.apparmor.security.beta.kubernetes.io/main: unconfined}": (
        "7: actions[0].tasks[0].annotations[container.apparmor.security.beta.kubernetes.io/main]: names below"
        " container.apparmor.security.beta.kubernetes.io decide how pods are run, and are not a task's to set"
    ),
    "image: a\nlabels: {app: a b}": (
        "7: actions[0].tasks[0].labels.app: 'a b' is no value of a label; write 63 letters, digits, '-', '_', '.'"
    ),
    "image: a\nenv: [{name: A, value: x}]": "7: actions[0].tasks[0].env[0]: key 'valueFrom' is missing",
    "image: a\nenv: [{name: A, value: x, valueFrom: file}]": (
        "7: actions[0].tasks[0].env[0].valueFrom: 'file' is not 'string', 'event' or 'secret'"
    ),
    "image: a\nenv: [{name: A, valueFrom: event}]": (
        "7: actions[0].tasks[0].env[0].value: is missing: the JSONPath of the event's value, such as $.data.project"
    ),
    "image: a\nenv: [{name: A, value: data.x, valueFrom: event}]": (
        "7: actions[0].tasks[0].env[0].value: 'data.x' is not a JSONPath: expected 'TOKEN_ROOT', found 'TOKEN_NAME';"
        " write it like $.data.project or $.data.urls[0]"
    ),
    "image: a\nenv: [{name: A, value: $..a, valueFrom: event}]": (
        "7: actions[0].tasks[0].env[0].value: '$..a' has `..`, which is not supported; name the place: $.data.urls[0]"
    ),
    "image: a\nenv: [{name: LocustSecret, valueFrom: secret}]": (
        "7: actions[0].tasks[0].env[0].name: 'LocustSecret' is no name of a secret, which valueFrom: secret asks for"
    ),
    "image: a\nenv: [{name: s, value: k, valueFrom: secret}]": (
        "7: actions[0].tasks[0].env[0].value: is not read: the name is that of the secret, and each of its keys"
        " becomes a variable"
    ),
    "image: a\nenv: [{name: a b, value: k, valueFrom: string}]": (
        "7: actions[0].tasks[0].env[0].name: 'a b' is no name of a variable; write letters, digits, '_'"
    ),
    "image: a\nenv: [{name: A, value: k, valueFrom: string, as: json}]": (
        "7: actions[0].tasks[0].env[0].as: is only read with valueFrom: event"
    ),
    "image: a\nenvFrom: [{prefix: A}]": (
        "7: actions[0].tasks[0].envFrom[0]: give it exactly one of secretRef, configMapRef; this has none of them"
    ),
    "image: a\nwith: {A: b}": "7: actions[0].tasks[0].with: are values of a plugin; there is none here: use env",
    "plugin: a\ncmd: [sh]": "7: actions[0].tasks[0].cmd: is decided by the plugin; leave it out",
    "plugin: a\nenvFrom: [{secretRef: {name: a}}]": (
        "7: actions[0].tasks[0].envFrom: is decided by the plugin; leave it out"
    ),
    "plugin: a\nwith: A=1 A=2": "7: actions[0].tasks[0].with: 'A' is there twice",
    "plugin: a\nwith: \"A='1\"": "7: actions[0].tasks[0].with: No closing quotation",
    "image: a\nannotations: {'a b': c}": (
        "7: actions[0].tasks[0].annotations[a b]: 'a b' is no name of an annotation or label"
    ),
    "image: a\nenvFrom: [{secretRef: {name: a}, prefix: 1 A}]": (
        "7: actions[0].tasks[0].envFrom[0].prefix: '1 A' is no beginning of a variable's name"
    ),
    "image: a\nresources: {limits: {memory: 1Gi}, requests: {memory: 1025Mi}}": (
        "7: actions[0].tasks[0].resources.requests.memory: 1025Mi is more than the limit of 1Gi"
    ),
    "image: a\nenv: [{name: A, value: '$.a | $.b', valueFrom: event}]": (
        "7: actions[0].tasks[0].env[0].value: '$.a | $.b' is not a JSONPath: unexpected token '|'; write it like"
        " $.data.project or $.data.urls[0]"
    ),
    "image: a\nenv: [{name: A, value: '$.a[?@.b]', valueFrom: event}]": (
        "7: actions[0].tasks[0].env[0].value: '$.a[?@.b]' has a filter (`?`), which is not supported; name the place:"
        " $.data.urls[0]"
    ),
    "plugin: a\nwith: A": "7: actions[0].tasks[0].with: 'A' is not NAME=value; write a mapping: NAME: value",
    "image: a\nsecurityContext: {seccompProfile: {type: Localhost}}": (
        "7: actions[0].tasks[0].securityContext.seccompProfile.localhostProfile: belongs to type: Localhost, which"
        " needs it"
    ),
    "image: a\nnetworkPolicy: {egress: [{ports: [1]}]}": (
        "7: actions[0].tasks[0].networkPolicy.egress[0]: give it either cidr, or namespace and pods"
    ),
    "image: a\nnetworkPolicy: {egress: [{cidr: 169.254.169.254/32}]}": (
        "7: actions[0].tasks[0].networkPolicy.egress[0].cidr: 169.254.169.254/32 is reached by no pod, whatever its"
        " configuration says"
    ),
    "image: a\nnetworkPolicy: {egress: [{cidr: 203.0.113.7/24}]}": (
        "7: actions[0].tasks[0].networkPolicy.egress[0].cidr: '203.0.113.7/24' is no network; write it like"
        " 203.0.113.0/24, or 203.0.113.7/32"
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", OF_TASKS)
def test_each_mistake_of_a_task(text):
    assert wrong(text, task_of) == [f"job/config.yaml:{OF_TASKS[text]}"]


NOTES = {
    "image: a\ncmd: ['ls -la']": (
        "7: actions[0].tasks[0].cmd[0]: is the name of one program, blanks included; its words are items: [ls, -la]"
    ),
    "image: a\nttlSecondsAfterFinished: 5": "7: actions[0].tasks[0].ttlSecondsAfterFinished: counts as 60, the least",
    "image: a\nenv: [{name: KEPTN_STAGE, value: x, valueFrom: string}]": (
        "7: actions[0].tasks[0].env[0].name: KEPTN_STAGE is set from the event, after what stands here"
    ),
    "image: a\nenv: [{name: A, value: x, valueFrom: string}, {name: A, value: y, valueFrom: string}]": (
        "7: actions[0].tasks[0].env[1].name: A is there twice; the last one counts"
    ),
    "image: a\n- image: b\n- image: c": "",
    "image: a\ncmd: [/bin/sh, -ec]\nargs: [echo hello, 'echo $(KEPTN_STAGE)']": (
        "8: actions[0].tasks[0].args[1]: $(KEPTN_STAGE) makes what the event says a part of the script, commands"
        ' included; write "$KEPTN_STAGE", which the shell reads as a value'
    ),
    "image: a\ncmd: [bash, -c, 'echo $(A)']\nenv: [{name: A, valueFrom: event, value: $.data.a}]": (
        "7: actions[0].tasks[0].cmd[2]: $(A) makes what the event says a part of the script"
    ),
    "image: a\ncmd: [sh, -c, 'echo $(A) $(B)']\nenv: [{name: A, valueFrom: string, value: a}]": "",
    "image: a\ncmd: [sh, -c, 'echo $$(KEPTN_STAGE) $KEPTN_STAGE']": "",
    "image: a\ncmd: [sh, -c, 'echo $$$(KEPTN_STAGE)']": "7: actions[0].tasks[0].cmd[2]: $(KEPTN_STAGE) makes what",
    "image: a\ncmd: [echo]\nargs: [$(KEPTN_STAGE)]": "",
    "image: a\ncmd: [sh, script.sh, $(KEPTN_STAGE)]": "",
    "image: a\nname: x\n- {image: b, name: x}": (
        "8: actions[0].tasks[1]: a second task is named 'x'; logs do not say which is meant"
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", NOTES)
def test_what_is_accepted_but_perhaps_not_meant(text):
    indented = text.replace("\n", "\n    ").replace("    - ", "  - ")  # a further task
    head = "apiVersion: v2\nactions:\n- name: a\n  events: [{name: e}]\n  tasks:\n  - "
    notes = [str(note).replace(" warning:", "") for note in job(head + indented).notes]
    assert len(notes) == bool(NOTES[text])
    assert all(note.startswith(f"job/config.yaml:{NOTES[text]}") for note in notes)


def test_an_action_that_never_runs_is_noted():
    one = "events: [{name: a}, {name: b}], tasks: [{image: x}]"
    notes = job(f"""
        apiVersion: v2
        actions:
        - {{name: silent, silent: true, {one}}}
        - {{name: first, {one}}}
        - {{name: later, events: [{{name: b}}], tasks: [{{image: x}}]}}
        - {{name: other, events: [{{name: b}}, {{name: c}}], tasks: [{{image: x}}]}}
    """).notes
    [note] = notes
    assert str(note).replace(" warning:", "") == (
        "job/config.yaml:6: actions[2]: is never run: the same events start 'first' before it, and only the first one"
        " is run"
    )


def test_too_much_is_refused():
    many = "".join("- {events: [{name: a}], tasks: [{image: a}]}\n" for _ in range(101))
    assert "has 101 items; at most 100 are accepted" in wrong(f"apiVersion: v2\nactions:\n{many}")[0]
    assert "no real one is as large" in wrong("apiVersion: v2\nactions: []\n" + "#" * 1024**2)[0]
    assert "at most 512 are accepted" in wrong(
        f"apiVersion: v2\nactions: [{{events: [{{name: {'a' * 513}}}], tasks: [{{image: a}}]}}]"
    )[0]  # fmt: skip


def test_too_much_of_a_task_is_refused():
    [line] = wrong(f"image: a\nargs: [{', '.join(['x'] * 1001)}]", task_of)
    assert line == "job/config.yaml:7: actions[0].tasks[0].args: has 1,001 items; at most 1,000 are accepted"
    [line] = wrong(f"image: a\nenv: [{{name: A, valueFrom: event, value: $.{'a' * 511}}}]", task_of)
    assert line.endswith("env[0].value: is a JSONPath of 513 characters; at most 512 are accepted")


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(JobError, match="there is no such file"):
        read_job(tmp_path / "config.yaml")
    with pytest.raises(JobError, match="is not UTF-8 text"):
        decode_job(b"apiVersion: v2\n# \xff", "job/config.yaml")


WORDS = st.sampled_from([
    "apiVersion", "v2", "actions", "name", "events", "event", "jsonpath", "property", "match", "tasks", "image",
    "plugin", "with", "files", "cmd", "args", "env", "value", "valueFrom", "secret", "$.data", "resources", "limits",
    "cpu", "memory", "securityContext", "labels", "networkPolicy", "egress", "cidr", "", "x", "../x", "((", "K=V",
])  # fmt: skip
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 10**6), st.floats(allow_nan=False), WORDS, st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=25,
)
ACTIONS = st.lists(st.dictionaries(WORDS, VALUES, max_size=6), max_size=3)


def _held_to_its_promise(read):
    """Whatever is read is whole; whatever is refused is refused as what people wrote."""
    try:
        found, notes = read()
    except JobError as error:
        told = [(problem.file, bool(problem.message)) for problem in error.problems]
        assert set(told) == {("j", True)}
        return
    assert isinstance(notes, tuple)
    for action in found.actions:
        assert action.events
        assert action.tasks
        assert action.place.line > 0
        for task in action.tasks:
            assert bool(task.image) != bool(task.plugin)
            assert not any(".." in path.split("/") or path.startswith("/") for path in task.files)


@given(st.text(max_size=300))
def test_any_text(text):
    _held_to_its_promise(lambda: parse_job(text, "j"))


@given(st.binary(max_size=300))
def test_any_bytes(data):
    _held_to_its_promise(lambda: decode_job(data, "j"))


@given(ACTIONS, st.booleans())
def test_any_actions(actions, versioned):
    data = ({"apiVersion": "v2"} if versioned else {}) | {"actions": actions}
    _held_to_its_promise(lambda: parse_job(json.dumps(data), "j"))


TASKS = st.dictionaries(WORDS, VALUES, max_size=6).map(lambda task: {"image": "a", **task})


@given(st.lists(TASKS, min_size=1, max_size=3))
def test_any_tasks(tasks):
    data = {"apiVersion": "v2", "actions": [{"events": [{"name": "e"}], "tasks": tasks}]}
    _held_to_its_promise(lambda: parse_job(json.dumps(data), "j"))


def test_mistakes_are_the_user_s():
    assert issubclass(JobError, PermanentError)
