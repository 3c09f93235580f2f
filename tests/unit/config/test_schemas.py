"""JSON Schemas of what people write: current, true of every example we ship, and refusing what `lint` refuses."""

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from typer.testing import CliRunner

from orchestrator.api.lint import lint_file
from orchestrator.api.schemas import TITLES, schema
from orchestrator.catalog.lock_file import Locked, LockFile, spell_lock
from orchestrator.cli.app import app
from orchestrator.errors import UsageError
from orchestrator.kit.sources import ProblemLevel
from tests.golden import check_golden
from tests.unit.config.test_config import EVERYTHING

ROOT = Path(__file__).resolve().parents[3]
SCHEMAS = {name: schema(name) for name in TITLES}
CONFIGURATIONS = [*ROOT.glob("docs/examples/*/scanmatrix.yaml"), ROOT / "argo-install/scanmatrix.yaml"]
JOBS = sorted(ROOT.glob("docs/examples/*/job/config.yaml"))
OLDER_JOB = ROOT / "docs/examples/jobs/job/older.yaml"
PLUGINS = sorted(ROOT.glob("templates/plugins/**/*.yaml"))
HINT = re.compile(r"^# yaml-language-server: \$schema=(\S+)$", re.MULTILINE)


def _mistakes(name, data):
    # As JSON, which has no dates: editors read them as text.
    data = json.loads(json.dumps(data, default=str))
    return [error.message for error in jsonschema_rs.Draft202012Validator(SCHEMAS[name]).iter_errors(data)]


