"""Whatever bytes a scanner leaves: a report or a ReportError, nothing else."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.findings import formats
from orchestrator.findings.interface import Report, ReportError
from tests.examples import examples

JSON_FORMATS = ("cyclonedx", "dockle", "grype", "osv", "sarif", "scanmatrix", "scorecard", "syft", "trivy")
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
    "dockle": {
        "image": "a",
        "summary": {"fatal": 0, "warn": 1, "info": 0, "skip": 0, "pass": 3},
        "details": [{"code": "CIS-DI-0001", "title": "t", "level": "WARN", "alerts": ["a"]}],
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
    "osv": {
        "results": [
            {
                "source": {"path": "/a", "type": "lockfile"},
                "packages": [
                    {
                        "package": {"name": "a", "version": "1", "ecosystem": "npm"},
                        "vulnerabilities": [
                            {
                                "id": "GHSA-1",
                                "aliases": ["CVE-1"],
                                "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}],
                                "database_specific": {"severity": "HIGH"},
                                "affected": [
                                    {
                                        "package": {"name": "a", "ecosystem": "npm", "purl": "pkg:npm/a"},
                                        "ranges": [{"type": "SEMVER", "events": [{"fixed": "2"}]}],
                                        "versions": ["1"],
                                    }
                                ],
                            }
                        ],
                        "groups": [{"ids": ["GHSA-1"], "aliases": ["CVE-1"], "max_severity": "7.5"}],
                        "license_violations": ["MIT"],
                    }
                ],
            }
        ],
        "experimental_config": {"licenses": {"summary": False}},
    },
    "sarif": {
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "Grype",
                        "version": "1",
                        "rules": [
                            {
                                "id": "CVE-2020-1234-a",
                                "help": {"text": "Vulnerability CVE-2020-1234\nVersion: 1"},
                                "properties": {"security-severity": "7.5", "purls": ["pkg:npm/a@1"]},
                                "messageStrings": {"m": {"text": "x {0}"}},
                            }
                        ],
                    },
                    "extensions": [{"name": "e", "rules": []}],
                },
                "invocations": [{"executionSuccessful": True}],
                "originalUriBaseIds": {"ROOT": {"uri": "src/", "uriBaseId": "ROOT"}},
                "artifacts": [{"location": {"uri": "a", "uriBaseId": "ROOT"}}],
                "results": [
                    {
                        "ruleId": "CVE-2020-1234-a",
                        "ruleIndex": 0,
                        "rule": {"index": 0, "toolComponent": {"index": 0}},
                        "level": "error",
                        "message": {"id": "m", "arguments": ["y"]},
                        "locations": [
                            {"physicalLocation": {"artifactLocation": {"index": 0}, "region": {"startLine": 2}}}
                        ],
                    }
                ],
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
    "syft": {
        "artifacts": [{"name": "a", "version": "1", "purl": "pkg:deb/debian/a@1"}],
        "descriptor": {"name": "syft", "version": "1.42.3"},
        "source": {"type": "image", "metadata": {"manifestDigest": "sha256:0"}},
        "files": [{"location": {"path": "/a"}, "unknowns": ["dpkg-db-cataloger: no"]}],
    },
    "trivy": {
        "SchemaVersion": 2,
        "ArtifactName": "a",
        "Results": [{"Target": "x", "Vulnerabilities": [{"VulnerabilityID": "C", "CVSS": {"nvd": {"V3Score": 1}}}]}],
    },
}
XML = """<?xml version="1.0"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.4" version="1"
     xmlns:v="http://cyclonedx.org/schema/ext/vulnerability/1.0">
  <metadata><tools><tool><name>x</name></tool></tools><component type="file"><name>a</name></component></metadata>
  <components><component type="library" bom-ref="q"><name>a</name><modified>false</modified>
    <licenses><license><id>MIT</id></license><expression>MIT</expression></licenses>
    <v:vulnerabilities><v:vulnerability ref="q"><v:id>C</v:id><v:ratings><v:rating><v:score><v:base>5</v:base></v:score>
      <v:severity>Low</v:severity></v:rating></v:ratings></v:vulnerability></v:vulnerabilities>
    <evidence><occurrences><occurrence><location>/x</location><line>3</line></occurrence></occurrences></evidence>
  </component></components>
  <dependencies><dependency ref="q"><dependency ref="r"/></dependency></dependencies>
  <vulnerabilities><vulnerability><id>D</id><ratings><rating><score>5</score><method>CVSSv3</method></rating></ratings>
    <cwes><cwe>79</cwe></cwes><affects><target><ref>q</ref></target></affects></vulnerability></vulnerabilities>
</bom>
"""


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


@settings(max_examples=examples(60), deadline=None)
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


@settings(max_examples=examples(60), deadline=None)
@given(
    st.data(),
    st.text(max_size=8) | st.sampled_from(["<a/>", "<!--", "]]>", "&amp;", "&x;", "<![CDATA[", "</component>"]),
)
def test_anything_in_any_place_of_xml(data, piece):
    begin = data.draw(st.integers(0, len(XML)))
    end = data.draw(st.integers(begin, min(len(XML), begin + 40)))
    assert _parsed_or_refused("cyclonedx", (XML[:begin] + piece + XML[end:]).encode())


def test_xml_cut_anywhere_is_refused():
    whole = XML.strip().encode()
    assert len(formats()["cyclonedx"].parse(whole).findings) == 2
    for end in range(len(whole)):
        with pytest.raises(ReportError):
            formats()["cyclonedx"].parse(whole[:end])


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


# The least costly of these shows that a format looks at the bounds, which are the same for all of them.
@pytest.mark.parametrize(
    ("name", "piece", "number"),
    [(name, b"{}", 2_000_002) for name in JSON_FORMATS]
    + [("grype", b"[]", 2_000_002), ("grype", b'""', 8_000_002), ("cyclonedx", b"0", 8_000_002)],
)
def test_reports_made_to_exhaust_memory_are_refused_unread(name, piece, number):
    with pytest.raises(ReportError, match=r"too many|memory"):
        formats()[name].parse(b'{"a":[' + b",".join([piece] * number) + b"]}")


def test_a_log_of_endless_lines_is_refused():
    with pytest.raises(ReportError, match="lines"):
        formats()["clamav"].parse(b"a: OK\n" * 2_000_001)


def test_formats_are_known_by_their_own_names():
    assert {name: each.name for name, each in formats().items()} == {name: name for name in [*JSON_FORMATS, "clamav"]}
