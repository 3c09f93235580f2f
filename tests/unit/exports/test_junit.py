"""The JUnit report, read back as XML: a suite for each target, a case for each cell and each finding."""

from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.config.loading import default_config
from orchestrator.exports import junit
from orchestrator.model import Outcome
from orchestrator.results.run import RunResults
from tests.examples import examples
from tests.exports import make_finding, make_row, put_run, suppressed


def suites_of(results):
    root = ElementTree.parse(junit.export(results, default_config(environment={}))).getroot()
    assert root.tag == "testsuites"
    return list(root)


def result_of(case):
    return [(each.tag, each.get("type"), each.get("message")) for each in case]


def test_cells_and_findings(tmp_path):
    rows = (
        make_row(),
        make_row(scan="virus", outcome=Outcome.FAILED, reason="killed"),
        make_row(scan="sbom", outcome=Outcome.SKIPPED, reason="still fresh"),
        make_row(scan="secrets", suspect="a distrusted scanner"),
        make_row("app-2"),
    )
    findings = (make_finding(), make_finding(number=2, suppressed=suppressed()))
    results = put_run(tmp_path, rows, findings)
    # Whether a result is suspect is worked out when a ledger is read: here it is given.
    ledger = msgspec.structs.replace(results.ledger, rows=rows)
    first, second = suites_of(RunResults(results.volume, results.run, ledger))
    assert first.attrib == {
        "name": "registry.example/team/app-1:1.0", "tests": "6", "failures": "1", "errors": "2", "skipped": "2",
        "timestamp": "2025-03-01T10:00:00",
    }  # fmt: skip
    assert [case.get("name") for case in first] == [
        "scan general", "scan virus", "scan sbom", "scan secrets",
        "high CVE-2024-0001 in openssl 3.0.1", "high CVE-2024-0002 in openssl 3.0.1",
    ]  # fmt: skip
    passed, failed, skipped, doubted, open_, accepted = map(result_of, first)
    assert passed == []
    assert first[0].get("time") == "300"
    assert failed == [("error", "failed", "killed")]
    assert skipped == [("skipped", None, "still fresh")]
    assert doubted == [("error", "suspect", "a distrusted scanner")]
    assert open_ == [("failure", "high", "A flaw in openssl; fixed in 3.0.2; /usr/lib/libssl.so.3")]
    assert accepted == [("skipped", None, "suppressed by ignore.yaml:12: not reachable")]
    assert (second.get("tests"), second.get("failures")) == ("1", "0")


def test_without_findings_every_cell_is_there(tmp_path):
    (suite,) = suites_of(put_run(tmp_path, findings=()))
    assert [case.get("name") for case in suite] == ["scan general"]


STRANGE = st.text(st.characters(exclude_categories=("Cs",)), max_size=30) | st.sampled_from(
    ["\x00", "\ufffe\uffff", "]]>", "\"'<&>", "\x85\u2028", "\U0001fffe"]
)


@settings(max_examples=examples(15), deadline=None)
@given(said=STRANGE)
def test_whatever_strangers_wrote_it_is_xml(tmp_path_factory, said):
    finding = make_finding(title=said, package=said, version=said, locations=(said,))
    row = make_row(references=(said or "x",), outcome=Outcome.FAILED, reason=said)
    (suite,) = suites_of(put_run(tmp_path_factory.mktemp("volume"), (row,), (finding,)))
    assert len(suite) == 2


@pytest.mark.parametrize("size", [1, 10_000])
def test_texts_are_bounded(tmp_path, size):
    (suite,) = suites_of(put_run(tmp_path, findings=(make_finding(title="t" * size),)))
    assert len(suite[-1][0].get("message")) <= 1000
