"""From reports of several scanners to what people act on: merged, suppressed, dated, judged, compared, exported."""

import json

import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from orchestrator.cli import UNKNOWN
from orchestrator.cli.app import app
from orchestrator.errors import NotKnownError, UsageError
from orchestrator.model import (
    Cell,
    Decision,
    IgnoreRule,
    Name,
    Policy,
    PolicyRule,
    Severity,
    Suppression,
    VexProduct,
    VexStatement,
    VexStatus,
)
from orchestrator.results.tables.reading import read_findings, read_merged
from orchestrator.steps.aggregate import aggregate
from orchestrator.upkeep.plans import write_plan
from orchestrator.volume.layout import Volume
from tests.aggregation import make_plan, make_target, put_clean_run, put_record, put_report

LOG4SHELL = "CVE-2021-44228"


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "scanmatrix-data")


def _trivy(*ids, package="org.apache.logging.log4j:log4j-core", version="2.14.1", severity="CRITICAL"):
    vulnerabilities = [
        {
            "VulnerabilityID": each,
            "PkgName": package,
            "PkgIdentifier": {"PURL": f"pkg:maven/{package.replace(':', '/')}@{version}"},
            "InstalledVersion": version,
            "FixedVersion": "2.15.0, 2.12.2",
            "Severity": severity,
        }
        for each in ids
    ]
    result = {"Target": "Java", "Class": "lang-pkgs", "Vulnerabilities": vulnerabilities}
    return {"SchemaVersion": 2, "ArtifactName": "image.tar", "Results": [result]}


def _grype(*, fixed="2.15.0"):
    match = {
        "vulnerability": {
            "id": "GHSA-jfh8-c2jp-5v3q",
            "severity": "High",
            "fix": {"versions": [fixed], "state": "fixed"},
        },
        "relatedVulnerabilities": [{"id": LOG4SHELL}],
        "artifact": {
            "name": "log4j-core",
            "version": "2.14.1",
            "type": "java-archive",
            "locations": [{"path": "/app/log4j-core-2.14.1.jar"}],
            "purl": "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1",
        },
    }
    return {"matches": [match], "descriptor": {"name": "grype", "version": "0.110.0"}}


def _write(volume, plan, reports):
    """The run of a plan: clean but for these reports, by target and scan."""
    write_plan(plan, volume)
    put_clean_run(volume, plan)
    for (target, scan), report in reports.items():
        put_report(volume, plan, target, scan, report)
    return aggregate(plan, volume)


def _at(plan, created):
    return msgspec.structs.replace(plan, created=created)


def test_one_vulnerability_of_two_scanners_is_one_row_and_every_report_stays(volume):
    plan = make_plan()
    _write(volume, plan, {("app-1", "general"): _trivy(LOG4SHELL), ("app-1", "dependency"): _grype()})
    (row,) = read_merged(volume, plan.run).to_dict("records")
    assert (row["id"], row["severity"], row["fixed_version"]) == (LOG4SHELL, "critical", "2.15.0")
    assert list(row["found_by"]) == ["dependency", "general"]
    assert list(row["severities"]) == ["dependency=high", "general=critical"]
    # sbom reads a format that could hold it, and did not find it; virus and root-user look for other things.
    assert list(row["not_found_by"]) == ["sbom"]
    assert list(row["aliases"]) == ["GHSA-jfh8-c2jp-5v3q"]
    assert str(row["first_seen"]) == "2025-03-01 09:00:00+00:00"
    assert len(read_findings(volume, plan.run)) == 2


def test_a_scan_that_failed_is_named_beside_what_others_found(volume):
    plan = make_plan()
    put_record(volume, plan, "app-1", "dependency")
    _write(volume, plan, {("app-1", "general"): _trivy(LOG4SHELL), ("app-1", "dependency"): b"{"})
    (row,) = read_merged(volume, plan.run).to_dict("records")
    assert list(row["not_scanned_by"]) == ["dependency"]


