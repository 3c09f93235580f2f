"""Every key with every value that YAML, people and pydantic see differently: one meaning, or a message with the key.

The keys are walked from the models, so that one that is added is tested as well.
"""

import json
from typing import get_args

import jsonschema_rs
import pytest

from orchestrator.analysis.suppression.rules import IgnoreFile
from orchestrator.catalog.template import TEMPLATE
from orchestrator.config.json_schema import schema_of
from orchestrator.config.keys import alternatives, kind_of
from orchestrator.config.loading import Config
from orchestrator.config.reference import bounds_of
from orchestrator.config.validation import validate
from orchestrator.jobs.keys import JOB
from orchestrator.jobs.plugins import PLUGIN
from orchestrator.kit.sources import SourceError, spell_location
from orchestrator.kit.yaml_source import parse_yaml
from tests.keys import walk_keys

#: Keys of which a rule says more than their own type; the message names the one to change.
RULES = ("policy.feeds", "argo.scheduler.storeSecret", "schedule.retry.first", "exports.dependencyTrack.parent",
         "exports.s3.kmsKey", "notify.smtp", "exports.always", "volume.hostPath", "ignore[0]: this rule",
         "ignore[0].reason: say why", "auth.oidc.roles: names no", "auth.oidc.issuer: must begin",
         "actions[0].tasks[0].with: ", "actions[0].tasks[0].cmd: the first", "actions[0].tasks[0].resources: is empty",
         "resources: is empty", "actions[0].tasks[0].networkPolicy.egress[0]: give", "inputs.kk: ",
         *(f"{place}{below}"
           for place in ("signers[0]", "sboms.attached.signers[0]", "admission.policies[0].authorities[0]")
           for below in (": it names", ": anybody", ".issuer: a key", ".identityGlob: ")),
         "admission.policies[0].attestations: they are")  # fmt: skip
#: Kinds of which a schema knows only the form.
OF_TEXT = ("duration", "size", "cron expression", "IANA name", "network")

FILES = (Config, TEMPLATE.section, IgnoreFile, JOB.section, PLUGIN.section)
VALIDATORS = {file: jsonschema_rs.Draft202012Validator(schema_of(file, "x")) for file in FILES}

TEXTS = ['""', '" "', "abc", '"5"', "1h", "1x", '"1Gi"', '"٣h"', "99999999w", "9999P", '"a\\nb"', '"a@b"']
NUMBERS = ["-1", "0", "1", "1.5", "5.0", "1.0e+400", "9" * 30, ".nan", ".inf"]
OTHERS = ["~", "''", "[]", "{}", "[~]", "{a: b}", "[[a]]", "true", "false"]
#: YAML 1.1 reads these otherwise than 1.2, or than they look.
CHANGED = ["010", "1e+400", "0o10", "1_000", "12:30:45", "1e3", "yes", "No", "1.20", "+5", "2024-01-01", "0x10", "1."]
NOT_YAML = ["!!set {a}", "!mine x", "!!binary aGk=", '"a\\0b"', '"a\\eb"', "!!bool yes", "!!float 5", "{a: 1, a: 2}"]


def _different():
    """One key for each type of value in a file."""
    seen = set()
    for file in VALIDATORS:
        for path, kind, write in walk_keys(file):
            what = (file, str(alternatives(kind)), kind_of(kind), bounds_of(kind), isinstance(path[-1], int))
            if what not in seen:
                seen.add(what)
                yield pytest.param(file, path, kind, write, id=f"{file.__name__}-{spell_location(path)}")


def _mistakes(section, text):
    try:
        source = parse_yaml(text, "x")
    except SourceError as error:
        return [problem.message for problem in error.problems], None
    return [problem.message for problem in validate(section, source)[1]], source.data


def _only_lint_knows(message, kind):
    """What JSON Schema cannot say: bounds of text, rules between keys, and what libraries know."""
    known = kind_of(kind)
    return message.startswith(RULES) or (known is not None and known.name.startswith(OF_TEXT))


@pytest.mark.parametrize(("file", "path", "kind", "write"), list(_different()))
def test_a_message_names_the_key_and_the_schema_agrees(file, path, kind, write):
    key = spell_location(path)
    for written in [*TEXTS, *NUMBERS, *OTHERS, *CHANGED, *NOT_YAML]:
        found, data = _mistakes(file, write(written))
        for message in found:
            named, _, said = message.rpartition(": ") if message.count(": ") < 2 else message.partition(": ")
            assert key.startswith(named) or named.startswith((key, *RULES)), (written, message)
            assert " should " not in said, message  # pydantic's own words
        if written in {*TEXTS, *NUMBERS, *OTHERS} and data is not None:
            refused = not VALIDATORS[file].is_valid(json.loads(json.dumps(data)))
            assert bool(found) or not refused, (written, "the schema refuses what lint takes")
            assert refused or all(_only_lint_knows(message, kind) for message in found), (written, found)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.__name__)
def test_each_number_has_bounds(file):
    numbers = [(path, kind) for path, kind, _ in walk_keys(file) if {int, float} & set(alternatives(kind))]
    written = [(path, kind) for path, kind in numbers if not (kind_of(kind) and kind_of(kind).spell)]
    bounds = {spell_location(path): [bounds_of(each) for each in (kind, *get_args(kind))] for path, kind in written}
    assert [key for key, found in bounds.items() if not any(None not in each for each in found)] == []


@pytest.mark.parametrize("written", CHANGED)
def test_what_yaml_changes_is_no_text_and_no_number(written):
    assert _mistakes(Config, f"targets: [{{image: a, labels: {{x: {written}}}}}]")[0]
    if written not in {"0x10", "1.", "+5"}:  # the same number in both versions
        assert _mistakes(Config, f"limits: {{retries: {written}}}")[0]
