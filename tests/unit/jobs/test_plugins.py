"""Plugins: their files, what a task may give them, and the plain task that comes of it."""

import json
import textwrap

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.jobs.inputs import judge_value
from orchestrator.jobs.matching import JobEventError, event_of, tasks_of
from orchestrator.jobs.plugin_model import PluginInput
from orchestrator.jobs.plugin_use import judge_uses, plain_task
from orchestrator.jobs.plugins import PluginError, find_plugin, load_plugins, plugins_folder, read_plugin
from tests.unit.jobs.samples import job

DIGEST = "sha256:" + "0" * 64
PLUGINS = load_plugins()
SMALL = {
    "name": "small",
    "description": "for tests",
    "image": f"registry.example/small@{DIGEST}",
    "command": ["small", "--text={TEXT}", "{COUNT}", "$(KEPTN_STAGE)"],
    "inputs": {"TEXT": {"description": "a text"}, "COUNT": {"description": "a number", "type": "integer", "most": 5}},
    "environment": {"BOTH": "{TEXT}-{COUNT}", "ALWAYS": "1"},
}


def small(tmp_path, **changes):
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump({key: value for key, value in (SMALL | changes).items() if value is not None}))
    return file


def use(written):
    head = "apiVersion: v2\nactions:\n- events: [{name: e}]\n  tasks:\n  - plugin: "
    return job(head + textwrap.indent(textwrap.dedent(written).strip(), "    ").strip()).configuration


def plain(written, plugins=PLUGINS, data=None):
    event = event_of({"type": "e", "id": "1"}, json.dumps(data or {}).encode())
    [matched] = tasks_of(use(written).actions[0], event)
    return plain_task(matched, plugins, event)


def test_the_shipped_ones():
    assert list(PLUGINS) == ["keptn-contrib/helm-deploy-job", "keptn-contrib/locust-test-job"]
    for name, plugin in PLUGINS.items():
        assert find_plugin(name) == plugins_folder() / f"{name}.yaml"
        assert plugin.image.startswith("docker.io/")


def test_the_helm_plugin_of_the_source_s_page():
    found = plain(
        """
        keptn-contrib/helm-deploy-job
        files: [helm/]
        enableKubernetesApiAccess: true
        """,
        data={"service": "carts", "project": "shop"},
    )
    assert found.task.cmd == (
        "helm", "upgrade", "--install", "--atomic", "--timeout=5m", "--", "carts", "/keptn/helm",
    )  # fmt: skip
    assert found.task.plugin == "keptn-contrib/helm-deploy-job"
    assert "@sha256:" in found.task.image
    assert ("HELM_RELEASE", "carts", True) in found.environment
    assert ("KEPTN_PROJECT", "shop", True) in found.environment
    assert found.task.resources.limits.memory == "256Mi"


def test_the_locust_plugin_of_the_source_s_page():
    found = plain(
        """
        keptn-contrib/locust-test-job
        files: [locust/basic.py, locust/locust.conf]
        with:
          LOCUST_TEST=locust/basic.py
        """,
        data={"deployment": {"deploymentURIsLocal": ["https://carts.example"]}},
    )
    assert found.task.cmd == (
        "locust", "--headless", "--only-summary", "--locustfile=/keptn/locust/basic.py", "--host=https://carts.example",
    )  # fmt: skip


def test_values_are_filled_in_once_and_never_by_kubernetes(tmp_path):
    plugins = {"small": read_plugin(small(tmp_path))[1]}
    text = "{COUNT} {{workflow.name}} $(KEPTN_STAGE)"
    found = plain(f"small\nwith: {{TEXT: '{text}', COUNT: 3}}", plugins)
    assert found.task.cmd == (
        "small", "--text={COUNT} {{workflow.name}} $$(KEPTN_STAGE)", "3", "$(KEPTN_STAGE)",
    )  # fmt: skip
    assert set(found.environment[:4]) == {
        ("TEXT", text, True), ("COUNT", "3", True),
        ("BOTH", "{COUNT} {{workflow.name}} $$(KEPTN_STAGE)-3", False), ("ALWAYS", "1", False),
    }  # fmt: skip


def test_what_has_no_value_is_left_out(tmp_path):
    plugins = {"small": read_plugin(small(tmp_path))[1]}
    found = plain("small", plugins)
    assert found.task.cmd == ("small", "$(KEPTN_STAGE)")
    assert [variable.name for variable in found.environment][:1] == ["ALWAYS"]


