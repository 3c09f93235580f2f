"""The real reports of other projects, where they are at hand: `pytest tests/integration/test_real_reports.py`."""

import json
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.findings import formats
from orchestrator.model import Outcome
from orchestrator.results.bom.validity import validator
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import SCANS, make_plan, make_target, put_clean_run, put_report

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} with the real reports is not there")


@pytest.mark.parametrize(
    ("path", "severities"),
    [
        ("grype/no_vuln.json", {}),
        ("grype/check_all_fields.json", {"info": 1, "high": 3, "critical": 2}),
        (
            "grype/many_vulns3.json",
            {"medium": 155, "info": 106, "low": 27, "high": 24, "unknown": 10, "critical": 5},
        ),
        ("trivy/scheme_2_no_vuln.json", {}),
        ("trivy/scheme_2_many_vulns.json", {"medium": 3, "high": 1, "critical": 1}),
        ("trivy/misconfigurations_and_secrets.json", {"high": 2, "medium": 1, "critical": 2}),
        ("cyclonedx/log4j.json", {"critical": 4, "medium": 3, "high": 1}),
        ("cyclonedx/nested-component-log4j.json", {"critical": 4, "medium": 3, "high": 1}),
        ("sarif/appendix_k.sarif", {"high": 1}),
        ("clamav/clamav_no_vuln.txt", {}),
        ("clamav/clamav_many_vuln.txt", {"critical": 3}),
    ],
)
def test_counts_and_severities(path, severities):
    report = formats()[path.split("/")[0]].parse((DATA / "reports" / path).read_bytes())
    assert Counter(finding.severity.value for finding in report.findings) == severities
    assert report.scanner


@pytest.mark.parametrize(
    ("path", "number", "facts"),
    [
        (
            "grype/check_all_fields.json",
            0,
            ("CVE-2004-0971", "libgssapi-krb5-2", "1.17-3+deb10u3", "", "/var/lib/dpkg/status"),
        ),
        (
            "trivy/scheme_2_many_vulns.json",
            0,
            ("CVE-2020-15999", "freetype", "2.9.1-r2", "2.9.1-r3", "app/libs/freetype-2.9.1-r2"),
        ),
        ("trivy/misconfigurations_and_secrets.json", 3, ("github-pat", "", "", "", "Dockerfile")),
        ("cyclonedx/nested-component-log4j.json", 0, ("CVE-2021-44228", "log4j-core", "2.13.2", "", "")),
        ("sarif/appendix_k.sarif", 0, ("C2001", "", "", "", "src/collections/list.h")),
    ],
)
def test_facts(path, number, facts):
    report = formats()[path.split("/")[0]].parse((DATA / "reports" / path).read_bytes())
    found = report.findings[number]
    assert (found.id, found.package, found.version, found.fixed_version, found.location) == facts


@pytest.mark.parametrize("pattern", ["bom/*.json", "reports/cyclonedx/*.json", "vex/*.json"])
def test_real_boms_merge_to_a_valid_one(tmp_path, pattern):
    paths = sorted(DATA.glob(pattern))
    volume, scans = Volume(tmp_path), [scan for scan in SCANS if scan.name == "sbom"]
    plan = make_plan([make_target(number) for number in range(1, len(paths) + 1)], scans=scans)
    put_clean_run(volume, plan)
    for target, path in zip(plan.targets, paths, strict=True):
        put_report(volume, plan, target.id, "sbom", path.read_bytes())
    assert aggregate(plan, volume).count(Outcome.OK) == len(paths)
    merged = json.loads((volume.results(plan.run) / "bom.cdx.json").read_bytes())
    assert validator().is_valid(merged)
    for component, path in zip(merged["components"], paths, strict=True):
        assert len(component.get("components", ())) == len(json.loads(path.read_bytes()).get("components", ()))