def test_what_is_suppressed_stays_listed_and_does_not_break_the_policy(volume):
    rule = IgnoreRule(
        name="ignore.yaml:1", reason="no JNDI here", id=LOG4SHELL, package="log4j-core", expires="2025-04-01T00:00:00Z"
    )
    plan = msgspec.structs.replace(
        make_plan(policy=Policy(severity=Severity.HIGH)), suppression=Suppression(rules=(rule,))
    )
    reports = {("app-1", "general"): _trivy(LOG4SHELL), ("app-1", "dependency"): _grype()}
    ledger = _write(volume, plan, reports)
    assert ledger.verdict.passed
    (row,) = read_merged(volume, plan.run).to_dict("records")
    assert (row["suppressed"], row["suppressed_by"], row["suppressed_reason"]) == (
        "ignored", "ignore.yaml:1", "no JNDI here",
    )  # fmt: skip
    summary = (volume.results(plan.run) / "summary.md").read_text()
    assert "| 1 |" in next(
        line for line in summary.splitlines() if line.startswith("| registry.example/team/app:1 | 0")
    )

    expired = _at(msgspec.structs.replace(plan, run="run-2"), "2025-05-01T00:00:00Z")
    ledger = _write(volume, expired, reports)
    assert not ledger.verdict.passed
    assert "ignore.yaml:1" in (volume.results("run-2") / "summary.md").read_text()


def test_vex_speaks_for_every_scanner(volume):
    statement = VexStatement(
        source="vendor.vex.json",
        ids=("GHSA-jfh8-c2jp-5v3q",),
        status=VexStatus.NOT_AFFECTED,
        products=(VexProduct(package="pkg:maven/org.apache.logging.log4j/log4j-core"),),
        timestamp="2025-01-01T00:00:00Z",
        justification="vulnerable_code_not_present",
    )
    plan = msgspec.structs.replace(make_plan(), suppression=Suppression(statements=(statement,)))
    _write(volume, plan, {("app-1", "general"): _trivy(LOG4SHELL)})
    (row,) = read_merged(volume, plan.run).to_dict("records")
    # Trivy does not know the GHSA, so that only the statement about it is silent; Grype's alias makes it speak.
    assert row["suppressed"] == ""
    _write(volume, plan, {("app-1", "general"): _trivy(LOG4SHELL), ("app-1", "dependency"): _grype()})
    (row,) = read_merged(volume, plan.run).to_dict("records")
    assert (row["suppressed"], row["justification"]) == ("not_affected", "vulnerable_code_not_present")


def test_the_verdict_names_the_rule_and_the_rows(volume):
    rules = (
        PolicyRule(name="no critical java", severity=Severity.CRITICAL, ecosystems=("maven",), fixable=True),
        PolicyRule(name="old", older_than=86400),
    )
    plan = make_plan(policy=Policy(rules=rules))
    reports = {("app-1", "general"): _trivy(LOG4SHELL)}
    verdict = _write(volume, plan, reports).verdict
    assert [rule.rule for rule in verdict.rules] == ["no critical java"]
    assert LOG4SHELL in verdict.rules[0].rows[0]
    (row,) = read_merged(volume, plan.run).to_dict("records")
    assert list(row["rules"]) == ["no critical java"]

    later = _at(msgspec.structs.replace(plan, run="run-2"), "2025-03-04T09:00:00Z")
    verdict = _write(volume, later, reports).verdict
    assert [rule.rule for rule in verdict.rules] == ["no critical java", "old"]


def test_a_result_that_is_still_fresh_counts_in_the_run_that_spared_the_scan(volume):
    policy = Policy(severity=Severity.HIGH)
    _write(volume, make_plan(policy=policy), {("app-1", "general"): _trivy(LOG4SHELL)})
    fresh = Cell(target="app-1", scan="general", decision=Decision.SKIP, reason="fresh: …", standing="run-1")
    others = [Cell(target="app-1", scan=name) for name in ("dependency", "sbom")]
    second = make_plan(run="run-2", cells=[fresh, *others], policy=policy)
    write_plan(second, volume)
    for cell in others:
        put_report(volume, second, "app-1", cell.scan, _grype() if cell.scan == "dependency" else None)
        put_record(volume, second, "app-1", cell.scan)
    ledger = aggregate(second, volume)
    assert not ledger.verdict.passed
    (row,) = read_merged(volume, "run-2").to_dict("records")
    assert list(row["found_by"]) == ["general", "dependency"]
    assert len(read_findings(volume, "run-2")) == 1

    (volume.cell("run-1", "app-1", "general") / "report.json").unlink()
    aggregate(second, volume)
    (row,) = read_merged(volume, "run-2").to_dict("records")
    assert list(row["found_by"]) == ["dependency"]
    assert "not on the volume any more" in (volume.results("run-2") / "summary.md").read_text()


