"""The JSON that programs read: the schemas hold for what is written and printed, and keep what version 1 promised."""

import json
import os
from pathlib import Path

import jsonschema_rs
import msgspec
import pytest
import typer
import yaml
from typer.testing import CliRunner

from orchestrator.api.json_documents import DOCUMENTS, document_schema
from orchestrator.cli.app import app
from orchestrator.cli.output import OutputFormat, print_data
from orchestrator.cli.result_tables import print_findings
from orchestrator.model import CellState, CellStatus, Ledger, MergedRow, Plan, PullStatus, RunStatus
from orchestrator.model.documents import DocumentError, decode, encode
from orchestrator.results.coverage import Coverage, NotCovered
from orchestrator.volume.layout import Volume
from tests.exports import make_finding, make_row, put_run, suppressed
from tests.golden import REFRESH
from tests.stored_runs import day, finding, write_run
from tests.unit.workflows.examples import example

PROMISED = Path(__file__).parent / "promised_1.txt"
SCHEMAS = {name: document_schema(name) for name in DOCUMENTS}
STATUS = RunStatus(
    run="r", state="running", cells=(CellStatus("a", "b", state=CellState.OK),), pulls=(PullStatus("a"),)
)


def mistakes(name, text):
    return [error.message for error in jsonschema_rs.Draft202012Validator(SCHEMAS[name]).iter_errors(json.loads(text))]


@pytest.fixture
def documents(tmp_path):
    results = put_run(tmp_path, [make_row(), make_row(scan="virus", owners=())])
    return {"plan": example("seed")[0], "ledger": results.ledger, "status": STATUS}


@pytest.mark.parametrize("name", ["plan", "ledger", "status"])
def test_files_and_output_are_as_the_schema_says(documents, name, capsys):
    written = encode(documents[name])
    print_data(documents[name], OutputFormat.JSON)
    printed = capsys.readouterr().out
    for text in (written, printed):
        assert mistakes(name, text) == []
        assert next(iter(json.loads(text).items())) == ("schema_version", 1)
    said = json.loads(written)
    said["of_a_later_release"] = 1
    assert mistakes(name, json.dumps(said)) == []
    said["run"] = 1
    assert mistakes(name, json.dumps(said))


def test_findings_are_as_the_schema_says(capsys):
    row = ("run", "app-1", ("a:1",), (), "sha256:1", (), "linux/amd64")
    found = [MergedRow(*row, make_finding()), MergedRow(*row, make_finding(suppressed=suppressed(), first_seen=""))]
    print_findings(found, Coverage(2, (NotCovered("app-2", ("b:1",), "failed"),)), OutputFormat.JSON)
    printed = capsys.readouterr().out
    assert mistakes("findings", printed) == []
    assert json.loads(printed)["schema_version"] == 1
    assert mistakes("findings", printed.replace('"high"', '"hgih"'))


#: What is asked below, by command: the document that it prints, and the rest of its command line.
ASKED = {
    "results who-has": ("findings", "CVE-2025-1"),
    "results show": ("findings", "--run run-1"),
    "results diff": ("differences", "--all"),
    "results list": ("runs", ""),
    "results notify": ("deliveries", ""),
    "store stale": ("stale", "--age 1d"),
    "store targets": ("targets", ""),
    "store overview": ("overview", ""),
    "store history": ("history", "CVE-2025-1"),
    "store import": ("imported", ""),
    "store prune": ("pruned", "--keep 9999d"),
    "schedule": ("backlog", "--show"),
    "templates": ("scans", ""),
    "plugins": ("plugins", ""),
    "explain": ("explanations", "limits.retries"),
    "lint": ("problems", "odd.yaml"),
    "distrust": ("distrust", ""),
    "admit": ("admission", "app:1"),
}
#: Commands whose documents are printed above, or need more than a volume; tests of these commands look at the output.
ELSEWHERE = {
    "plan": "plan",
    "status": "status",
    "run": "ledger",
    "retry": "ledger",
    "fetch": "ledger",
    "doctor": "diagnosis",
    "lock": "locked",
}
WITHOUT_VOLUME = {"templates", "plugins", "explain", "lint", "distrust", "admit"}


def commands_with_output(command, *words):
    if any(parameter.name == "output" for parameter in command.params):
        yield " ".join(words)
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands_with_output(inner, *words, name)


