"""The cells of scanners that are not trusted: failed when a run ends, suspect when they are read later."""

from datetime import UTC, datetime

import msgspec
import pytest

from orchestrator.model import Decision, Distrust, Outcome
from orchestrator.model.documents import encode
from orchestrator.results.cells import examine
from orchestrator.results.ledger import history, read_ledger
from orchestrator.steps.aggregate import aggregate
from orchestrator.volume.layout import Volume
from tests.aggregation import CLEAN, ENDED, SCANS, make_plan, make_target, put_record, put_report

GENERAL = next(scan for scan in SCANS if scan.name == "general")
DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
REPORT = b'{"SchemaVersion": 2, "ArtifactName": "image.tar", "Trivy": {"Version": "0.68.2"}}'
DENIED = REPORT.replace(b"0.68.2", b"0.69.4")
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
IMAGE = f"aquasec/trivy:0.68.2@{DIGEST}"
RULE = Distrust(reason="odd", digests=(DIGEST,), since="2025-03-01T00:00:00Z", until="2025-03-01T23:59:59Z")


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path)


def ran(volume, report=REPORT, image=IMAGE, scans=(GENERAL,), **changes):
    plan = msgspec.structs.replace(make_plan(scans=scans), **changes)
    for scan in scans:
        put_report(volume, plan, "app-1", scan.name, report if scan is GENERAL else CLEAN[scan.name])
        put_record(volume, plan, "app-1", scan.name, msgspec.structs.replace(ENDED, image=image))
    return plan


def row(volume, plan):
    return examine(plan, plan.cells[0], make_target(), plan.scans[0], volume).row


def test_the_ledger_has_the_image_that_ran(volume):
    assert row(volume, ran(volume)).scanner_image == IMAGE
    assert row(volume, ran(volume, image="")).scanner_image == ""


@pytest.mark.parametrize("image", ["", "corp/tools:1"])
def test_a_report_of_a_denied_version_fails_its_cell(volume, image):
    found = row(volume, ran(volume, DENIED, image))
    assert found.outcome is Outcome.FAILED
    assert "CVE-2026-33634" in found.reason
    assert (found.findings, found.report_digest, found.scanner_version) == (None, "", "0.69.4")


def test_so_does_a_record_of_a_denied_image_whatever_the_report_says(volume):
    assert "CVE-2026-33634" in row(volume, ran(volume, image="mirror/aquasec/trivy:0.69.5")).reason
    assert "odd" in row(volume, ran(volume, distrusted=(RULE,))).reason


def test_a_cell_that_never_ran_because_its_scanner_is_denied_says_so(volume):
    scan = msgspec.structs.replace(GENERAL, image="aquasec/trivy:0.69.4")
    assert "CVE-2026-33634" in row(volume, make_plan(scans=(scan,))).reason


def test_an_earlier_result_becomes_suspect_when_the_rule_comes(volume, tmp_path):
    plan = ran(volume, scans=(GENERAL, SCANS[0]))
    ledger = aggregate(plan, volume)
    written = (volume.results(plan.run) / "ledger.json").read_bytes()
    assert [one.suspect for one in read_ledger(volume, plan.run).rows] == ["", ""]
    now = Volume(tmp_path, distrusted=(msgspec.structs.replace(RULE, scan="general"),))
    marked = read_ledger(now, plan.run)
    assert [(one.outcome, bool(one.suspect), one.holds) for one in marked.rows] == [
        (Outcome.OK, True, False),
        (Outcome.OK, False, True),
    ]
    assert read_ledger(volume, plan.run) == ledger
    assert (volume.results(plan.run) / "ledger.json").read_bytes() == written


@pytest.mark.parametrize(
    "rule",
    [
        msgspec.structs.replace(RULE, digests=(OTHER,)),
        msgspec.structs.replace(RULE, since="2025-03-02T00:00:00Z", until=""),
        msgspec.structs.replace(RULE, scan="virus"),
    ],
)
def test_another_digest_time_or_scan_is_believed(volume, tmp_path, rule):
    plan = ran(volume)
    aggregate(plan, volume)
    assert read_ledger(Volume(tmp_path, distrusted=(rule,)), plan.run).rows[0].holds


def test_a_result_of_a_version_that_came_to_be_denied_is_suspect(volume):
    plan = ran(volume)
    ledger = aggregate(plan, volume)
    rows = tuple(msgspec.structs.replace(one, scanner_version="0.69.6") for one in ledger.rows)
    (volume.results(plan.run) / "ledger.json").write_bytes(encode(msgspec.structs.replace(ledger, rows=rows)))
    assert "CVE-2026-33634" in read_ledger(volume, plan.run).rows[0].suspect
    assert not history(volume, BEGIN)


def test_a_suspect_result_is_not_fresh(volume, tmp_path):
    aggregate(ran(volume), volume)
    assert set(history(volume, BEGIN)) == {("app-1", "general")}
    assert not history(Volume(tmp_path, distrusted=(RULE,)), BEGIN)


def test_a_cell_that_was_skipped_for_a_suspect_result_is_suspect_as_well(volume, tmp_path):
    first = ran(volume)
    aggregate(first, volume)
    (cell,) = first.cells
    skipped = msgspec.structs.replace(cell, decision=Decision.SKIP, reason="fresh: …", standing=first.run)
    aggregate(make_plan(scans=(GENERAL,), cells=(skipped,), run="run-2"), volume)
    assert read_ledger(volume, "run-2").rows[0].suspect == ""
    assert read_ledger(Volume(tmp_path, distrusted=(RULE,)), "run-2").rows[0].suspect == "scanner distrusted: odd"
