"""What a CycloneDX report says of the installed versions: rejected, unaffected, absent; in JSON and in XML."""

import json
from xml.sax.saxutils import escape

import pytest

from orchestrator.findings import cyclonedx
from orchestrator.findings.cyclonedx_analysis import STATES, Affect, AffectedVersion, is_mixed, status_of
from orchestrator.model import VexStatus

PURL = "pkg:maven/org.apache/log4j-core"
LOG4J = {"type": "library", "bom-ref": "ref-1", "name": "log4j-core", "version": "2.14.1", "purl": f"{PURL}@2.14.1"}
OLDER = LOG4J | {"bom-ref": "ref-2", "version": "2.3", "purl": f"{PURL}@2.3?type=jar"}
SERIAL = "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1"


def _element(name, value):
    if isinstance(value, dict):
        attributes = "".join(f' {key}="{value[key]}"' for key in ("type", "bom-ref") if key in value)
        inner = "".join(_element(key, each) for key, each in value.items() if key not in ("type", "bom-ref"))
        return f"<{name}{attributes}>{inner}</{name}>"
    if isinstance(value, list):
        one = {"affects": "target", "vulnerabilities": "vulnerability"}.get(name, name.removesuffix("s"))
        return f"<{name}>{''.join(_element(one, each) for each in value)}</{name}>"
    return f"<{name}>{escape(value)}</{name}>"


def _as_json(document):
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6"} | document).encode()


def _as_xml(document):
    content = "".join(_element(key, value) for key, value in document.items())
    return f'<bom xmlns="http://cyclonedx.org/schema/bom/1.6">{content}</bom>'.encode()


@pytest.fixture(params=[_as_json, _as_xml], ids=["json", "xml"])
def findings(request):
    def read(*vulnerabilities, components=(LOG4J,)):
        ratings = {"ratings": [{"severity": "critical"}]}
        document = {
            "components": list(components),
            "vulnerabilities": [{"id": "CVE-2021-44228"} | ratings | each for each in vulnerabilities],
        }
        found = cyclonedx.parse(request.param({key: each for key, each in document.items() if each})).findings
        return [(each.package, each.version, each.fixed_version) for each in found if each.suppressed is None]

    return read


def _affects(*versions, ref="ref-1"):
    return {"affects": [{"ref": ref} | ({"versions": list(versions)} if versions else {})]}


def _listed(version, status=None):
    key = "range" if version.startswith("vers:") else "version"
    return {key: version} | ({"status": status} if status else {})


@pytest.mark.parametrize(
    ("versions", "fixed"),
    [
        ([_listed("2.14.1", "unaffected")], None),
        ([_listed("2.14.1", "unaffected"), _listed("2.15.0", "unaffected")], None),
        ([_listed("2.14.1", "affected")], ""),
        ([_listed("2.14.1")], ""),
        ([_listed("2.14.1", "unknown")], ""),
        ([_listed("2.14.1", "who knows")], ""),
        ([_listed("2.14.1", "unaffected"), _listed("2.14.1", "affected")], ""),
        ([_listed("2.14.1", "affected"), _listed("2.15.0", "unaffected")], "2.15.0"),
        ([_listed("2.14.1", "affected"), _listed("2.3.2", "unaffected"), _listed("2.15.0", "unaffected")], "2.15.0"),
        ([_listed("2.15.0", "unaffected")], "2.15.0"),
        ([_listed("vers:maven/>=2.15.0", "unaffected")], "2.15.0"),
        ([_listed("vers:maven/>=2.0|<2.15.0", "affected")], ""),
        ([_listed("vers:maven/>=2.0|<2.15.0", "affected"), _listed("vers:maven/>=2.15.0", "unaffected")], "2.15.0"),
        ([_listed("vers:maven/>=2.0|<2.10", "affected")], None),
        ([_listed("vers:maven/<2.3|>=2.14", "unaffected")], None),
        ([_listed("2.13", "affected")], None),
        ([_listed("*", "unaffected")], None),
        # What cannot be read hides nothing.
        ([_listed("vers:nobody/<1", "affected")], ""),
        ([_listed("vers:nobody/<3", "unaffected")], ""),
        ([{"range": "[2.0,2.10)", "status": "affected"}], ""),
        ([_listed("built-by-hand", "affected")], ""),
    ],
)
def test_versions_that_are_listed(findings, versions, fixed):
    expected = [] if fixed is None else [("log4j-core", "2.14.1", fixed)]
    assert findings(_affects(*versions)) == expected


@pytest.mark.parametrize(
    ("installed", "listed", "found"),
    [
        ("1:2.38-1", "2.38-1", True),
        ("1:2.38-1", "1:2.38-1", True),
        ("2:2.38-1", "1:2.38-1", False),
        ("2.38-1", "2.38-2", False),
    ],
)
def test_an_epoch_that_only_one_of_both_has(findings, installed, listed, found):
    component = {
        "type": "library",
        "bom-ref": "r",
        "name": "x",
        "version": installed,
        "purl": "pkg:deb/debian/x@2.38-1",
    }
    assert bool(findings(_affects(_listed(listed, "affected"), ref="r"), components=[component])) is found


