"""What a resource asks for: the same objects as an installation has, and nothing beyond its namespace."""

import tempfile
from typing import Any

import pytest

from orchestrator.config.loading import Config
from orchestrator.config.resource import spec_schema
from orchestrator.service.controller.desired import InvalidResourceError, configuration, desired

SCHEMA = spec_schema()


def defaulted(schema: dict[str, Any], value: Any) -> Any:
    """As an API server fills defaults in."""
    if isinstance(value, dict) and "properties" in schema:
        found = dict(value)
        for key, inner in schema["properties"].items():
            if key not in found and "default" in inner:
                found[key] = inner["default"]
            if key in found:
                found[key] = defaulted(inner, found[key])
        return found
    if isinstance(value, list):
        return [defaulted(schema["items"], each) for each in value]
    return value


SPECS: dict[str, dict[str, Any]] = {
    "the source's": {"ignoreLabel": "ignore"},
    "nothing": {},
    "csv": {"targets": [{"csv": {"path": "t.csv"}}], "files": {"t.csv": "image\nbusybox\n"}},
    "registry": {
        "targets": [{"registry": {"host": "r.example", "repositories": ["a"]}, "owner": "o"}],
        "argo": {"schedule": "0 3 * * *", "timezone": "Europe/Berlin"},
        "limits": {"cellDisk": "1Gi"},
        "schedule": {"retry": {"first": "1m"}},
        "policy": {"rules": [{"name": "x", "severity": "high", "fixable": True}]},
        "scanners": {"deny": [{"image": "x/y", "versions": ["1.20"], "reason": "r"}]},
        "exports": {"always": ["s3"], "s3": {"bucket": "b"}},
        "cache": [{"upstream": "docker.io"}],
    },
}


@pytest.mark.parametrize("name", SPECS)
def test_defaults_that_the_api_server_fills_in_change_nothing(name: str) -> None:
    plain, filled = desired("team", SPECS[name]), desired("team", defaulted(SCHEMA, SPECS[name]))
    # Each was read in a folder of its own.
    left_out = {"volume"}
    for field in Config.model_fields.keys() - left_out:
        assert getattr(filled.config, field) == getattr(plain.config, field), field
    assert filled.config.volume.model_dump(exclude={"path"}) == plain.config.volume.model_dump(exclude={"path"})
    kinds = [one for one in plain.objects if one["kind"] not in {"ConfigMap", "Deployment"}]
    assert [one for one in filled.objects if one["kind"] not in {"ConfigMap", "Deployment"}] == kinds


def objects(spec: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["kind"], one["metadata"]["name"]): one for one in desired("team", spec).objects}


@pytest.mark.parametrize("name", SPECS)
def test_nothing_reaches_beyond_the_namespace(name: str) -> None:
    found = objects(SPECS[name])
    assert {one["metadata"]["namespace"] for one in found.values()} == {"team"}
    kinds = {kind for kind, _ in found}
    assert not kinds & {
        "Namespace",
        "ResourceQuota",
        "LimitRange",
        "ClusterRole",
        "ClusterRoleBinding",
        "PersistentVolume",
    }
    # What else runs in the namespace keeps its network.
    for (kind, policy), one in found.items():
        if kind == "NetworkPolicy":
            assert one["spec"]["podSelector"].get("matchLabels", {})["app.kubernetes.io/part-of"] == "scanmatrix", (
                policy
            )


def test_the_source_s_shape_is_what_runs_in_its_namespace_kept_fresh() -> None:
    made = desired("team", {"ignoreLabel": "ignore"})
    (target,) = made.config.targets
    assert target.cluster is not None
    assert (target.cluster.namespaces, target.cluster.skip_label) == (("team",), "ignore=true")
    assert not target.cluster.own_pods
    assert made.config.argo.scheduler.replicas == 1
    found = objects({"ignoreLabel": "ignore"})
    assert ("Deployment", "scheduler") in found
    assert ("CronWorkflow", "scanmatrix") not in found
    (container,) = found["Deployment", "scheduler"]["spec"]["template"]["spec"]["containers"]
    assert container["args"][-2:] == ["--state", f"scanmatrix-state/{made.digest}"]


