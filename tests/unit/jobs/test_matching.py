"""Which actions an event starts, and what their tasks are given."""

import json
import time

import pytest

from orchestrator.jobs.matching import JobEvent, JobEventError, event_of, matching_actions, tasks_of
from orchestrator.kit.json_bounds import ForeignJsonError
from tests.unit.jobs.samples import job, task_of

DATA = {
    "project": "sockshop",
    "stage": "dev",
    "service": "carts",
    "labels": {"build-id": "build-17", "test Id": "4711", "a.b": "c", "n": 3},
    "test": {"teststrategy": "locust", "count": 3, "on": True, "none": None},
    "urls": ["https://keptn.sh", "https://b"],
    "foreign": "{{workflow.parameters.token}} $(SECRET)",
}


def event(kind="sh.keptn.event.test.triggered", data=DATA, **attributes):
    return event_of({"id": "1", "source": "s", "specversion": "1.0", "type": kind, **attributes},
                    json.dumps(data).encode())  # fmt: skip


def actions(*written):
    lines = [f"- {{tasks: [{{image: a}}], {each}}}" for each in written]
    return job("\n".join(["apiVersion: v2", "actions:", *lines])).configuration


def started(configuration, what):
    return [each.action.name for each in matching_actions(configuration, what)]


@pytest.mark.parametrize(
    ("name", "kind", "is_it"),
    [
        ("sh.keptn.event.test.triggered", "sh.keptn.event.test.triggered", True),
        ("sh.keptn.event.test.triggered", "xsh.keptn.event.test.triggered.foo", True),
        ("sh.keptn.event.test.triggered", "sh-keptn-event-test-triggered", True),
        ("^sh.keptn.event.test.triggered$", "xsh.keptn.event.test.triggered", False),
        ("sh.keptn.event.*.triggered", "sh.keptn.event.deployment.triggered", True),
        ("sh.keptn.event.*.triggered", "sh.keptn.event.test.started", False),
    ],
)
def test_names_of_events_are_expressions_without_anchors(name, kind, is_it):
    assert bool(started(actions(f"events: [{{name: '{name}'}}]"), event(kind))) is is_it


def test_the_older_form_compares_whole_types():
    configuration = job("actions: [{name: a, event: sh.keptn.event.test.triggered, image: a}]").configuration
    assert started(configuration, event()) == ["a"]
    assert started(configuration, event("xsh.keptn.event.test.triggered")) == []
    assert started(configuration, event("sh-keptn.event.test.triggered")) == []


@pytest.mark.parametrize(
    ("path", "match", "is_it"),
    [
        ("$.data.test.teststrategy", "locust", True),
        ("$.data.test.teststrategy", "health", False),
        ("$.data.urls[0]", "https://keptn.sh", True),
        ("$.type", "sh.keptn.event.test.triggered", True),
        ("$.data.test.count", "3", False),
        ("$.data.test.on", "true", False),
        ("$.data.test.none", "", False),
        ("$.data.test", "locust", False),
        ("$.data.test.*", "locust", False),
        ("$.*.test.teststrategy", "locust", False),
        ("$.data.missing", "", False),
        ("$.data.urls[9]", "", False),
    ],
)
def test_only_one_text_matches(path, match, is_it):
    written = f"events: [{{name: test, jsonpath: {{property: '{path}', match: '{match}'}}}}]"
    assert bool(started(actions(written), event())) is is_it


def test_the_first_match_is_run_and_the_silent_ones_before_it():
    on = "events: [{name: test}]"
    configuration = actions(
        f"name: quiet, silent: true, {on}", "name: other, events: [{name: deploy}]", f"name: first, {on}",
        f"name: second, {on}", f"name: late, silent: true, {on}",
    )  # fmt: skip
    assert started(configuration, event()) == ["quiet", "first"]
    assert [each.number for each in matching_actions(configuration, event())] == [0, 2]
    assert started(configuration, event("deploy")) == ["other"]
    assert started(configuration, event("none")) == []


def environment(written, what=None):
    action = job(
        f"apiVersion: v2\nactions: [{{events: [{{name: test}}], tasks: [{{image: a, env: [{written}]}}]}}]"
    ).configuration.actions[0]
    [task] = tasks_of(action, what or event())
    return task