@pytest.mark.parametrize(
    ("purl", "listed", "found"),
    [
        # Trivy gives an RPM's epoch in its package URL alone.
        ("pkg:rpm/redhat/x@3.0-7?epoch=1", "vers:rpm/<1:3.0-5", False),
        ("pkg:rpm/redhat/x@3.0-7?epoch=1", "vers:rpm/<1:3.0-9", True),
        ("pkg:rpm/redhat/x@3.0-7?epoch=1", "2:3.0-7", False),
        # A range may have left it out: nobody can say, and nothing is hidden.
        ("pkg:rpm/redhat/x@3.0-7?epoch=1", "vers:rpm/<3.0-9", True),
    ],
)
def test_an_epoch_among_the_qualifiers(findings, purl, listed, found):
    component = {"type": "library", "bom-ref": "r", "name": "x", "version": "3.0-7", "purl": purl}
    assert bool(findings(_affects(_listed(listed, "affected"), ref="r"), components=[component])) is found


@pytest.mark.parametrize(
    ("state", "versions", "found"),
    [
        ("resolved", [], False),
        ("resolved_with_pedigree", [], False),
        ("exploitable", [], True),
        ("in_triage", [], True),
        ("false_positive", [], False),
        ("not_affected", [], False),
        ("no_such_state", [], True),
        ("not_affected", [_listed("2.14.1", "affected")], False),
        ("not_affected", [_listed("2.14.1", "unaffected")], False),
        ("not_affected", [_listed("2.14.1", "unknown")], True),
        ("exploitable", [_listed("2.14.1", "unaffected")], False),
        ("in_triage", [_listed("2.14.1", "unaffected")], False),
        # The state is of versions that are not this one.
        ("not_affected", [_listed("2.15.0", "unaffected")], True),
        # The statuses tell the versions apart.
        ("resolved", [_listed("2.14.1", "affected"), _listed("2.15.0", "unaffected")], True),
        ("not_affected", [_listed("2.14.1", "affected"), _listed("2.15.0", "unaffected")], True),
    ],
)
def test_states_and_versions(findings, state, versions, found):
    assert bool(findings({"analysis": {"state": state}} | _affects(*versions))) is found


def test_a_state_without_a_component(findings):
    assert findings({"analysis": {"state": "false_positive"}}) == []
    assert len(findings({"analysis": {"state": "exploitable"}})) == 1


def test_several_analyses_of_one_vulnerability(findings):
    """As in official examples: one entry says which versions are affected, another which are not."""
    affected = {"analysis": {"state": "exploitable"}} | _affects(_listed("vers:maven/<2.15", "affected"))
    spared = {"analysis": {"state": "not_affected"}} | _affects(_listed("vers:maven/>=2.15", "unaffected"))
    assert findings(affected, {"id": "CVE-2"} | spared) == [
        ("log4j-core", "2.14.1", ""),
        ("log4j-core", "2.14.1", "2.15"),
    ]
    newer = LOG4J | {"version": "2.16", "purl": f"{PURL}@2.16"}
    assert findings(affected, spared, components=[newer]) == []
    contradicting = {"analysis": {"state": "not_affected"}} | _affects()
    assert len(findings(affected, contradicting)) == 1


def test_what_the_analysis_suppresses_says_so_and_why():
    analysis = {"state": "not_affected", "justification": "code_not_reachable", "detail": "never called"}
    vulnerability = {"id": "CVE-1", "analysis": analysis}

    def read(**others):
        document = {"components": [LOG4J], "vulnerabilities": [vulnerability | others]}
        return cyclonedx.parse(_as_json(document)).findings

    for (finding,) in (read(affects=[{"ref": "ref-1"}]), read()):
        own = finding.suppressed
        assert (own.reason, own.justification) == ("never called", "vulnerable_code_not_in_execute_path")
    (finding,) = read(analysis={"state": "false_positive"})
    assert finding.suppressed.reason == "false positive"
    # A version that is not affected is no finding, no matter who says so; nobody had to decide that.
    versions = [{"version": "2.14.1", "status": "unaffected"}]
    assert read(analysis=None, affects=[{"ref": "ref-1", "versions": versions}]) == ()


def test_a_list_of_analyses():
    def read(*states):
        analysis = [{"state": state} for state in states]
        vulnerability = {"id": "CVE-1", "analysis": analysis, "affects": [{"ref": "ref-1"}]}
        found = cyclonedx.parse(_as_json({"components": [LOG4J], "vulnerabilities": [vulnerability]})).findings
        return tuple(each for each in found if each.suppressed is None)

    assert len(read("not_affected", "exploitable")) == 1
    assert read("not_affected", "resolved") == ()