def test_with_a_schedule_there_is_no_scheduler_and_suspended_there_is_neither() -> None:
    scheduled = {"argo": {"schedule": "@daily"}}
    assert objects(scheduled)["Deployment", "scheduler"]["spec"]["replicas"] == 0
    assert ("CronWorkflow", "scanmatrix") in objects(scheduled)
    assert ("CronWorkflow", "scanmatrix") not in objects({**scheduled, "suspend": True})
    assert objects({"suspend": True})["Deployment", "scheduler"]["spec"]["replicas"] == 0


def test_what_a_resource_says_is_left_as_it_is() -> None:
    spec = {"targets": [{"cluster": {}}], "ignoreLabel": "x"}
    configuration("team", spec)
    assert spec == {"targets": [{"cluster": {}}], "ignoreLabel": "x"}


@pytest.mark.parametrize(
    "text", ["1e3", "12e45", "0o17", "1.20", "0x1F", "1_000", "yes", "~", "2026-01-02", " a ", "\u0085\U0001f600"]
)
def test_a_text_stays_a_text(text: str) -> None:
    deny = {"image": "x/y", "versions": [text], "reason": text}
    (found,) = desired("team", {"scanners": {"deny": [deny]}}).config.scanners.deny
    assert (found.versions, found.reason) == ((text,), text)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a file of the controller": ({"targets": [{"csv": {"path": "/etc/passwd"}}]}, "none of spec.files"),
    "a template above": ({"scans": {"templates": ["../x.yaml"]}}, "none of spec.files"),
    "plugins": (
        {"events": {"jobs": {"git": {"url": "https://git.example/x"}, "plugins": ["../x"]}}},
        "events.jobs.plugins[0]: '../x' is none of spec.files",
    ),
    "a glob": ({"suppression": {"vex": ["../*"]}}, "none of spec.files"),
    "a file that is a path": ({"files": {"../x": "y"}}, "no plain name"),
    "its own configuration": ({"files": {"scanmatrix.yaml": "y"}}, "the resource itself"),
    "another namespace": ({"targets": [{"cluster": {"namespaces": ["kube-system"]}}]}, "its own namespace"),
    "all namespaces": ({"targets": [{"cluster": {"namespaces": ["*"]}}]}, "its own namespace"),
    "a value": ({"argo": {"schedule": "0 0 31 2 *"}}, "spec.argo.schedule"),
    "several mistakes": ({"layout": "x", "limits": {"retries": -1}}, "; spec."),
    "a secret": (
        {"notify": {"routes": [{"slack": {"url": "https://hooks.example/T0/B0/" + "x" * 24}}]}},
        "is a secret",
    ),
    "a template that is none": (
        {"scans": {"templates": ["x.yaml"]}, "files": {"x.yaml": "[" * 100}},
        "spec.files: x.yaml:1: nested",
    ),
    "a lock that is none": ({"files": {"scanmatrix.lock": "x"}}, "spec.files: scanmatrix.lock"),
    "an unknown scan": ({"scans": {"default": ["nothing-such"]}}, "nothing-such"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_says_what_is_wrong(name: str) -> None:
    spec, message = WRONG[name]
    with pytest.raises(InvalidResourceError) as raised:
        desired("team", spec)
    assert message in str(raised.value)
    assert tempfile.gettempdir() not in str(raised.value)
    with pytest.raises(InvalidResourceError) as again:
        desired("team", spec)
    assert str(again.value) == str(raised.value)  # else each look would write another status


def test_nothing_of_the_controllers_environment_is_anything_of_a_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCANMATRIX_LAYOUT", "image")
    assert desired("team", {}).config.layout == "cell"