@pytest.mark.parametrize(
    ("path", "formatting", "value"),
    [
        ("$.data.urls[0]", "", "https://keptn.sh"),
        ("$.data.urls[0]", "string", "https://keptn.sh"),
        ("$.data.urls[0]", "json", '"https://keptn.sh"'),
        ("$.data.urls[0]", "yaml", "https://keptn.sh\n"),
        ("$.data.urls", "", '["https://keptn.sh","https://b"]'),
        ("$.data.urls[*]", "", '["https://keptn.sh","https://b"]'),
        ("$.data.missing[*]", "", "[]"),
        ("$.data.test", "", '{"count":3,"none":null,"on":true,"teststrategy":"locust"}'),
        ("$.data.test", "yaml", "count: 3\nnone: null\n'on': true\nteststrategy: locust\n"),
        ("$.data.test.count", "", "3"),
        ("$.data.test.on", "", "true"),
        ("$.data.test.none", "", "null"),
        ("$.data.foreign", "", "{{workflow.parameters.token}} $(SECRET)"),
        ("$.id", "", "1"),
    ],
)
def test_values_of_the_event(path, formatting, value):
    spelt = f", as: {formatting}" if formatting else ""
    first = environment(f"{{name: A, valueFrom: event, value: '{path}'{spelt}}}").environment[0]
    assert first == ("A", value, True)


def test_what_every_task_is_given_stands_after_its_own():
    found = environment("{name: KEPTN_STAGE, valueFrom: string, value: mine}, {name: s, valueFrom: secret}")
    assert found.secrets == ("s",)
    assert [tuple(each) for each in found.environment] == [
        ("KEPTN_STAGE", "mine", False),
        ("KEPTN_PROJECT", "sockshop", True),
        ("KEPTN_STAGE", "dev", True),
        ("KEPTN_SERVICE", "carts", True),
        ("LABELS_A_B", "c", True),
        ("LABELS_BUILD_ID", "build-17", True),
        ("LABELS_N", "3", True),
        ("LABELS_TEST_ID", "4711", True),
    ]


@pytest.mark.parametrize("data", [None, [], "text", 5, {}, {"labels": [], "project": 3}])
def test_an_event_of_another_shape_gives_empty_variables(data):
    found = environment("", event("test", data=data))
    assert [tuple(each)[:2] for each in found.environment] == [
        ("KEPTN_PROJECT", ""), ("KEPTN_STAGE", ""), ("KEPTN_SERVICE", ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "data", "message"),
    [
        ("$.data.nothing", {}, r"^job/config.yaml:2: the event has nothing at \$.data.nothing, which A is to be$"),
        ("$.data.a", {"a": "x\0y"}, "has a NUL character, which no variable can have"),
        ("$.data.a", {"a": "x" * 131_070}, "has 131,072 bytes; a process can be given 131,071"),
    ],
)
def test_what_no_task_can_be_given(path, data, message):
    with pytest.raises(JobEventError, match=message):
        environment(f"{{name: A, valueFrom: event, value: '{path}'}}", event("test", data=data))


def test_the_longest_variable_is_given():
    what = event("test", data={"a": "x" * 131_069})
    assert len(environment("{name: A, valueFrom: event, value: $.data.a}", what).environment[0].value) == 131_069


def test_the_commit_is_that_of_the_event():
    assert event(gitcommitid="abc").commit == "abc"
    assert event().commit == ""
    assert JobEvent("t", {"gitcommitid": 5}).commit == ""


def test_data_that_is_no_json():
    with pytest.raises(ForeignJsonError, match="the data of event 7"):
        event_of({"id": "7", "type": "t"}, b"{")


def test_a_hostile_expression_takes_linear_time():
    configuration = actions("events: [{name: '(a+)+$'}, {name: '(a|a)*b'}, {name: '(.*)*(.*)*(.*)*x$'}]")
    begun = time.process_time()
    assert started(configuration, event("a" * 500 + "!")) == []
    assert time.process_time() - begun < 10


def test_a_path_through_a_large_event_takes_little_time():
    large = {"a": [{"b": [{"c": number} for number in range(100)]} for _ in range(500)]}
    begun = time.process_time()
    value = environment("{name: A, valueFrom: event, value: '$.data.a[*].b[0].*'}", event("test", data=large))
    assert value.environment[0].value == json.dumps([0] * 500, separators=(",", ":"))
    with pytest.raises(JobEventError, match="a process can be given"):
        environment("{name: A, valueFrom: event, value: '$.data.a[*].b[*].*'}", event("test", data=large))
    assert time.process_time() - begun < 10


def test_a_task_says_where_its_variable_was_written():
    task = task_of("image: a\nenv:\n- {name: A, value: $.x, valueFrom: event}")
    assert task.place.at("env[0]") == "job/config.yaml:8"