def test_an_input_may_come_as_a_variable(tmp_path):
    plugins = {"small": read_plugin(small(tmp_path))[1]}
    written = "small\nenv: [{name: COUNT, value: $.data.n, valueFrom: event}]"
    found = plain(written, plugins, {"n": 5})
    assert found.task.cmd == ("small", "5", "$(KEPTN_STAGE)")
    assert [variable.name for variable in found.environment].count("COUNT") == 1
    with pytest.raises(JobEventError, match=r"config\.yaml:5: COUNT of small: 6 is more than 5"):
        plain(written, plugins, {"n": 6})


WRONG_USES = {
    "keptn-contrib/locust-test-jab\nwith: {}": (
        "5: plugin: there is no plugin 'keptn-contrib/locust-test-jab', did you mean 'keptn-contrib/locust-test-job'?"
        " (there are keptn-contrib/helm-deploy-job, keptn-contrib/locust-test-job)"
    ),
    "keptn-contrib/locust-test-job": (
        "5: with: keptn-contrib/locust-test-job needs LOCUST_TEST: the test, a Python file"
    ),
    "keptn-contrib/locust-test-job\nfiles: [b]\nwith: {LOCUST_TEST: a.py}": (
        "7: with.LOCUST_TEST: 'a.py' is not among the task's files; list it there"
    ),
    "keptn-contrib/locust-test-job\nfiles: [a]\nwith:\n  LOCUST_TSET: a/b.py\n  LOCUST_TEST: a/b.py": (
        "8: with.LOCUST_TSET: no input of keptn-contrib/locust-test-job, did you mean 'LOCUST_TEST'? (LOCUST_TEST,"
        " LOCUST_CONFIG, LOCUST_TARGET, LOCUST_COUNT, LOCUST_RATE, LOCUST_DURATION)"
    ),
    "keptn-contrib/locust-test-job\nfiles: [a]\nwith: {LOCUST_TEST: a, LOCUST_COUNT: 0}": (
        "7: with.LOCUST_COUNT: 0 is less than 1"
    ),
    "keptn-contrib/locust-test-job\nfiles: [a]\nwith: {LOCUST_TEST: a}\nenv:\n- {name: LD_PRELOAD, value: /keptn/a,"
    " valueFrom: string}": "9: env[0].name: no input of keptn-contrib/locust-test-job",
    "keptn-contrib/locust-test-job\nfiles: [a]\nwith: {LOCUST_TEST: a}\nenv:\n- {name: s, valueFrom: secret}": (
        "9: env[0].name: a secret sets variables that are no inputs of keptn-contrib/locust-test-job; run it as a task"
        " of yours"
    ),
    "keptn-contrib/locust-test-job\nfiles: [a]\nwith: {LOCUST_TEST: a}\nenv:\n- {name: LOCUST_TEST, value: a,"
    " valueFrom: string}": "9: env[0].name: is given by 'with' as well; keep one of them",
    "keptn-contrib/locust-test-job\nfiles: [a]\nwith: {LOCUST_TEST: a}\nenv:\n- {name: LOCUST_COUNT, value: x,"
    " valueFrom: string}": "9: env[0].value: 'x' is not of type integer",
    "keptn-contrib/helm-deploy-job\nfiles: [helm]": (
        "5: enableKubernetesApiAccess: keptn-contrib/helm-deploy-job needs a token for the API of Kubernetes; write"
        " true here"
    ),
    "keptn-contrib/helm-deploy-job\nfiles: [chart]\nenableKubernetesApiAccess: true": (
        "6: files: 'helm' is not among the task's files; list it there, or give another HELM_CHART"
    ),
}


@pytest.mark.parametrize("written", WRONG_USES)
def test_what_a_task_gives_is_judged_at_its_line(written):
    [problem] = judge_uses(use(written), PLUGINS)
    assert str(problem).replace("actions[0].tasks[0].", "") == f"job/config.yaml:{WRONG_USES[written]}"
    with pytest.raises(JobEventError) as refused:
        plain(written, data={"service": "carts"})
    assert str(refused.value) == str(problem)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "needs HELM_RELEASE, which the event does not have"),
        ({"service": ""}, "needs HELM_RELEASE, which the event does not have"),
        ({"service": "--post-renderer=x"}, "HELM_RELEASE of .*: '--post-renderer=x' begins with '-'"),
        ({"service": "a b"}, "'a b' does not match"),
        ({"service": ["a"]}, "does not match"),
    ],
)
def test_values_of_the_event_are_judged_as_well(data, message):
    with pytest.raises(JobEventError, match=message):
        plain("keptn-contrib/helm-deploy-job\nfiles: [helm]\nenableKubernetesApiAccess: true", data=data)


