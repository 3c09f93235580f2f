"""Where rules come from, and that a mistake in one of them is never passed over."""

import json

import pytest
import yaml

from orchestrator.api import install as install_api
from orchestrator.api import plan as plan_api
from orchestrator.api.trust import distrust, distrusted, trust
from orchestrator.config.loading import ConfigError, load_config
from orchestrator.config.scanners import DISTRUSTED, DistrustSection
from orchestrator.kit.sources import SourceError
from orchestrator.scanners.distrust import why_refused
from orchestrator.scanners.rules import builtin_rules, rules_of, volume_of
from tests.unit.scanners.samples import NOW, A, scan


def config(folder, **scanners):
    (folder / "scanmatrix.yaml").write_text(yaml.safe_dump({"scanners": scanners}))
    return load_config(folder / "scanmatrix.yaml", environment={})


def test_the_configuration_a_file_and_the_command_add_to_what_is_built_in(tmp_path):
    (tmp_path / "denied.yaml").write_text("- {image: corp/b, versions: [1.4], reason: in a file}\n")
    loaded = config(
        tmp_path,
        deny=[{"image": "corp/a", "versions": ["1"], "reason": "in the configuration"}],
        denyFile="denied.yaml",
        distrusted=[{"scan": "c", "reason": "in the configuration, too"}],
    )
    distrust(loaded, DistrustSection(scan="d", reason="by the command"))
    rules = rules_of(loaded)
    assert [one.denied for one in rules] == [True, True, False, False]
    assert volume_of(loaded).distrusted == rules
    for refused in (scan("x/corp/a:1"), scan("corp/b:1.4"), scan(name="c"), scan(name="d"), scan("trivy:0.69.4")):
        assert why_refused(refused, rules, NOW)
    assert not why_refused(scan(), rules, NOW)


def test_what_is_built_in_says_where_it_is_documented():
    assert builtin_rules()
    for rule in builtin_rules():
        assert rule.denied
        assert rule.source.startswith("https://")


def test_days_are_meant_whole(tmp_path):
    (tmp_path / "scanmatrix.yaml").write_text(
        "scanners: {distrusted: [{scan: a, from: 2026-03-19, to: 2026-03-24, reason: r},"
        " {scan: a, from: 2026-03-19T18:22:00+01:00, reason: r}]}"
    )
    day, moment = rules_of(load_config(tmp_path / "scanmatrix.yaml", environment={}))
    assert (day.since, day.until) == ("2026-03-19T00:00:00Z", "2026-03-24T23:59:59Z")
    assert (moment.since, moment.until) == ("2026-03-19T17:22:00Z", "")


@pytest.mark.parametrize(
    "scanners",
    [
        {"deny": [{"reason": "r"}]},
        {"deny": [{"versions": ["1"], "reason": "r"}]},
        {"deny": [{"image": "aquasec/trivy:0.69.4", "reason": ""}]},
        {"deny": [{"image": "aquasec/trivy@sha256", "reason": "r"}]},
        {"deny": [{"digests": ["0.69.4"], "reason": "r"}]},
        {"deny": [{"image": "aquasec/trivy"}]},
        {"distrusted": [{"reason": "r"}]},
        {"distrusted": [{"scan": "a"}]},
        {"distrusted": [{"scan": "a", "from": "March", "reason": "r"}]},
        {"distrusted": [{"scan": "a", "from": "2026-03-24", "to": "2026-03-19", "reason": "r"}]},
        {"distrusted": [{"scan": "a", "digest": "sha256:abc", "reason": "r"}]},
    ],
)
def test_a_rule_that_would_mean_nothing_is_refused(tmp_path, scanners):
    with pytest.raises(ConfigError):
        config(tmp_path, **scanners)


@pytest.mark.parametrize("text", ["", "a: b", "- {image: corp/a}", "- {imag: corp/a, reason: r}", "- ["])
def test_a_broken_list_stops_everything(tmp_path, text):
    (tmp_path / "denied.yaml").write_text(text)
    with pytest.raises(SourceError, match=r"denied\.yaml"):
        rules_of(config(tmp_path, denyFile="denied.yaml"))
    (tmp_path / DISTRUSTED).write_text(text)
    with pytest.raises(SourceError, match="distrusted"):
        rules_of(config(tmp_path))


def test_a_list_that_is_not_there_is_no_empty_one(tmp_path):
    with pytest.raises(SourceError):
        rules_of(config(tmp_path, denyFile="none.yaml"))


def test_what_the_command_wrote_can_be_taken_back(tmp_path):
    loaded = config(tmp_path)
    entry = DistrustSection(scan="general", digest=A, since="2026-03-19", reason="CVE-2026-33634: “stolen”\n# key: x")
    assert distrust(loaded, entry)
    assert not distrust(loaded, entry)
    assert distrusted(loaded) == (entry,)
    assert trust(loaded, "virus") == 0
    assert trust(loaded, "general") == 1
    assert distrusted(loaded) == ()
    assert rules_of(loaded) == ()


def test_lock_and_switch_travel_into_the_cluster(tmp_path):
    (tmp_path / "denied.yaml").write_text("- {image: corp/b, reason: in a file}\n")
    loaded = config(tmp_path, denyFile="denied.yaml")
    entries = {
        name: {"image": one.image, "digest": A}
        for name, one in plan_api.load_catalog(loaded).items()
        if not one.builtin
    }
    (tmp_path / "scanmatrix.lock").write_text(json.dumps({"schema": 1, "scans": entries}))
    distrust(loaded, DistrustSection(scan="virus", reason="r"))
    objects = list(yaml.safe_load_all(install_api.install(loaded)))
    [data] = [one["data"] for one in objects if one["kind"] == "ConfigMap" and "scanmatrix.yaml" in one["data"]]
    assert {"scanmatrix.lock", DISTRUSTED, "denied.yaml"} <= set(data)
    for name, text in data.items():
        folder = tmp_path / "pod"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    there = load_config(tmp_path / "pod" / "scanmatrix.yaml", environment={})
    assert plan_api.load_catalog(there) == plan_api.load_catalog(loaded)
    assert rules_of(there) == rules_of(loaded)
    [template] = [one for one in objects if one["kind"] == "WorkflowTemplate"]
    images = {
        container["image"]
        for one in template["spec"]["templates"]
        for container in (one.get("container"), *one.get("initContainers", ()))
        if container
    }
    assert f"aquasec/trivy:0.68.2@{A}" in images
    assert not {image for image in images if "@" not in image} - {loaded.image}
