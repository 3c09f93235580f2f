"""What keys mean: found by any name that people know them by, each with an example that is right."""

import json
import re

import pytest
import yaml
from typer.testing import CliRunner

from orchestrator.api.explain import FILES, every_key, explain_key
from orchestrator.cli.app import app
from orchestrator.config.validation import validate
from orchestrator.errors import UsageError
from orchestrator.inventory.csv_file import parse_csv
from orchestrator.kit.yaml_source import parse_yaml

KEYS = every_key()


def found(name):
    return [f"{each.file}.{each.key}" for each in explain_key(name)]


@pytest.mark.parametrize("file", FILES)
def test_every_example_is_right(file):
    """What is missing beside the key is no mistake of it."""
    keys = [each for each in KEYS if each.file == file]
    assert keys
    for each in keys:
        if file == "targets":
            assert len(parse_csv(each.example, "targets.csv", ("general", "virus"))) == 1
            assert each.key in each.example.splitlines()[0].split(",")
            continue
        source = parse_yaml(each.example, each.key)
        for problem in validate(FILES[file], source)[1]:
            name = re.sub(r"\[[^]]*\]", "", problem.message.partition(": ")[0])
            assert name != each.key, problem
            assert not name.startswith(f"{each.key}."), problem


def test_every_key_means_something():
    assert [f"{each.file}.{each.key}" for each in KEYS if not each.meaning] == []
    assert len(KEYS) > 450


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("limits.retries", ["configuration.limits.retries"]),
        ("configuration.limits.retries", ["configuration.limits.retries"]),
        ("ttlSecondsAfterFinished", ["job.actions.tasks.ttlSecondsAfterFinished"]),
        ("tasks.securityContext.privileged", ["job.actions.tasks.securityContext.privileged"]),
        ("actions[0].tasks[12].env[3].as", ["job.actions.tasks.env.as"]),
        ("argo.tokenSecrets[github.com]", ["configuration.argo.tokenSecrets"]),
        ("timeout", ["template.timeout"]),
        ("name", ["template.name", "plugin.name"]),
        ("ignore", ["ignore.ignore"]),
        ("job", ["job.actions", "job.apiVersion"]),
        ("targets.scans", ["targets.scans"]),
        ("targets", [f"targets.{column}" for column in ("image", "repository", "ref", "scans", "owner")]),
    ],
)
def test_keys_are_found_as_people_know_them(name, keys):
    assert found(name) == keys


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("limits.retires", "there is no key 'limits.retires', did you mean 'limits.retries'?"),
        ("ttlSecondsAfterFinishd", "did you mean 'ttlSecondsAfterFinished'?"),
        ("job.actions.taks", "did you mean 'job.actions.tasks'?"),
        ("", "there is no key ''"),
        ("description.x", "there is no key 'description.x'"),
    ],
)
def test_a_key_that_is_not_there(name, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        explain_key(name)


def test_a_name_that_many_keys_have_is_not_enough():
    with pytest.raises(UsageError, match=r"'url' is the end of \d+ keys; name one of them: configuration\."):
        explain_key("url")


def test_what_is_printed():
    done = CliRunner().invoke(app, ["explain", "emptyDirSizeLimit"], catch_exceptions=False)
    assert done.stdout.splitlines() == [
        "job: actions.tasks.emptyDirSizeLimit",
        "  room for its files under `/keptn`; the installation's limit is the most",
        "type:    memory",
        "default: none",
        "example:",
        "  actions:",
        "  - tasks:",
        "    - emptyDirSizeLimit: 512Mi",
    ]
    assert "keys:    limits, requests" in CliRunner().invoke(app, ["explain", "tasks.resources"]).stdout


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_for_programs(output, read):
    done = CliRunner().invoke(app, ["explain", "limits.retries", "--output", output], catch_exceptions=False)
    data = read(done.stdout)
    assert data["schema_version"] == 1
    [one] = data["explanations"]
    assert (one["type"], one["default"], one["keys"]) == ("0 to 20", "4", [])
    assert yaml.safe_load(one["example"]) == {"limits": {"retries": 4}}
