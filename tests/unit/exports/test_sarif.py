"""The SARIF log, read back: one result for each merged finding, with all that matters."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.config.loading import default_config
from orchestrator.exports import sarif
from orchestrator.findings import sarif as sarif_format
from orchestrator.model import KINDS, Cvss, Outcome, Severity
from tests.examples import examples
from tests.exports import RUN, make_finding, make_row, put_run, suppressed

GITHUB_BANDS = ((9.1, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))


def log_of(results, to=""):
    with open(sarif.export(results, default_config(environment={}), str(to))) as file:  # noqa: PTH123
        return json.load(file)


def one(tmp_path, finding):
    (run,) = log_of(put_run(tmp_path, findings=[finding]))["runs"]
    (result,) = run["results"]
    return run, result, run["tool"]["driver"]["rules"][result["ruleIndex"]]


def github_severity(rule):
    """As code scanning shows a rule with this score."""
    score = float(rule["properties"].get("security-severity", 0))
    return next((word for least, word in GITHUB_BANDS if score >= least), "")


def test_a_finding(tmp_path):
    run, result, rule = one(tmp_path, make_finding(aliases=("GHSA-1",), cvss=Cvss(score=7.5, version="3.1")))
    assert rule["id"] == result["ruleId"] == "CVE-2024-0001"
    assert result["level"] == "error"
    assert rule["properties"]["security-severity"] == "7.5"
    assert result["properties"]["foundBy"] == ["general", "dependency"]
    for said in ("CVE-2024-0001", "openssl 3.0.1", "3.0.2", "registry.example/team/app-1:1.0"):
        assert said in result["message"]["text"]
    (location,) = result["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == "usr/lib/libssl.so.3"
    assert location["physicalLocation"]["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
    assert location["logicalLocations"][1]["fullyQualifiedName"] == "pkg:deb/debian/openssl@3.0.1"
    assert result["suppressions"] == []
    assert run["automationDetails"]["id"] == f"scanmatrix/{RUN}"


@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize("score", [None, 0.0, 5.0, 9.8])
def test_code_scanning_shows_the_same_severity(tmp_path, severity, score):
    finding = make_finding(severity=severity, cvss=None if score is None else Cvss(score=score))
    _, result, rule = one(tmp_path, finding)
    known = severity in {Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL}
    assert github_severity(rule) == (severity.value if known else "")
    assert (result["level"] == "error") == (severity in {Severity.HIGH, Severity.CRITICAL})
    assert result["properties"]["severity"] == severity.value


def test_a_rule_is_as_bad_as_its_worst_finding(tmp_path):
    findings = [make_finding(key=str(each), severity=each) for each in (Severity.LOW, Severity.CRITICAL, Severity.HIGH)]
    (run,) = log_of(put_run(tmp_path, findings=findings))["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert github_severity(rule) == "critical"
    assert [result["level"] for result in run["results"]] == ["note", "error", "error"]


def test_what_is_suppressed_stays_in_it_and_says_why(tmp_path):
    _, result, _ = one(tmp_path, make_finding(suppressed=suppressed()))
    (suppression,) = result["suppressions"]
    assert (suppression["kind"], suppression["status"]) == ("external", "accepted")
    for said in ("not reachable", "ignore.yaml:12", "2025-06-01", "vulnerable_code_not_in_execute_path"):
        assert said in suppression["justification"]


def test_fingerprints_outlive_tags_and_versions(tmp_path):
    def mark(number, **changes):
        row = make_row(references=(f"registry.example/team/app:{changes.pop('tag', '1')}",))
        results = put_run(tmp_path / str(number), [row], [make_finding(**changes)])
        return log_of(results)["runs"][0]["results"][0]["partialFingerprints"]

    first = mark(1)
    assert first == mark(2, tag="2", version="3.0.9")
    assert first.keys() == {"scanmatrixKey/v1", "primaryLocationLineHash"}
    assert all(first[name] != value for name, value in mark(3, key="another").items())


def test_what_was_not_scanned_is_said(tmp_path):
    failed = make_row(
        "sha256-0", "virus", outcome=Outcome.FAILED, reason="took too long", references=("app:1", "app:2")
    )
    (run,) = log_of(put_run(tmp_path, [make_row(), failed], []))["runs"]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is False
    texts = [note["message"]["text"] for note in invocation["toolExecutionNotifications"]]
    assert texts[0] == "app:1, app:2 × virus: took too long"
    assert texts[1:] == ["this log covers 1 of 2 targets; nothing is known of 1: app:1: virus failed"]
    assert run["results"] == []


def test_a_clean_run_is_a_run(tmp_path):
    (run,) = log_of(put_run(tmp_path, findings=[]))["runs"]
    assert run["results"] == run["tool"]["driver"]["rules"] == []
    assert run["invocations"][0]["executionSuccessful"] is True


def test_many_findings_are_several_runs_and_more_than_enough_are_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(sarif, "RESULTS_PER_RUN", 3)
    monkeypatch.setattr(sarif, "RUNS", 2)
    severities = [Severity.LOW, Severity.CRITICAL, Severity.MEDIUM, Severity.HIGH]
    findings = [make_finding(number=n, severity=severities[n % 4]) for n in range(8)]
    findings[1] = make_finding(number=1, severity=Severity.CRITICAL, suppressed=suppressed())
    log = log_of(put_run(tmp_path, findings=findings))
    assert [len(run["results"]) for run in log["runs"]] == [3, 3]
    categories = [run["automationDetails"]["id"].rpartition("/")[0] for run in log["runs"]]
    assert len(set(categories)) == 2
    for run in log["runs"]:
        rules = run["tool"]["driver"]["rules"]
        assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])
        texts = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
        assert any(text.startswith("2 findings") for text in texts)
    kept = [result["ruleId"] for run in log["runs"] for result in run["results"]]
    # Suppressed is least of all, then the second of the two lows.
    assert kept == [f"CVE-2024-{n:04}" for n in (0, 2, 3, 5, 6, 7)]


@settings(max_examples=examples(20), deadline=None)
@given(
    title=st.text(max_size=50),
    location=st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=30),
)
def test_whatever_a_scanner_writes_stays_text(tmp_path_factory, title, location):
    _, result, rule = one(
        tmp_path_factory.mktemp("run"),
        make_finding(title=title.encode(errors="replace").decode(), locations=(location,)),
    )
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert re.fullmatch(r"[A-Za-z0-9\-._~!$&'()*+,;=@%/]+", uri)  # RFC 3986, a relative path
    if location.strip("/"):
        assert unquote(uri) == location.lstrip("/")
    for text in (result["message"]["text"], rule["shortDescription"]["text"]):
        assert 0 < len(text) <= 1000
        assert not re.search(r"\]\(|(?<!\{)\{\d+\}", text)


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_reader_gets_it_all_back(tmp_path, kind):
    merged = make_finding(
        kind=kind, aliases=("GHSA-1",), severity=Severity.CRITICAL, locations=("/a/x.jar", "/b/y.jar")
    )
    path = sarif.export(put_run(tmp_path, findings=[merged]), default_config(environment={}))
    report = sarif_format.parse(Path(path).read_bytes())
    assert report.scanner == "scanmatrix"
    for finding, location in zip(report.findings, ("a/x.jar", "b/y.jar"), strict=True):
        assert finding.location.endswith(location)
        for name in ("kind", "id", "aliases", "severity", "package", "version", "purl", "fixed_version"):
            assert getattr(finding, name) == getattr(merged, name), name


SECRETS = {"kind": "secret", "id": "aws-key", "package": "", "version": "", "purl": "", "locations": ("/app/a.py",)}


def test_every_place_is_a_location_and_the_fingerprint_stays_when_one_is_gone(tmp_path):
    both = make_finding(**SECRETS, count=2, places=("line 3", "aws.b, line 9-12"))
    _, result, _ = one(tmp_path / "both", both)
    places = [
        (each["physicalLocation"]["region"]["startLine"], each["message"]["text"]) for each in result["locations"]
    ]
    assert places == [(3, "line 3"), (9, "aws.b, line 9-12")]
    assert result["properties"]["count"] == 2
    assert "2 of it" in result["message"]["text"]
    _, less, _ = one(tmp_path / "less", make_finding(**SECRETS, places=("line 4",)))
    assert len(less["locations"]) == 1
    assert less["partialFingerprints"] == result["partialFingerprints"]


def test_our_own_reader_gets_the_places_back(tmp_path):
    merged = make_finding(**SECRETS, count=2, places=("line 3", "aws.b, line 9-12"))
    path = sarif.export(put_run(tmp_path, findings=[merged]), default_config(environment={}))
    found = sarif_format.parse(Path(path).read_bytes()).findings
    assert [each.place for each in found] == list(merged.places)
