"""What a configuration names is read when a run is planned."""

import json
from datetime import UTC, datetime

import pytest

from orchestrator.analysis.suppression.loading import load
from orchestrator.api import install as install_api
from orchestrator.api import plan as plan_api
from orchestrator.api.lint import lint_file
from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import load_config
from orchestrator.errors import UsageError
from orchestrator.kit.sources import SourceError
from tests.planned import plan_here

NOW = datetime(2026, 1, 10, tzinfo=UTC)
RULES = "ignore:\n- {id: CVE-2020-1, reason: x}\n"


def openvex(id_="https://example.org/1", version=1, **fields):
    statement = {"vulnerability": "CVE-2020-1", "products": ["pkg:npm/x"], "status": "fixed"} | fields
    return json.dumps(
        {"@context": "https://openvex.dev/ns/v0.2.0", "@id": id_, "version": version, "statements": [statement]}
    )


def configure(tmp_path, suppression, **files):
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    file = tmp_path / "scanmatrix.yaml"
    file.write_text(f"targets: [{{image: 'a@sha256:{'a' * 64}'}}]\nsuppression: {suppression}\n")
    return load_config(file, environment={})


def test_everything_that_is_named(tmp_path):
    config = configure(
        tmp_path,
        "{rules: ignore.yaml, vex: ['vex/*.json', one.json]}",
        ignore_yaml=RULES,
        vex__b_json=openvex("b"),
        vex__a_json=openvex("a"),
        one_json=openvex("one"),
    )
    found = load(config, tuple(load_catalog(config)), now=NOW)
    assert [rule.name for rule in found.rules] == ["ignore.yaml:2"]
    assert [each.source for each in found.statements] == ["vex/a.json (a)", "vex/b.json (b)", "one.json (one)"]


def test_nothing_is_named(tmp_path):
    found = load(configure(tmp_path, "{}"))
    assert found.rules == found.statements == found.notes == ()


def test_a_higher_version_replaces_a_document(tmp_path):
    config = configure(
        tmp_path, "{vex: [a.json, b.json]}", a_json=openvex(version=2), b_json=openvex(version=1, status="affected")
    )
    found = load(config)
    assert [each.source[:6] for each in found.statements] == ["a.json"]
    assert len(found.notes) == 1


def test_every_mistake_of_every_file_at_once(tmp_path):
    config = configure(
        tmp_path,
        "{rules: ignore.yaml, vex: [none.json, 'none/*.json', bad.json, empty.json]}",
        ignore_yaml="ignore:\n- {id: '*', reason: x}\n- {id: CVE-2020-1}\n",
        bad_json='{"@context": "https://openvex.dev/ns"}',
        empty_json="",
    )
    with pytest.raises(SourceError) as raised:
        load(config)
    assert isinstance(raised.value, UsageError)
    places = [(problem.file.rpartition("/")[2], problem.line) for problem in raised.value.problems]
    assert places == [
        ("ignore.yaml", 2),
        ("ignore.yaml", 3),
        ("scanmatrix.yaml", 2),
        ("scanmatrix.yaml", 2),
        ("bad.json", 0),
        ("empty.json", 0),
    ]


def test_mistakes_of_single_statements_are_notes_and_the_run_starts(tmp_path, caplog):
    config = configure(
        tmp_path, "{vex: [bad.json, good.json]}", bad_json=openvex("bad", status="nope"), good_json=openvex("good")
    )
    plan = plan_api.make_plan(config, scans=("root-user",), offline=True)
    assert [each.source for each in plan.suppression.statements] == ["good.json (good)"]
    [note] = plan.suppression.notes
    assert note.startswith("bad.json (bad): statement 1 (CVE-2020-1)")
    assert any(note in message for message in caplog.messages)


def test_the_notes_of_a_document_are_bounded(tmp_path):
    statements = [{"vulnerability": "CVE-2020-1", "status": "nope"}] * 1000
    text = json.dumps({"@context": "https://openvex.dev/ns/v0.2.0", "statements": statements})
    notes = load(configure(tmp_path, "{vex: [a.json]}", a_json=text)).notes
    assert len(notes) == 21
    assert "980 more" in notes[-1]


def test_a_missing_ignore_file(tmp_path):
    with pytest.raises(SourceError, match=r"none\.yaml"):
        load(configure(tmp_path, "{rules: none.yaml}"))


def test_it_is_in_the_plan(tmp_path):
    config = configure(tmp_path, "{rules: ignore.yaml, vex: [one.json]}", ignore_yaml=RULES, one_json=openvex())
    plan = plan_api.make_plan(config, scans=("root-user",), offline=True)
    assert plan.suppression == load(config)
    assert len(plan.suppression.rules) == len(plan.suppression.statements) == 1


def test_a_misspelt_scan_is_reported_when_planning(tmp_path):
    text = "ignore: [{id: CVE-2020-1, reason: x, scan: root-usr}]\n"
    config = configure(tmp_path, "{rules: ignore.yaml}", ignore_yaml=text)
    with pytest.raises(SourceError, match="'root-user'"):
        plan_here(config, (), load_catalog(config), run="r", now=NOW, offline=True)


def test_the_files_go_into_the_cluster(tmp_path):
    config = configure(tmp_path, "{rules: ignore.yaml, vex: ['*.vex.json']}", ignore_yaml=RULES, a_vex_json=openvex())
    assert {"ignore.yaml", "a.vex.json"} <= install_api._contents(config).keys()
    below = configure(tmp_path, "{vex: ['vex/*.json']}", vex__a_json=openvex())
    with pytest.raises(UsageError, match="ConfigMap"):
        install_api._contents(below)


def test_lint_knows_them(tmp_path):
    ignore, document, config = (tmp_path / name for name in ("ignore.yaml", "v.json", "scanmatrix.yaml"))
    ignore.write_text("ignore:\n- {id: CVE-2020-1, reason: x, scan: virs}\n- {id: CVE-2020-2, raeson: x}\n")
    document.write_text(openvex(status="nope"))
    assert [problem.line for problem in lint_file(ignore)] == [2, 3, 3]
    assert len(lint_file(document)) == 1
    document.write_text(openvex())
    assert lint_file(document) == []
    config.write_text("suppression:\n  rules: none.yaml\n  vex: [v.json, w.json]\n")
    assert [problem.line for problem in lint_file(config)] == [2, 3]


def test_a_rule_that_has_ended_is_reported_when_planning_and_is_no_mistake(tmp_path, caplog):
    rules = (
        RULES
        + "- {id: CVE-2020-2, reason: y, expires: 2026-01-09}\n- {id: CVE-2020-3, reason: z, expires: 2026-02-01}\n"
    )
    config = configure(tmp_path, "{rules: ignore.yaml}", ignore_yaml=rules)
    assert len(load(config, now=NOW).rules) == 3
    (told,) = caplog.messages
    assert told.startswith("ignore.yaml:3: EXPIRED")
