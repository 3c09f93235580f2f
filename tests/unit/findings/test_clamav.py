"""ClamAV's logs: believed only when whole."""

import pytest

from orchestrator.findings import clamav
from orchestrator.findings.interface import ReportError
from orchestrator.model import Severity


def _log(*lines, infected=None, scanned=2, known=9, **fields):
    infected = sum(line.endswith(" FOUND") for line in lines) if infected is None else infected
    summary = {
        "Known viruses": known,
        "Engine version": "1.4.6",
        "Scanned directories": 0,
        "Scanned files": scanned,
        "Infected files": infected,
    } | {name.replace("_", " "): value for name, value in fields.items()}
    text = "\n".join(lines) + "\n\n----------- SCAN SUMMARY -----------\n"
    return (text + "".join(f"{name}: {value}\n" for name, value in summary.items() if value is not None)).encode()


def test_every_infected_file_is_a_critical_finding():
    report = clamav.parse(_log("/a: Eicar FOUND", "/b: OK", "/c d: e: Win.Trojan.X-1 FOUND"))
    assert [(each.id, each.location) for each in report.findings] == [("Eicar", "/a"), ("Win.Trojan.X-1", "/c d: e")]
    assert {(each.kind, each.severity) for each in report.findings} == {("malware", Severity.CRITICAL)}
    assert (report.scanner, report.scanner_version) == ("clamav", "1.4.6")


def test_clean_logs():
    assert clamav.parse(_log("/a: OK", "/b: Empty file")).findings == ()
    assert clamav.parse(_log()).findings == ()
    assert clamav.parse(b"----------- SCAN SUMMARY -----------\nInfected files: 0\nTime: 0.1 sec\n").findings == ()
    assert clamav.parse(_log("/a: OK").replace(b"\n", b"\r\n")).findings == ()


def test_several_signatures_in_one_file_and_details():
    report = clamav.parse(_log("/a: X FOUND", f"/a: Y({'ab' * 16}:68) FOUND", infected=1))
    assert [each.id for each in report.findings] == ["X", "Y"]


def test_paths_of_any_bytes_stay_distinct():
    report = clamav.parse(
        _log("/PLACE: X FOUND", "/OTHER: X FOUND").replace(b"PLACE", b"\xff").replace(b"OTHER", b"\xfe")
    )
    assert len({each.location for each in report.findings}) == 2


def test_a_log_that_was_appended_to():
    both = _log("/a: X FOUND") + b"\n" + _log("/b: OK")
    assert len(clamav.parse(both).findings) == 1


def test_members_of_an_archive_are_places_in_it():
    report = clamav.parse(_log("/a.zip!(1)b: X FOUND", "/a.zip!inner.zip!(2)c: X FOUND", "/a.zip: X FOUND"))
    assert [each.place for each in report.findings] == ["b", "inner.zip!c"]
    assert {each.location for each in report.findings} == {"/a.zip"}


def test_what_is_said_twice_of_a_file_is_there_twice_but_for_a_log_that_was_appended_to():
    once = _log("/a.zip: X FOUND", "/a.zip: X FOUND", infected=1)
    for data in (once, once + b"\n" + once):
        assert [each.place for each in clamav.parse(data).findings] == ["", "(2)"]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"/a: OK\n/b: OK\n", "truncated"),
        (b"ERROR: Can't open the database\n", "truncated"),
        (b"{}", "truncated"),
        (_log("/a: OK") + b"\n/b: OK\n", "truncated"),
        (_log("/a: OK") + b"\n/b: X FOUND\n", "truncated"),
        (_log("/a: OK", infected="").replace(b"Infected files: \n", b""), "truncated"),
        (_log("/a: OK", infected="9" * 5000), "truncated"),
        (_log("/a: OK", infected=2), "damaged"),
        (_log("/a: X FOUND", infected=2), "damaged"),
        (_log("/a: Heuristics.Limits.Exceeded.MaxFileSize FOUND"), "limits"),
        (_log("/a: Access denied. ERROR"), "errors"),
        (_log("/a: OK", Total_errors=3), "3 errors"),
        (_log("LibClamAV Error: cli_loadhash: bad", "/a: OK"), "errors"),
        (_log("WARNING: /x: Can't access file", "/a: OK"), "errors"),
        (_log(scanned=0), "no file"),
        (_log("/a: OK", known=0), "no signature"),
    ],
)
def test_what_does_not_prove_a_whole_scan_is_refused(data, word):
    with pytest.raises(ReportError, match=word):
        clamav.parse(data)


def test_what_was_found_before_the_trouble_is_not_lost():
    with pytest.raises(ReportError, match=r"Eicar in /a"):
        clamav.parse(_log("/a: Eicar FOUND", "/b: Access denied. ERROR", Total_errors=1))


def test_database_complaints_that_lose_nothing_are_let_pass():
    assert clamav.parse(_log("LibClamAV Warning: The virus database is older than 7 days!", "/a: OK")).findings == ()
