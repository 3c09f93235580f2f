"""A finding without an id can neither be found again nor suppressed: its report is refused, whatever the format."""

import json
from typing import Any

import pytest

from orchestrator.findings import formats
from orchestrator.findings.interface import Report, ReportError
from orchestrator.kit.text import is_blank
from orchestrator.model import Finding

_PACKAGE = {"name": "a", "version": "1", "ecosystem": "npm"}


def _osv(**found: Any) -> dict[str, Any]:
    return {"results": [{"source": {"path": "/a"}, "packages": [{"package": _PACKAGE} | found]}]}


def _trivy(**found: Any) -> dict[str, Any]:
    return {"SchemaVersion": 2, "ArtifactName": "a", "Results": [{"Target": "x"} | found]}


def _cyclonedx(**found: Any) -> dict[str, Any]:
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "vulnerabilities": [found]}


def _sarif(**result: Any) -> dict[str, Any]:
    return {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x"}}, "results": [result]}]}


def _dockle(**detail: Any) -> dict[str, Any]:
    summary = {"fatal": 0, "warn": 1, "info": 0, "skip": 0, "pass": 3}
    return {"image": "a", "summary": summary, "details": [detail | {"alerts": ["a"]}]}


def documents(id_: str) -> dict[tuple[str, str], Any]:
    """A report of each format, and of each kind of finding in it, with one id."""
    match = {"vulnerability": {"id": id_}, "artifact": {"name": "a"}}
    checks = [{"name": id_, "score": 9, "reason": "r"}]
    return {
        ("grype", "match"): {"descriptor": {"name": "grype"}, "matches": [match]},
        ("osv", "vulnerability"): _osv(vulnerabilities=[{"id": id_}]),
        ("osv", "group"): _osv(groups=[{"ids": [id_]}], vulnerabilities=[{"id": "GHSA-1"}]),
        ("osv", "license"): _osv(license_violations=[id_]),
        ("trivy", "vulnerability"): _trivy(Vulnerabilities=[{"VulnerabilityID": id_, "PkgName": "a"}]),
        ("trivy", "misconfiguration"): _trivy(Misconfigurations=[{"ID": id_, "AVDID": "", "Status": "FAIL"}]),
        ("trivy", "secret"): _trivy(Secrets=[{"RuleID": id_, "Severity": "HIGH", "Title": "t"}]),
        ("trivy", "license"): _trivy(Licenses=[{"Name": id_, "Severity": "HIGH", "PkgName": "a"}]),
        ("cyclonedx", "id"): _cyclonedx(id=id_),
        ("cyclonedx", "id beside a reference"): _cyclonedx(**{"id": id_, "bom-ref": "r"}),
        ("cyclonedx", "reference"): _cyclonedx(**{"bom-ref": id_}),
        ("sarif", "rule"): _sarif(ruleId=id_, message={"text": id_}),
        ("dockle", "code"): _dockle(code=id_, title="t", level="WARN"),
        ("scorecard", "check"): {"repo": {"name": "a", "commit": "c"}, "scorecard": {"version": "v5"}, "score": 5.5,
                                 "checks": checks},
        ("scanmatrix", "finding"): {"format": "scanmatrix/1", "scanner": {"name": "a"},
                                    "findings": [{"id": id_, "kind": "check"}]},
    }  # fmt: skip


@pytest.mark.parametrize(
    "id_", ["", " ", "\t\n", "\0", "\x1b", "\u00a0", "\u200b", "\u202e \ufeff", "\u2800", "\u3164"]
)
@pytest.mark.parametrize("which", documents(""), ids=" ".join)
def test_refused(which: tuple[str, str], id_: str) -> None:
    with pytest.raises(ReportError):
        formats()[which[0]].parse(json.dumps(documents(id_)[which]).encode())


@pytest.mark.parametrize("id_", ["C", "-", "é", "漏洞", "\u200bC"])
@pytest.mark.parametrize("which", documents(""), ids=" ".join)
def test_any_other_id_is_one(which: tuple[str, str], id_: str) -> None:
    assert formats()[which[0]].parse(json.dumps(documents(id_)[which]).encode()).findings


def test_signatures_of_clamav() -> None:
    log = "/x: \u200b FOUND\n----------- SCAN SUMMARY -----------\nScanned files: 1\nInfected files: 1\n"
    with pytest.raises(ReportError):
        formats()["clamav"].parse(log.encode())


def test_no_parser_can_pass_it_by() -> None:
    with pytest.raises(ReportError, match="of 'openssl' without an id"):
        Report(scanner="any", findings=(Finding(id="\u200b", kind="vulnerability", package="openssl"),))


def test_blank() -> None:
    assert all(map(is_blank, ["", " \t", "\x00\x1f\x7f\x85", "\u061c\u2066", "\U000e0041", "\u3000"]))
    assert not any(map(is_blank, ["a", " a ", "\u200ba", ".", "\u0301"]))