WRONG_FILES = {
    "name": ("other", "name: 'other' must be the path of its file in the folder of plugins: '.*/small'"),
    "image": ("registry.example/small:1", "image: .*: name it by its digest"),
    "command": ([], "command: must have at least 1 item"),
    "inputs": (None, "key 'inputs' is missing"),
    "environment": ({"A": "{MISSING}"}, r"environment.A: unknown placeholder {MISSING} \(here there are"),
    "workingDir": ("a", "workingDir: 'a': write an absolute path"),
    "resources": ({}, "resources: is empty"),
    "shell": (True, "unknown key 'shell'"),
}


@pytest.mark.parametrize("key", WRONG_FILES)
def test_what_is_wrong_with_a_file(key, tmp_path):
    value, message = WRONG_FILES[key]
    with pytest.raises(PluginError, match=rf"small.yaml:\d+: {message}"):
        read_plugin(small(tmp_path, **{key: value}))


def test_what_is_no_plugin_at_all(tmp_path):
    file = tmp_path / "small.yaml"
    for text, message in (("[]", "a plugin is a mapping of keys"), ("{", "is not YAML"), ("", "is empty")):
        file.write_text(text)
        with pytest.raises(PluginError, match=message):
            read_plugin(file)
    with pytest.raises(PluginError, match="there is no such file"):
        read_plugin(tmp_path / "none.yaml")
    file.write_text("name: small\n")
    with pytest.raises(PluginError, match=r"small\.yaml:1: key 'image' is missing"):
        load_plugins([tmp_path])
    with pytest.raises(PluginError, match="has 101 inputs; at most 100 are accepted"):
        read_plugin(small(tmp_path, inputs={f"A{number}": {"description": "d"} for number in range(101)}))


@pytest.mark.parametrize(("value", "message"), [("x" * 4097, "has 4,097 characters"), ("a\x07", "control character")])
def test_what_no_value_may_be(value, message):
    assert message in judge_value(PluginInput("d"), value)


def test_a_program_is_no_placeholder(tmp_path):
    with pytest.raises(PluginError, match=r"command\[0\]: the program is the plugin's to decide"):
        read_plugin(small(tmp_path, command=["{TEXT}"]))
    with pytest.raises(PluginError, match=r"environment.TEXT: is an input as well"):
        read_plugin(small(tmp_path, environment={"TEXT": "a"}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"required": True, "default": "a"}, "needs no default"),
        ({"default": "a", "event": "$.a"}, "not both"),
        ({"most": 5}, "least and most are of numbers, and this is of type text"),
        ({"pattern": "("}, "is not a regular expression"),
        ({"event": "a"}, "is not a JSONPath"),
        ({"default": "x", "pattern": "y"}, "'x' does not match y"),
        ({"type": "integer", "default": "1.5"}, "'1.5' is not of type integer"),
        ({"type": "boolean", "default": "yes"}, "is not true or false"),
        ({"type": "date"}, "'date' is not"),
    ],
)
def test_what_is_wrong_with_an_input(changes, message, tmp_path):
    command = ["small", "{TEXT}"]
    with pytest.raises(PluginError, match=message):
        read_plugin(
            small(tmp_path, command=command, environment=None, inputs={"TEXT": {"description": "d", **changes}})
        )


@pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "KEPTN_STAGE", "text", "A-B"])
def test_names_of_inputs(name, tmp_path):
    with pytest.raises(PluginError, match=f"inputs.*{name}"):
        read_plugin(small(tmp_path, command=["a"], environment=None, inputs={name: {"description": "d"}}))


def test_further_folders_replace_the_shipped_ones(tmp_path):
    own = tmp_path / "keptn-contrib" / "helm-deploy-job.yaml"
    own.parent.mkdir()
    own.write_text(yaml.safe_dump(SMALL | {"name": "keptn-contrib/helm-deploy-job"}))
    small(tmp_path)
    found = load_plugins([tmp_path])
    assert list(found) == [*PLUGINS, "small"]
    assert found["keptn-contrib/helm-deploy-job"].description == "for tests"
    assert find_plugin("keptn-contrib/helm-deploy-job", [tmp_path]) == own
    assert list(load_plugins([tmp_path / "small.yaml"])) == [*PLUGINS, "small"]
    with pytest.raises(PluginError, match="there is no such folder of plugins"):
        load_plugins([tmp_path / "none"])
    with pytest.raises(PluginError, match="there is no plugin 'smal', did you mean 'small'"):
        find_plugin("smal", [tmp_path])


@given(st.text(max_size=60), st.sampled_from(["text", "path", "url", "integer", "number", "boolean"]))
def test_no_value_is_taken_for_an_option(value, kind):
    wrong = judge_value(PluginInput("d", type=kind), value)
    if not wrong:
        assert "\0" not in value
        assert not value.startswith("-") or kind in {"integer", "number"}
        assert kind != "path" or ".." not in value.split("/")
