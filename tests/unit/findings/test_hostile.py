"""Whatever bytes a scanner leaves: a report or a ReportError, nothing else."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.findings import formats
from orchestrator.findings.interface import Report, ReportError

JSON_FORMATS = ("cyclonedx", "grype", "scanmatrix", "scorecard", "trivy")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
WHOLE = {
    "cyclonedx": {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "metadata": {"tools": [{"name": "x"}], "component": {"name": "a", "bom-ref": "r"}},
        "components": [{"name": "a", "bom-ref": "q", "properties": [], "evidence": {"occurrences": []}}],
        "vulnerabilities": [
            {"id": "C", "ratings": [{"score": 1, "method": "CVSSv3"}], "affects": [{"ref": "q", "versions": []}]}
        ],
    },
    "grype": {
        "descriptor": {"name": "grype", "db": {"status": {"built": "x"}}},
        "matches": [
            {
                "vulnerability": {"id": "C", "cvss": [{"version": "3.1", "metrics": {"baseScore": 5}}], "fix": {}},
                "artifact": {"name": "a", "locations": [{"path": "/x"}]},
            }
        ],
    },
    "scanmatrix": {
        "format": "scanmatrix/1",
        "scanner": {"name": "a"},
        "findings": [{"id": "a", "kind": "check", "cvss": {"score": 1.0}}],
    },
    "scorecard": {
        "repo": {"name": "github.com/a/b", "commit": "c"},
        "scorecard": {"version": "v5.1.1"},
        "score": 5.5,
        "checks": [{"name": "License", "score": 9, "reason": "r", "details": ["Warn: w"]}],
    },
    "trivy": {
        "SchemaVersion": 2,
        "ArtifactName": "a",
        "Results": [{"Target": "x", "Vulnerabilities": [{"VulnerabilityID": "C", "CVSS": {"nvd": {"V3Score": 1}}}]}],
    },
}


def _places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


def _replaced(value, path, new):
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = _replaced(value[path[0]], path[1:], new)
    return copy


def _parsed_or_refused(name, data):
    """The report, or the reason why not; any other exception fails the test."""
    try:
        return formats()[name].parse(data)
    except ReportError as error:
        return str(error)


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(JSON_FORMATS), JSON)
def test_any_value_in_any_place(data, name, value):
    whole = WHOLE[name]
    assert isinstance(formats()[name].parse(json.dumps(whole).encode()), Report)
    place = data.draw(st.sampled_from(list(_places(whole))))
    assert _parsed_or_refused(name, json.dumps(_replaced(whole, place, value)).encode())


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from([*JSON_FORMATS, "clamav"]))
def test_any_bytes(data, name):
    assert _parsed_or_refused(name, data)


@pytest.mark.parametrize("name", JSON_FORMATS)
def test_a_whole_report_cut_anywhere_is_refused(name):
    data = json.dumps(WHOLE[name]).encode()
    for end in range(len(data)):
        with pytest.raises(ReportError):
            formats()[name].parse(data[:end])


@pytest.mark.parametrize("name", JSON_FORMATS)
@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"Segmentation fault", "not a JSON document"),
        (b"[" * 100_000, "the report is"),
        (b"{}{}", "the report is"),
    ],
)
def test_each_kind_of_damage_has_its_reason(name, data, word):
    with pytest.raises(ReportError, match=word):
        formats()[name].parse(data)


@pytest.mark.parametrize("name", [name for name in JSON_FORMATS if name != "scanmatrix"])
@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "deep"),
        (b'{"a": ' + b"[" * 100_000, "deep"),
        (b'{"a": NaN}', "not valid JSON"),
        (b'{"a": 1', "truncated"),
    ],
)
def test_damage_in_what_is_not_read_counts_too(name, data, word):
    with pytest.raises(ReportError, match=word):
        formats()[name].parse(data)


@pytest.mark.parametrize("name", JSON_FORMATS)
@pytest.mark.parametrize("piece", [b"{}", b"[]", b'""', b"0"])
def test_reports_made_to_exhaust_memory_are_refused_unread(name, piece):
    with pytest.raises(ReportError, match="too many"):
        formats()[name].parse(b'{"a":[' + b",".join([piece] * 8_000_002) + b"]}")


def test_a_log_of_endless_lines_is_refused():
    with pytest.raises(ReportError, match="lines"):
        formats()["clamav"].parse(b"a: OK\n" * 2_000_001)


def test_formats_are_known_by_their_own_names():
    assert {name: each.name for name, each in formats().items()} == {name: name for name in [*JSON_FORMATS, "clamav"]}