def test_another_ignore_rule_holds_for_a_result_that_is_not_made_again(volume):
    policy = Policy(severity=Severity.HIGH)
    assert not _write(volume, make_plan(policy=policy), {("app-1", "general"): _trivy(LOG4SHELL)}).verdict.passed
    fresh = Cell(target="app-1", scan="general", decision=Decision.SKIP, reason="fresh: …", standing="run-1")
    rule = IgnoreRule(name="ignore.yaml:1", reason="no JNDI here", id=f" {LOG4SHELL.lower()}\u00a0")
    second = make_plan(run="run-2", cells=[fresh], policy=policy)
    second = msgspec.structs.replace(second, suppression=Suppression(rules=(rule,)))
    write_plan(second, volume)
    assert aggregate(second, volume).verdict.passed
    (row,) = read_merged(volume, "run-2").to_dict("records")
    assert (row["suppressed"], row["suppressed_by"]) == ("ignored", "ignore.yaml:1")


def write_two_runs(volume):
    """Two runs of an image that was built again before the second, and got another name then."""
    name = Name(reference="registry.example/team/app:1", owner="team")
    first = make_plan([make_target(1, names=(name,))])
    _write(volume, first, {("app-1", "general"): _trivy(LOG4SHELL, "CVE-2021-45046")})
    rebuilt = make_target(2, names=(name, Name(reference="registry.example/team/app:2", owner="team")))
    second = _at(make_plan([rebuilt], run="run-2"), "2025-03-02T09:00:00Z")
    _write(volume, second, {("app-2", "general"): _trivy("CVE-2021-45046", "CVE-2021-45105", version="2.15.0")})


@pytest.fixture
def call(volume, monkeypatch):
    """The command, over two runs."""
    monkeypatch.chdir(volume.root.parent)
    (volume.root.parent / "scanmatrix.yaml").write_text(yaml.safe_dump({"volume": {"path": "scanmatrix-data"}}))
    write_two_runs(volume)

    def run(*words, status=0):
        done = CliRunner().invoke(app, ["results", *words])
        assert done.exit_code == status, done.output
        return done.stdout

    return run


def test_runs_are_listed_in_numbers(call):
    found = json.loads(call("list", "--output", "json"))["runs"]
    assert [(run["run"], run["open"], run["passed"]) for run in found] == [
        ("run-2", {"critical": 2}, True),
        ("run-1", {"critical": 2}, True),
    ]
    assert "run-2" in call("list")


def test_an_answer_says_what_it_covers(call, volume):
    assert "covers 1 of 1 targets" in call("show").splitlines()[-1]
    failed = make_plan([make_target(3)], run="run-3")
    write_plan(failed, volume)
    aggregate(_at(failed, "2025-03-03T09:00:00Z"), volume)
    said = call("show", "run-3", status=UNKNOWN).splitlines()[-1]
    assert "0 findings; covers 0 of 1 targets; nothing is known of 1: " in said
    answer = json.loads(call("show", "run-3", "--output", "json", status=UNKNOWN))
    assert (answer["coverage"], answer["findings"]) == ({"targets": 1, "covered": 0}, [])
    assert [each["target"] for each in answer["unknown"]] == ["app-3"]