def test_every_command_that_prints_json_prints_a_document_with_a_schema():
    documents = {command: name for command, (name, _) in ASKED.items()} | ELSEWHERE
    assert set(commands_with_output(typer.main.get_command(app))) == set(documents)
    assert set(documents.values()) == set(DOCUMENTS)
    page = (Path(__file__).parents[3] / "docs" / "json.md").read_text()
    rows = {row.split(" |")[0][2:]: row for row in page.splitlines() if row.startswith("| ")}
    for command, name in documents.items():
        assert f"`{command}" in rows[name], command


@pytest.mark.parametrize("command", ASKED)
def test_answers_of_commands_are_as_the_schema_says_in_json_and_yaml(tmp_path, monkeypatch, command):
    name, rest = ASKED[command]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "odd.yaml").write_text("targets: 3\n")
    distrusted = [{"scan": "general", "from": "2026-03-19", "reason": "CVE-2026-33634"}]
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump({"scanners": {"distrusted": distrusted}}))
    write_run(Volume(tmp_path), "run-1", day(1), {"a/dependency": [finding(1)], "b/dependency": "timed out"})
    words = [*command.split(), *rest.split(), *([] if command == "explain" else ["-c", "scanmatrix.yaml"])]
    words += [] if command in WITHOUT_VOLUME else ["--volume", str(tmp_path)]
    runner, words = CliRunner(), [*words, "--output"]
    if command == "schedule":
        runner.invoke(app, ["store", "migrate", "--volume", str(tmp_path)], catch_exceptions=False)
    for read, output in ((yaml.safe_load, "yaml"), (json.loads, "json")):
        done = runner.invoke(app, [*words, output], catch_exceptions=False)
        assert mistakes(name, json.dumps(read(done.stdout))) == []
        assert next(iter(read(done.stdout).items())) == ("schema_version", 1)
    said = json.loads(done.stdout)
    assert mistakes(name, json.dumps(said | {"of_a_later_release": 1})) == []
    for field in said:
        assert mistakes(name, json.dumps(said | {field: 1.5})), field


def test_runs_are_printed_as_yaml_too(tmp_path):
    write_run(Volume(tmp_path), "run-1", day(1), {"a/dependency": [finding(1)]})
    done = CliRunner().invoke(app, ["results", "list", "--volume", str(tmp_path), "--output", "yaml"])
    [run] = yaml.safe_load(done.stdout)["runs"]
    assert (run["cells"]["ok"], run["open"]) == (1, {"high": 1})


@pytest.mark.parametrize("kind", [Plan, Ledger])
def test_what_earlier_versions_wrote_is_read(documents, kind):
    document = documents[kind.__name__.lower()]
    said = json.loads(encode(document))
    del said["schema_version"]
    assert decode(json.dumps(said).encode(), kind, origin="x") == document


def test_what_a_later_version_wrote_is_refused_with_what_to_do(documents):
    said = json.loads(encode(documents["ledger"])) | {"schema_version": 2, "new": 1}
    with pytest.raises(DocumentError, match=r"x: this ledger has schema_version 2, .* reads up to 1; install"):
        decode(json.dumps(said).encode(), Ledger, origin="x")
    with pytest.raises(DocumentError, match="not a valid ledger"):
        decode(b'{"schema_version": 1, "new": 1}', Ledger, origin="x")


def shape(name):
    """Every field of a document with its type, whether it may be missing, and its default."""
    schema = SCHEMAS[name]
    definitions = {"": schema} | schema["$defs"]
    for title, definition in definitions.items():
        if "enum" in definition:
            yield f"{name} {title}: {sorted(map(str, definition['enum']))}"
        for field, said in definition.get("properties", {}).items():
            kind = {key: value for key, value in said.items() if key != "description"}
            need = "always" if field in definition.get("required", ()) else "optional"
            yield f"{name} {title}.{field}: {need} {json.dumps(kind, sort_keys=True)}"


def test_version_1_keeps_what_it_promised():
    found = sorted(line for name in DOCUMENTS for line in shape(name))
    if os.environ.get(REFRESH):  # adds, and never removes: what goes needs another version
        PROMISED.write_text("".join(f"{line}\n" for line in sorted({*found, *PROMISED.read_text().splitlines()})))
    promised = PROMISED.read_text().splitlines()
    gone = [line for line in promised if line not in set(found)]
    assert gone == [], "docs/json.md promises these; raise the version of the document, or keep them"
    assert found == promised, "new: `make golden` adds them to what is promised"


def test_versions_are_numbers_of_the_types():
    assert {kind.__struct_config__.tag for kind in (Plan, Ledger, RunStatus)} == {1}
    assert msgspec.json.decode(encode(STATUS))["schema_version"] == 1
