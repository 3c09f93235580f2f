"""Whatever scanners write, what goes to DefectDojo is in its format."""

import tempfile
from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.config.exports import DefectDojoSection
from orchestrator.exports.defectdojo_findings import findings
from orchestrator.exports.targets import run_targets
from orchestrator.model import KINDS, Cvss, Severity
from tests.examples import examples
from tests.exports import make_finding, put_run, suppressed
from tests.tools.services import check_finding

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20) | st.just("x" * 600)
HOWS = ("risk-accepted", "false-positive", "out-of-scope", "leave-out")
FINDING = st.builds(
    make_finding,
    number=st.integers(0, 3),
    kind=st.sampled_from(KINDS),
    id=TEXT.filter(bool),
    severity=st.sampled_from(Severity),
    title=TEXT,
    package=TEXT,
    version=TEXT,
    fixed_version=TEXT,
    aliases=st.lists(TEXT, max_size=3).map(tuple),
    locations=st.lists(TEXT, max_size=60).map(tuple),
    cvss=st.none() | st.builds(Cvss, score=st.floats(0, 10), vector=TEXT | st.just("CVSS:3.1/AV:N/AC:L")),
    first_seen=st.sampled_from(["", "2025-02-01T00:00:00Z"]),
    suppressed=st.none() | st.just(suppressed()),
)


def found_in(results):
    with results.open_merged() as rows:
        return [row.finding for row in rows]


@settings(max_examples=examples(15), deadline=None)
@given(st.lists(FINDING, max_size=6), st.sampled_from(HOWS), st.booleans())
def test_every_finding_is_in_the_format(found, how, verified):
    with tempfile.TemporaryDirectory() as folder:
        results = put_run(Path(folder), findings=found)
        rows = found_in(results)
        (target,) = run_targets(results)
    section = DefectDojoSection(url="https://dojo.example", suppressed=how, verified=verified)
    documents = findings(section, target, rows)
    for document in msgspec.json.decode(msgspec.json.encode(documents)):
        check_finding(document)
    marks = [document["unique_id_from_tool"] for document in documents]
    assert len(marks) == len(set(marks))
    shown = {row.key for row in rows if how != "leave-out" or not row.suppressed}
    assert len(marks) == len(shown)
    active = {row.key for row in rows if not row.suppressed}
    assert sum(document["active"] for document in documents) == len(active)


def test_the_fix_is_one_for_every_installed_version(tmp_path):
    installed = [("4.17.4", "4.17.11"), ("3.10.0", "3.10.2"), ("3.9.0", "")]
    rows = [
        make_finding(
            package="lodash", purl=f"pkg:npm/lodash@{version}", ecosystem="npm", version=version, fixed_version=fix
        )
        for version, fix in installed
    ]
    for number, order in enumerate((rows, rows[::-1][1:])):
        results = put_run(tmp_path / str(number), findings=order)
        (target,) = run_targets(results)
        [document] = findings(DefectDojoSection(url="https://dojo.example"), target, found_in(results))
        assert document["mitigation"] == "Update lodash to 4.17.11."


def test_places_are_counted_and_named_and_no_line_is_sent(tmp_path):
    secret = {"kind": "secret", "package": "", "locations": ("a.py",)}
    found = [
        make_finding(number=1, count=2, places=("line 3", "line 9"), **secret),
        make_finding(number=2, count=2),
        make_finding(number=3, places=("line 4",), **secret),
    ]
    results = put_run(tmp_path, findings=found)
    (target,) = run_targets(results)
    documents = findings(DefectDojoSection(url="https://dojo.example"), target, found_in(results))
    assert [document.get("nb_occurences") for document in map(check_finding, documents)] == [2, None, None]
    assert "line 9" in documents[0]["description"]
    assert not any("line" in document for document in documents)
