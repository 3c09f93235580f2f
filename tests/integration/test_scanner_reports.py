"""Reports that the real scanners write here and now."""

import json
import subprocess

import pytest

from orchestrator.findings import clamav, cyclonedx, sarif, trivy
from orchestrator.findings.interface import ReportError
from orchestrator.model import Outcome
from orchestrator.results.bom.validity import validator
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import SCANS, make_plan, put_clean_run, put_report
from tests.tools import require
from tests.tools.samples import EICAR


@pytest.fixture
def clamscan(tmp_path, virus_signatures):
    """Run the real clamscan over a folder; its log."""
    program = require("clamscan")

    def run(*arguments):
        command = [program, f"--database={virus_signatures}", "--recursive", *arguments]
        return subprocess.run(command, check=False, capture_output=True, timeout=300).stdout

    return run


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "scanned"
    folder.mkdir()
    (folder / "harmless.txt").write_text("harmless")
    return folder


def test_clamscan_finds_eicar(clamscan, folder):
    (folder / "bad file: x.com").write_bytes(EICAR)
    for options in ((), ("--infected",), ("--allmatch",)):
        findings = clamav.parse(clamscan(*options, folder)).findings
        assert {each.location for each in findings} == {f"{folder}/bad file: x.com"}
        assert all("EICAR" in each.id for each in findings)


def test_clamscan_of_a_clean_folder(clamscan, folder):
    report = clamav.parse(clamscan(folder))
    assert report.findings == ()
    assert report.scanner_version[0].isdigit()


def test_clamscan_of_nothing_and_with_limits_is_not_clean(clamscan, folder, tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ReportError, match="no file"):
        clamav.parse(clamscan(tmp_path / "nothing"))
    (folder / "large").write_bytes(bytes(range(256)) * 8192)
    with pytest.raises(ReportError, match="limits"):
        clamav.parse(clamscan("--alert-exceeds-max=yes", "--max-filesize=1M", folder))


@pytest.fixture
def app(tmp_path):
    """A folder with a lock file."""
    (tmp_path / "app").mkdir()
    package = {"name": "left-pad", "version": "1.3.0", "lockfileVersion": 3}
    locked = package | {
        "packages": {"": package, "node_modules/ms": {"version": "2.1.3", "resolved": "https://x.example"}}
    }
    (tmp_path / "app" / "package-lock.json").write_text(json.dumps(locked))
    return tmp_path / "app"


def _syft(folder, output):
    command = [require("syft"), "-q", f"dir:{folder}", "-o", output]
    return subprocess.run(command, check=True, capture_output=True, timeout=300).stdout


@pytest.mark.parametrize("output", ["cyclonedx-json", "cyclonedx-xml"])
def test_syft_of_a_folder_ends_in_the_merged_bom(tmp_path, app, output):
    data = _syft(app, output)
    assert cyclonedx.parse(data).scanner == "syft"
    volume, plan = Volume(tmp_path / "volume"), make_plan(scans=[scan for scan in SCANS if scan.name == "sbom"])
    put_clean_run(volume, plan)
    put_report(volume, plan, "app-1", "sbom", data)
    assert aggregate(plan, volume).count(Outcome.OK) == 1
    merged = json.loads((volume.results(plan.run) / "bom.cdx.json").read_bytes())
    assert validator().is_valid(merged)
    assert "ms" in {each["name"] for each in merged["components"][0]["components"]}


@pytest.mark.parametrize("version", ["1.2", "1.3", "1.4", "1.5", "1.6"])
def test_xml_and_json_of_syft_say_the_same(app, version):
    xml = cyclonedx.parse(_syft(app, f"cyclonedx-xml@{version}"))
    plain = cyclonedx.parse(_syft(app, f"cyclonedx-json@{version}"))
    assert (xml.scanner, xml.scanner_version, xml.components) == (plain.scanner, plain.scanner_version, 2)
    assert xml.bom["specVersion"] == plain.bom["specVersion"] == version
    assert xml.bom["components"] == plain.bom["components"]


def test_sarif_and_json_of_trivy_say_the_same(tmp_path, app):
    (app / "Dockerfile").write_text("FROM alpine\nUSER root\n")
    (app / "key.txt").write_text("aws_access_key_id = AKIA" + "QWERTYUIOPASDFGH\n")
    common = [
        "fs",
        "--quiet",
        "--offline-scan",
        "--skip-db-update",
        "--skip-check-update",
        "--scanners=misconfig,secret",
    ]

    def run(output):
        command = [require("trivy"), *common, f"--cache-dir={tmp_path / 'cache'}", f"--format={output}", app]
        return subprocess.run(command, check=True, capture_output=True, timeout=300).stdout

    def facts(report):
        return sorted((each.kind, each.id, each.severity, each.location) for each in report.findings)

    plain, other = trivy.parse(run("json")), sarif.parse(run("sarif"))
    assert {each.kind for each in plain.findings} == {"misconfiguration", "secret"}
    assert facts(other) == facts(plain)
    assert other.scanner == plain.scanner