def test_who_has_says_of_how_many_it_knows(call, volume):
    assert (
        call("who-has", "CVE-2021-45046").splitlines()[-1] == "1 of 1 targets has it; the answer covers 1 of 1 targets"
    )
    failed = make_plan([make_target(3)], run="run-3")
    write_plan(failed, volume)
    aggregate(_at(failed, "2025-03-03T09:00:00Z"), volume)
    said = call("who-has", " cve-2021-45046\u00a0").splitlines()[-1]
    assert said.startswith("1 of 2 targets has it; the answer covers 1 of 2 targets; nothing is known of 1: ")


def test_findings_are_shown_and_chosen(call):
    rows = json.loads(call("show", "--id", "CVE-2021-45046", "--output", "json"))["findings"]
    assert [(row["run"], row["version"], row["owners"]) for row in rows] == [("run-2", "2.15.0", ["team"])]
    for wrong, hint in [("--owner=taem", "'team'"), ("--scan=genral", "'general'"), ("--target=app:1", "app:1")]:
        with pytest.raises(NotKnownError, match=f"did you mean '?.*{hint}"):
            CliRunner().invoke(app, ["results", "show", wrong], catch_exceptions=False)
    assert (
        len(json.loads(call("show", "run-1", "--severity", "high", "--fixable", "--output", "json"))["findings"]) == 2
    )
    assert LOG4SHELL in call("show", "run-1", "--kind", "vulnerability")
    with pytest.raises(UsageError, match="kind"):
        CliRunner().invoke(app, ["results", "show", "--kind", "virus"], catch_exceptions=False)


def test_what_changed_with_the_latest_run(call):
    rows = json.loads(call("diff", "--output", "json"))["differences"]
    status = {(row["reference"][-1], row["id"]): row["status"] for row in rows}
    assert {key: value for key, value in status.items() if key[0] == "1"} == {
        ("1", LOG4SHELL): "fixed",
        ("1", "CVE-2021-45046"): "still there",
        ("1", "CVE-2021-45105"): "new",
    }
    table = call("diff")
    assert "CVE-2021-45105" in table
    assert "still there" in table.splitlines()[-2]
    assert table.splitlines()[-1] == "the newer side covers 1 of 1 targets"


def test_what_changed_since_a_date_and_between_two_names(call):
    rows = json.loads(call("diff", "--since", "2020-01-01", "--output", "json"))["differences"]
    assert {row["status"] for row in rows} <= {"new", "still there"}
    rows = json.loads(
        call("diff", "--between", "registry.example/team/app:1", "registry.example/team/app:2", "-o", "json")
    )
    assert {row["status"] for row in rows["differences"]} == {"still there"}


def test_who_has_a_vulnerability_now(call):
    rows = json.loads(call("who-has", "CVE-2021-45046", "--output", "json"))["findings"]
    assert [(row["run"], sorted(row["references"])) for row in rows] == [
        ("run-2", ["registry.example/team/app:1", "registry.example/team/app:2"])
    ]
    assert json.loads(call("who-has", LOG4SHELL, "--output", "json")) == {
        "schema_version": 1, "coverage": {"targets": 1, "covered": 1}, "unknown": [], "findings": [],
    }  # fmt: skip
    assert "registry.example/team/app:1" in call("who-has", "CVE-2021-45105")


def test_exports_are_listed_and_written(call, tmp_path):
    assert "sarif" in call("export")
    for name in ("csv", "parquet", "html", "sarif", "cyclonedx"):
        path = tmp_path / f"out.{name}"
        assert call("export", name, "--to", str(path)).strip() == str(path)
        assert path.stat().st_size > 100


@pytest.mark.parametrize(
    ("words", "what", "kind"),
    [
        (("show", "run-9"), "run-9", NotKnownError),
        (("show", "--severity", "hihg"), "hihg", UsageError),
        (("diff", "--since", "yesterday"), "yesterday", UsageError),
        (("diff", "run-1", "--since", "2025-01-01"), "--since", UsageError),
        (("export", "htlm"), "htlm", UsageError),
        (("export", "s3"), "s3", UsageError),
    ],
)
def test_mistakes_are_reported(call, words, what, kind):
    with pytest.raises(kind) as error:
        CliRunner().invoke(app, ["results", *words], catch_exceptions=False)
    assert what in str(error.value)