def _blocks(page):
    return re.findall(r"^```yaml\n(.*?)^```$", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", SCHEMAS)
def test_current_and_valid_themselves(name):
    assert jsonschema_rs.meta.is_valid(SCHEMAS[name])
    check_golden(
        ROOT / f"docs/schemas/{name}.schema.json", json.dumps(SCHEMAS[name], indent=2, ensure_ascii=False) + "\n"
    )


def test_the_command_prints_them():
    done = CliRunner().invoke(app, ["schema", "ignore"])
    assert json.loads(done.stdout) == SCHEMAS["ignore"]
    listed = CliRunner().invoke(app, ["schema"]).stdout
    assert all(name in listed for name in SCHEMAS)
    with pytest.raises(UsageError, match="'ignore'"):
        schema("ingore")


def test_no_other_files():
    assert {path.name for path in (ROOT / "docs/schemas").iterdir()} == {f"{name}.schema.json" for name in SCHEMAS}


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.parent.name)
def test_the_shipped_configurations(path):
    assert _mistakes("configuration", yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("templates/*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_templates(path):
    assert _mistakes("template", yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.parent.parent.name)
def test_the_shipped_job_configurations(path):
    assert _mistakes("job", yaml.safe_load(path.read_text())) == []


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.stem)
def test_the_shipped_plugins(path):
    assert _mistakes("plugin", yaml.safe_load(path.read_text())) == []


#: Files that editors are to check, with the schema of each.
HINTED = {
    **dict.fromkeys(CONFIGURATIONS[:-1], "configuration"),
    **dict.fromkeys(ROOT.glob("templates/*.yaml"), "template"),
    **dict.fromkeys(JOBS, "job"),
    OLDER_JOB: "job-older",
    **dict.fromkeys(PLUGINS, "plugin"),
}


@pytest.mark.parametrize("path", HINTED, ids=lambda path: str(path.relative_to(ROOT)))
def test_editors_find_the_schema(path):
    [hint] = HINT.findall(path.read_text())
    assert (path.parent / hint).resolve() == ROOT / f"docs/schemas/{HINTED[path]}.schema.json"


@pytest.mark.parametrize("text", [text for text in _blocks("jobs.md") if text.startswith("apiVersion: v2")])
def test_examples_of_job_configurations(text):
    data = yaml.safe_load(text)
    assert _mistakes("job", data) == []


def test_the_schema_of_jobs_is_of_the_form_of_v2():
    assert _mistakes("job", {"apiVersion": "v2", **older()})
    both = {"apiVersion": "v2", "actions": [{"events": [{"name": "e"}], "tasks": [{"image": "a", "plugin": "b"}]}]}
    assert _mistakes("job", both)


GIVEN = "LOCUST_TEST=a.py LOCUST_TARGET=https://shop.example"


def older(**action):
    return {"actions": [{"event": "a.b", "image": "c/d:1", "cmd": "e f"} | action]}


@pytest.mark.parametrize(
    "data",
    [
        yaml.safe_load(OLDER_JOB.read_text()),
        older(),
        {"apiVersion": "v2", **older(cmd=["e"], silent=True, name="x")},
        older(jsonpath={"property": "$.a", "match": "b"}, env=[{"name": "A", "valueFrom": "string", "value": "b"}]),
        {"actions": [{"events": [{"name": "a.*"}], "tasks": [{"image": "c/d:1", "cmd": "e f"}]}]},
        {
            "actions": [
                {"event": "a", "plugin": "keptn-contrib/locust-test-job", "files": ["a.py"], "with": GIVEN},
            ]
        },
    ],
)
def test_the_older_form_that_both_take(data, tmp_path):
    assert _mistakes("job-older", data) == []
    assert [each for each in _linted(tmp_path, data) if each.level is ProblemLevel.ERROR] == []


@pytest.mark.parametrize(
    "data",
    [
        {"actions": [{"event": "a"}]},
        {"actions": [{"image": "a", "cmd": ["b"]}]},
        older(event="a.*b"),
        older(cmd="e 'f g'"),
        older(events=[{"name": "a"}]),
        older(tasks=[{"image": "a"}]),
        older(plugin="b/c"),
        older(imagePullPolcy="Always"),
        older(maxPollDuration="soon"),
        {"actions": [{"events": [{"name": "a"}], "jsonpath": {"property": "$.a", "match": "b"}, "image": "c"}]},
        {"apiVersion": "v3", **older()},
    ],
)
def test_the_older_form_that_both_refuse(data, tmp_path):
    assert _mistakes("job-older", data)
    assert any(each.level is ProblemLevel.ERROR for each in _linted(tmp_path, data))


def _linted(folder, data):
    (folder / "job").mkdir()
    file = folder / "job/config.yaml"
    file.write_text(yaml.safe_dump(data))
    return lint_file(file)


@pytest.mark.parametrize("text", [EVERYTHING, *_blocks("configuration.md"), *_blocks("policy.md")])
def test_examples_of_configurations(text):
    assert _mistakes("configuration", yaml.safe_load(text)) == []


def test_examples_of_other_files():
    [template] = [text for text in _blocks("scans.md") if text.startswith("name:")]
    assert _mistakes("template", yaml.safe_load(template)) == []
    ignores = [text for text in _blocks("suppression.md") if "ignore:" in text]
    assert ignores
    assert [_mistakes("ignore", yaml.safe_load(text)) for text in ignores] == [[]] * len(ignores)
    assert (
        _mistakes("targets-row", {"image": "ubuntu:20.04", "scans": "general;virus", "owner": "me", "site": "b"}) == []
    )
    locked = Locked(image="a/b:1", digest=f"sha256:{'0' * 64}", resolved="2026-03-19T00:00:00Z")
    lock = LockFile(schema=1, scans={"general": locked})
    assert _mistakes("lock", json.loads(spell_lock(lock))) == []
    assert _mistakes("deny", [{"image": "anchore/grype", "versions": [1.4, "0.111.*"], "reason": "x"}]) == []
    assert _mistakes("distrusted", [{"scan": "general", "from": "2026-03-19", "reason": "x"}]) == []


@pytest.mark.parametrize(
    "text",
    [
        "limts: {}",
        "limits: {imagesInFlight: 0}",
        "limits: {retries: many}",
        "limits: {deadline: 3600}",
        "limits: {deadline: soon}",
        "limits: {lookup: {time: 5}}",
        "volume: {budget: 10 cows}",
        "volume: {overBudget: maybe}",
        "volume: {claim: A_B}",
        "rescanAfter: 14",
        "rescanAfter: {virus: x}",
        "policy: {severity: hgh}",
        "policy: {coverage: 101}",
        "policy: {rules: [{atMost: 1}]}",
        "targets: targets.csv",
        "targets: [{owner: me}]",
        "targets: [{image: a, archive: b}]",
        "targets: [{csv: {}}]",
        "targets: [{image: a, labels: {zone: ~}}]",
        "cache: [{upstream: docker.io, url: 'http://cache/prefix'}]",
        "insecure: ['https://a.io']",
        "allow: {digests: ['sha256:abc']}",
        "platforms: [amd64]",
        "platforms: []",
        "image: 1.0",
        "argo: {quota: {cpu: many}}",
        "argo: {operators: [{group: a, user: b}]}",
        "argo: {schedule: 5}",
        "notify: {routes: [{name: a}]}",
        "exports: {always: [excel]}",
    ],
)
def test_what_lint_refuses_the_schema_refuses(text, tmp_path):
    file = tmp_path / "scanmatrix.yaml"
    file.write_text(text)
    assert lint_file(file)
    assert _mistakes("configuration", yaml.safe_load(text))


@pytest.mark.parametrize(
    "changes",
    [
        {"timeout": 30},
        {"description": None},
        {"retries": 11},
        {"kinds": ["bug"]},
        {"compressions": ["bzip2"]},
        {"resources": {"memory": "lots"}},
        {"resources": {"cpus": 1}},
        {"environment": {"A-B": "x"}},
        {"database": {"fetch": {"limit": "1Gi"}}},
        {"database": {"fetch": {"grype": {"url": "u"}, "clamav": {"mirror": "m"}}}},
    ],
)
def test_templates_that_both_refuse(changes, tmp_path):
    whole = {
        "name": "mine",
        "description": "x",
        "image": "x:1",
        "command": ["x", "{tarball}", "{report}"],
        "format": "sarif",
    }
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(whole))
    assert (lint_file(file), _mistakes("template", whole)) == ([], [])
    data = {key: value for key, value in (whole | changes).items() if value is not None}
    file.write_text(yaml.safe_dump(data))
    assert lint_file(file)
    assert _mistakes("template", data)