def test_what_was_rejected_is_no_vulnerability(findings):
    assert findings({"rejected": "2022-01-01T00:00:00Z"} | _affects()) == []


@pytest.mark.parametrize(
    ("ref", "versions"),
    [
        (PURL, ["2.14.1", "2.3"]),
        (f"{SERIAL}#{PURL.replace('/', '%2F')}", ["2.14.1", "2.3"]),
        (f"{PURL}@2.3", ["2.3"]),
        (f"{PURL}@2.3?type=jar", ["2.3"]),
        (f"{PURL}@2.3?type=war", []),
        (f"{PURL}@9", []),
        ("pkg:maven/org.apache/log4j-api", []),
        ("pkg:maven/org.example/log4j-core", []),
        (f"{SERIAL}#pkg:npm/left-pad@1", []),
    ],
)
def test_package_urls_as_references(findings, ref, versions):
    assert sorted(each[1] for each in findings(_affects(ref=ref), components=[LOG4J, OLDER])) == sorted(versions)


def test_a_package_url_without_version_and_the_versions_that_are_affected(findings):
    one = _affects(_listed("2.14.1", "affected"), ref=PURL)
    assert findings(one, components=[LOG4J, OLDER]) == [("log4j-core", "2.14.1", "")]


def test_a_document_that_lists_no_packages_names_them_in_its_references():
    vulnerability = {"id": "CVE-1", "affects": [{"ref": f"{PURL}@2.14.1"}]}
    for others in ({}, {"metadata": {"component": {"name": "app"}}}, {"components": []}):
        (finding,) = cyclonedx.parse(_as_json({"vulnerabilities": [vulnerability]} | others)).findings
        assert (finding.package, finding.version, finding.purl) == ("log4j-core", "2.14.1", f"{PURL}@2.14.1")


def test_a_component_whose_version_is_in_its_package_url_alone(findings):
    component = {key: each for key, each in LOG4J.items() if key != "version"}
    assert findings(_affects(_listed("2.14.1", "unaffected")), components=[component]) == []
    assert findings(_affects(), components=[component]) == [("log4j-core", "2.14.1", "")]


@pytest.mark.parametrize(
    ("group", "name", "purl", "whole"),
    [
        ("@babel", "core", "", "@babel/core"),
        ("@babel", "core", "pkg:npm/%40babel/core@7", "@babel/core"),
        ("github.com/gin-gonic", "gin", "pkg:golang/github.com/gin-gonic/gin@7", "github.com/gin-gonic/gin"),
        ("org.apache", "log4j-core", "", "org.apache:log4j-core"),
        ("org.apache", "log4j-core", "pkg:maven/org.apache/log4j-core@7", "log4j-core"),
        ("debian", "bash", "pkg:deb/debian/bash@7", "bash"),
        ("", "core", "", "core"),
    ],
)
def test_a_group_is_part_of_the_name(findings, group, name, purl, whole):
    component = {"type": "library", "bom-ref": "ref-1", "group": group, "name": name, "version": "7", "purl": purl}
    assert findings(_affects(), components=[component]) == [(whole, "7", "")]


@pytest.mark.parametrize("state", [None, *STATES.values()])
def test_the_table(state):
    def say(status, mixed=False):
        return status_of(state, status, mixed=mixed)

    assert say("unaffected").suppresses
    assert say("Unaffected").suppresses
    assert say("unknown") is say("nonsense") is VexStatus.UNDER_INVESTIGATION
    assert say("affected") is say(None) is (state or VexStatus.AFFECTED)
    assert not say("affected", mixed=True).suppresses


def test_which_versions_are_mixed():
    affected, spared = (
        AffectedVersion(version="1", status="affected"),
        AffectedVersion(version="2", status="unaffected"),
    )
    assert is_mixed([Affect(ref="a", versions=[affected]), Affect(ref="b", versions=[spared])])
    assert not is_mixed([Affect(ref="a", versions=[spared, AffectedVersion(version="1")]), Affect(ref="b")])


def test_the_document_for_merging_leads_to_its_components_only():
    refs = {"CVE-1": PURL, "CVE-2": f"{SERIAL}#{PURL}@2.3", "CVE-3": "pkg:npm/absent@1", "CVE-4": "ref-1", "CVE-5": "x"}
    vulnerabilities = [{"id": id_, "affects": [{"ref": ref}]} for id_, ref in refs.items()] + [{"id": "CVE-6"}]
    document = {"components": [LOG4J, OLDER], "vulnerabilities": vulnerabilities}
    bom = cyclonedx.parse(_as_json(document)).bom
    found = {each["id"]: [one["ref"] for one in each.get("affects", ())] for each in bom["vulnerabilities"]}
    found["CVE-1"].sort()
    assert found == {"CVE-1": ["ref-1", "ref-2"], "CVE-2": ["ref-2"], "CVE-4": ["ref-1"], "CVE-5": ["x"], "CVE-6": []}
