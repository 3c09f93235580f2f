"""The merged BOM: nothing lost, nothing mixed up, always valid."""

import io
import json
from copy import deepcopy
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packageurl import PackageURL

from orchestrator.analysis.merge import CellFindings, merge
from orchestrator.findings.interface import Report
from orchestrator.kit.text import is_blank
from orchestrator.model import Cvss, Finding, LedgerRow, Name, Outcome, Severity
from orchestrator.results.bom import BOM
from orchestrator.results.bom.split import target_boms
from orchestrator.results.bom.target import TargetBom
from orchestrator.results.bom.validity import validator
from orchestrator.results.bom.whole import BomWriter
from tests.aggregation import make_target
from tests.examples import examples

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
IDS = TEXT.filter(lambda text: not is_blank(text))
VERSIONS = st.sampled_from(["2.0", "3.1", "4.0", "x"])
RATINGS = st.builds(Cvss, score=st.floats(0, 10), version=VERSIONS, vector=TEXT)
FINDINGS = st.builds(
    Finding,
    id=IDS,
    kind=st.sampled_from(["vulnerability", "malware"]),
    severity=st.sampled_from(Severity),
    aliases=st.lists(TEXT, max_size=2).map(tuple),
    title=TEXT,
    package=TEXT,
    version=TEXT,
    purl=TEXT,
    fixed_version=TEXT,
    cvss=st.none() | RATINGS,
)
REFS = st.sampled_from(["a", "b", "c"])
COMPONENTS = st.recursive(
    st.fixed_dictionaries(
        {"type": st.just("library"), "name": st.sampled_from(["x", "y"])},
        optional={
            "bom-ref": REFS,
            "purl": st.sampled_from(["pkg:npm/x@1", "pkg:npm/x@1?a=b"]),
            "version": st.just("1"),
        },
    ),
    lambda inner: st.builds(lambda outer, nested: outer | {"components": nested}, inner, st.lists(inner, max_size=2)),
    max_leaves=4,
)
BOMS = st.fixed_dictionaries(
    {
        "components": st.lists(COMPONENTS, max_size=4),
        "dependencies": st.lists(
            st.fixed_dictionaries({"ref": REFS, "dependsOn": st.lists(REFS, unique=True)}), max_size=2
        ),
        "vulnerabilities": st.lists(
            st.fixed_dictionaries({"id": IDS, "affects": st.lists(st.fixed_dictionaries({"ref": REFS}), max_size=2)}),
            max_size=2,
        ),
    }
)
REPORTS = st.builds(lambda findings: Report(scanner="grype", findings=tuple(findings)), st.lists(FINDINGS, max_size=5))
REPORTS |= st.builds(lambda bom: Report(scanner="syft", bom=bom), BOMS)


def _row(target, scan, report):
    outcome = Outcome.OK if report else Outcome.FAILED
    scanner = report.scanner if report else ""
    return LedgerRow(
        cell=f"{target.id}/{scan}", target=target.id, scan=scan, references=("a",), outcome=outcome, scanner=scanner
    )


def _merge(tmp_path, targets):
    """The document of targets with their reports by scan."""
    out = io.BytesIO()
    with BomWriter("run-1", "0.1.0", out, tmp_path) as writer:
        for target, reports in targets:
            bom, rows = TargetBom(target), []
            for scan, report in reports.items():
                rows.append(_row(target, scan, report))
                bom.add(rows[-1], report)
            writer.add(bom, rows)
        writer.finish("2025-03-01T10:00:05Z")
    return json.loads(out.getvalue())


def _all_components(document):
    found, waiting = [], list(document["components"])
    while waiting:
        found.append(waiting.pop())
        waiting += found[-1].get("components", ())
    return found


@settings(max_examples=examples(20), deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(["dependency", "sbom", "general"]), REPORTS, max_size=3), max_size=3))
def test_whatever_is_merged_is_valid_and_consistent(tmp_path_factory, targets):
    numbered = [(make_target(number), reports) for number, reports in enumerate(targets, 1)]
    document = _merge(tmp_path_factory.getbasetemp(), numbered)
    assert validator().is_valid(document)
    components = _all_components(document)
    refs = [each["bom-ref"] for each in components]
    refs += [each["bom-ref"] for each in document["vulnerabilities"]]
    assert len(refs) == len(set(refs))
    known = {each["bom-ref"] for each in components} | {document["metadata"]["component"]["bom-ref"]}
    for each in document["vulnerabilities"]:
        owner = each["bom-ref"].split("/")[0]
        assert {affect["ref"] for affect in each["affects"]} <= known
        assert {affect["ref"].split("/")[0] for affect in each["affects"]} == {owner}
    for each in document["dependencies"]:
        assert {each["ref"], *each["dependsOn"]} <= known
    ids = {
        finding.id
        for _, reports in numbered
        for r in reports.values()
        for finding in r.findings
        if finding.kind == "vulnerability"
    }
    assert ids <= {each["id"] for each in document["vulnerabilities"]}


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_what_a_finding_says_that_cyclonedx_does_not_allow_is_cut_out(tmp_path, score):
    long = Finding(
        kind="vulnerability",
        id="CVE-1",
        package="p",
        version="1" * 1025,
        cvss=Cvss(score=score, version="3.1", vector="v"),
    )
    longest = Finding(kind="vulnerability", id="CVE-2", package="q", version="1" * 1024)
    document = _merge(tmp_path, [(make_target(), {"dependency": Report(scanner="grype", findings=(long, longest))})])
    assert validator().is_valid(document)
    target = document["components"][0]
    assert [(each["name"], len(each.get("version", ""))) for each in target["components"]] == [("p", 0), ("q", 1024)]
    assert "CVE-2" in {each["id"] for each in document["vulnerabilities"]}


@settings(max_examples=examples(20), deadline=None)
@given(st.dictionaries(st.sampled_from(["dependency", "sbom", "general"]), REPORTS, max_size=3), st.integers(1, 4))
def test_vulnerabilities_written_some_at_a_time_are_the_same_document(tmp_path_factory, reports, at_once):
    folder = tmp_path_factory.getbasetemp()
    whole = _merge(folder, [(make_target(), deepcopy(reports))])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("orchestrator.results.bom.whole._AT_ONCE", at_once)
        assert _merge(folder, [(make_target(), reports)]) == whole


def _scans(component):
    return [each["value"] for each in component["properties"] if each["name"] == "scanmatrix:scan"]


def _library(name, version="1", **fields):
    return {"type": "library", "name": name, "version": version, "purl": f"pkg:npm/{name}@{version}"} | fields


def test_the_same_component_of_two_scans_is_one(tmp_path):
    reports = {
        "general": Report(scanner="trivy", bom={"components": [_library("x", **{"bom-ref": "1", "description": "t"})]}),
        "sbom": Report(
            scanner="syft", bom={"components": [_library("x", purl="pkg:npm/x@1?arch=amd64"), _library("y")]}
        ),
    }
    (target,) = _merge(tmp_path, [(make_target(), reports)])["components"]
    x, y = target["components"]
    assert (_scans(x), _scans(y)) == (["general", "sbom"], ["sbom"])
    assert x["description"] == "t"


def test_a_component_in_two_places_stays_two(tmp_path):
    bom = {"components": [_library("x"), _library("x", description="elsewhere")]}
    reports = {
        "general": Report(scanner="trivy", bom=bom),
        "sbom": Report(scanner="syft", bom=json.loads(json.dumps(bom))),
    }
    (target,) = _merge(tmp_path, [(make_target(), reports)])["components"]
    assert [_scans(each) for each in target["components"]] == [["general", "sbom"]] * 2


def test_a_described_component_replaces_one_made_up_from_a_finding(tmp_path):
    finding = Finding(id="CVE-1", kind="vulnerability", package="x", version="1", purl="pkg:npm/x@1")
    unnamed = Finding(id="CVE-2", kind="vulnerability", package="group:z", version="1")
    described = _library("x", licenses=[{"license": {"id": "MIT"}}])
    z = {"type": "library", "group": "group", "name": "z", "version": "1"}
    reports = {
        "dependency": Report(scanner="grype", findings=(finding,)),
        "sbom": Report(scanner="syft", bom={"components": [described, z]}),
        "general": Report(scanner="trivy", findings=(unnamed,)),
    }
    document = _merge(tmp_path, [(make_target(), reports)])
    first, second = document["components"][0]["components"]
    assert first["licenses"] == described["licenses"]
    assert _scans(first) == ["dependency", "sbom"]
    assert [each["affects"][0]["ref"] for each in document["vulnerabilities"]] == [first["bom-ref"], second["bom-ref"]]


def _packages(purl, version, name="bsdutils"):
    component = {"type": "library", "name": name, "version": version, "purl": purl}
    finding = Finding(id="CVE-1", kind="vulnerability", package=name, version=version, purl=purl)
    return Report(scanner="syft", bom={"components": [component]}), Report(scanner="grype", findings=(finding,))


SPELLINGS = [
    [
        _packages("pkg:deb/debian/bsdutils@1:2.38?arch=amd64", "1:2.38"),
        _packages("pkg:deb/debian/bsdutils@1%3A2.38?distro=debian-12", "1:2.38"),
        _packages("pkg:deb/debian/bsdutils@2.38?arch=amd64&epoch=1", "2.38"),
        _packages("pkg:deb/bsdutils@2.38", "2.38"),
    ],
    [
        _packages("pkg:golang/github.com/golang-jwt/jwt@v4.5.0#v4", "v4.5.0", "github.com/golang-jwt/jwt/v4"),
        _packages("pkg:golang/github.com/golang-jwt/jwt/v4@4.5.0", "4.5.0", "github.com/golang-jwt/jwt/v4"),
    ],
    [_packages("pkg:rpm/amzn/bash@5", "5", "bash"), _packages("pkg:rpm/amazon/bash@5?arch=x86_64", "5", "bash")],
    [_packages("pkg:gem/x@1?platform=java", "1", "x"), _packages("pkg:gem/x@1-java", "1-java", "x")],
    [_packages("pkg:pypi/A_b@1", "1", "A_b"), _packages("pkg:pypi/a.b@1", "1", "a.b")],
    [_packages("pkg:golang/stdlib@1.22", "go1.22", "stdlib"), _packages("pkg:golang/std@1.22", "1.22", "std")],
]


@pytest.mark.parametrize("spellings", SPELLINGS, ids=lambda each: each[0][1].findings[0].package)
def test_a_package_is_one_component_however_it_is_spelt(tmp_path, spellings):
    boms, findings = zip(*spellings, strict=True)
    for order in ([*boms, *findings], [*findings, *boms], [*boms[::-1], *findings], [*findings[::-1], *boms]):
        reports = {f"scan-{number}": deepcopy(report) for number, report in enumerate(order)}
        document = _merge(tmp_path, [(make_target(), reports)])
        [component] = document["components"][0]["components"]
        assert len(_scans(component)) == len(order)
        assert {each["ref"] for v in document["vulnerabilities"] for each in v["affects"]} == {component["bom-ref"]}


VAGUE = [
    [("pkg:deb/debian/zip@3?arch=amd64", "zip", "3"), ("", "zip", "3"), ("pkg:deb/debian/zip@3", "zip", "3")],
    [("pkg:pypi/a-b@1", "a-b", "1"), ("", "a_b", "1"), ("", "A-B", "1")],
    [("pkg:golang/x.y/z@v1.2.0+incompatible", "x.y/z", "v1.2.0"), ("", "x.y/Z", "v1.2.0+incompatible")],
    [("pkg:maven/org.a/b-c@1", "b-c", "1"), ("pkg:maven/b-c/b-c@1", "b-c", "1"), ("", "b-c", "1")],
    [("pkg:maven/b-c/b-c@1", "b-c", "1"), ("", "org.a:b-c", "1")],
    [("pkg:maven/b-c/b-c@1", "b-c", "1"), ("", "b-c", "1")],
    [("pkg:rpm/redhat/bind@32:9", "bind", "32:9"), ("", "bind", "9"), ("pkg:rpm/redhat/bind@9", "bind", "9")],
    [("pkg:rpm/redhat/bind@32:9", "bind", "32:9"), ("", "bind", "33:9")],
    [("pkg:npm/x@1", "x", "1"), ("pkg:pypi/x@1", "x", "1"), ("", "x", "1")],
    [("", "cpe:2.3:a:b:c:1:*:*:*:*:*:*:*", "1"), ("", "c", "1")],
    [("pkg:deb/debian/openssl@3", "openssl", "3"), ("", "openssl", "")],
]


def _said_by(purl, name, version, kind):
    finding = Finding(id="CVE-1", kind="vulnerability", package=name, version=version, purl=purl)
    if kind == "findings":
        return Report(scanner="grype", findings=(finding,))
    component = {"type": "library", "name": name or "x"} | ({"purl": purl} if purl else {})
    return Report(scanner="syft", bom={"components": [component | ({"version": version} if version else {})]})


@pytest.mark.parametrize("packages", VAGUE, ids=lambda each: each[0][0] or each[0][1])
def test_components_are_as_many_as_packages_of_the_merged_findings(tmp_path, packages):
    for order in permutations(packages):
        reports = [_said_by(*package, "findings") for package in order]
        cells = [
            CellFindings(str(number), Outcome.OK, frozenset(), each.findings) for number, each in enumerate(reports)
        ]
        expected = len(merge("t", cells))
        for kinds in product(("findings", "bom"), repeat=len(order)):
            if any(kind == "bom" and not package[2] for kind, package in zip(kinds, order, strict=True)):
                continue  # a component without a version stands for more than a package
            said = {str(number): _said_by(*package, kinds[number]) for number, package in enumerate(order)}
            document = _merge(tmp_path, [(make_target(), said)])
            components = document["components"][0]["components"]
            assert len(components) == expected, kinds
            affected = {each["ref"] for one in document["vulnerabilities"] for each in one["affects"]}
            assert affected <= {each["bom-ref"] for each in components}


def test_a_component_gets_the_package_url_that_another_report_knows(tmp_path):
    reports = {str(n): _said_by(*VAGUE[0][1 - n], "bom") for n in range(2)}
    [component] = _merge(tmp_path, [(make_target(), reports)])["components"][0]["components"]
    assert component["purl"] == VAGUE[0][0][0]


def test_a_component_that_stands_for_a_file_is_no_package(tmp_path):
    file = {"type": "application", "name": "Python"}
    reports = {
        "general": Report(scanner="trivy", bom={"components": [file]}),
        "sbom": _said_by("pkg:deb/debian/python@3", "python", "3", "bom"),
    }
    assert len(_merge(tmp_path, [(make_target(), reports)])["components"][0]["components"]) == 2


def test_other_packages_stay_other_components(tmp_path):
    boms = [
        _packages(purl, version, "x")[0]
        for purl, version in [
            ("pkg:golang/go.opentelemetry.io/otel@1#sdk", "1"),
            ("pkg:golang/go.opentelemetry.io/otel@1#trace", "1"),
            ("pkg:deb/debian/x@1:2", "1:2"),
            ("pkg:deb/debian/x@2:2", "2:2"),
            ("pkg:npm/x", "1"),
            ("pkg:npm/x", "2"),
            ("pkg:npm/@a/x", "2"),
        ]
    ]
    boms += [
        Report(scanner="cdxgen", bom={"components": [{"type": "library", "group": g, "name": "core"}]}) for g in "ab"
    ]
    document = _merge(tmp_path, [(make_target(), {str(number): each for number, each in enumerate(boms)})])
    assert len(document["components"][0]["components"]) == len(boms)


def test_a_name_alone_is_the_one_package_of_that_name(tmp_path):
    named = Finding(id="CVE-1", kind="vulnerability", package="redis", version="4")
    npm, pypi = (_packages(f"pkg:{kind}/redis@4", "4", "redis")[0] for kind in ("npm", "pypi"))
    finding = Report(scanner="trivy", findings=(named,))
    for reports, components in [([npm, finding], 1), ([finding, npm], 1), ([npm, pypi, finding], 3)]:
        merged = {str(number): deepcopy(each) for number, each in enumerate(reports)}
        found = _merge(tmp_path, [(make_target(), merged)])["components"][0]["components"]
        assert len(found) == components
        assert found[0]["purl"] == "pkg:npm/redis@4"


@pytest.mark.parametrize("qualifiers", ["", "?classifier=linux-x86_64", "?classifier=osx-x86_64&type=jar"])
def test_a_finding_is_of_the_artifact_that_it_names(tmp_path, qualifiers):
    purls = [f"pkg:maven/g/a@1{each}" for each in ("?classifier=linux-x86_64", "?classifier=osx-x86_64", "")]
    components = [{"type": "library", "name": "a", "version": "1", "purl": each} for each in purls]
    found = Finding(id="CVE-1", kind="vulnerability", package="a", version="1", purl=f"pkg:maven/g/a@1{qualifiers}")
    reports = {
        "sbom": Report(scanner="syft", bom={"components": components}),
        "general": Report(scanner="trivy", findings=(found,)),
    }
    document = _merge(tmp_path, [(make_target(), reports)])
    refs = {each["bom-ref"]: each["purl"] for each in document["components"][0]["components"]}
    [affected] = document["vulnerabilities"][0]["affects"]
    assert refs[affected["ref"]] == f"pkg:maven/g/a@1{qualifiers.removesuffix('&type=jar')}"


def test_one_vulnerability_of_two_packages_is_one_entry(tmp_path):
    findings = tuple(Finding(id="CVE-1", kind="vulnerability", package=name, version="1") for name in ("x", "y", "x"))
    document = _merge(tmp_path, [(make_target(), {"dependency": Report(scanner="grype", findings=findings)})])
    (vulnerability,) = document["vulnerabilities"]
    assert len(vulnerability["affects"]) == 2
    assert vulnerability["source"] == {"name": "grype"}


def test_a_target_with_no_report_is_in_it_with_how_its_cells_ended(tmp_path):
    document = _merge(tmp_path, [(make_target(), {"virus": None})])
    (target,) = document["components"]
    assert {"name": "scanmatrix:cell:virus", "value": "failed"} in target["properties"]


def test_what_no_scan_catalogued_is_said_to_be_unknown_and_what_is_not_there_has_no_bom(tmp_path):
    sbom = Report(scanner="syft", bom={"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []})
    found = Report(scanner="grype", findings=(Finding(id="CVE-1", kind="vulnerability", package="x"),))
    missing = make_target(3, error="registry.example/team/app:1: not found")
    catalogued, only_found = make_target(1), make_target(2)
    targets = [(catalogued, {"sbom": sbom, "dependency": found}), (only_found, {"dependency": found, "sbom": None})]
    document = _merge(tmp_path, [*targets, (missing, {"sbom": None})])
    assert validator().is_valid(document)
    assert [each["bom-ref"] for each in document["components"]] == [catalogued.id, only_found.id]
    unknown = [{"aggregate": "unknown", "assemblies": [only_found.id]}]
    assert document["compositions"] == unknown
    folder = tmp_path / "results"
    folder.mkdir()
    with (folder / BOM).open("wb") as file, BomWriter("run-1", "0.1.0", file, tmp_path) as writer:
        for target, reports in targets:
            bom = TargetBom(target)
            rows = [_row(target, scan, report) for scan, report in reports.items()]
            for row, report in zip(rows, reports.values(), strict=True):
                bom.add(row, report)
            writer.add(bom, rows)
        writer.finish("2025-03-01T10:00:05Z")
    own = {each.target: json.loads(each.data) for each in target_boms(folder / BOM)}
    assert [document.get("compositions") for document in own.values()] == [None, unknown]
    assert all(map(validator().is_valid, own.values()))


def test_targets_have_package_urls_where_they_have_digests(tmp_path):
    targets = [
        make_target(1),
        make_target(2, digest=""),
        make_target(3, names=(Name(reference="./app.tar"),), pull="file:/tmp/app.tar"),
        make_target(4, names=(Name(reference="localhost:5000/app"),)),
        make_target(5, names=(Name(reference=f"a.example/b@sha256:{5:064x}"),)),
    ]
    components = _merge(tmp_path, [(target, {}) for target in targets])["components"]
    assert [each["name"] for each in components] == [
        "registry.example/team/app",
        "registry.example/team/app",
        "./app.tar",
        "localhost:5000/app",
        "a.example/b",
    ]
    purl = PackageURL.from_string(components[0]["purl"])
    assert (purl.type, purl.name, purl.version) == ("oci", "app", f"sha256:{1:064x}")
    assert purl.qualifiers == {"arch": "amd64", "repository_url": "registry.example/team/app", "tag": "1"}
    assert ["purl" in each for each in components] == [True, False, False, True, True]


def test_the_same_input_gives_the_same_document_and_another_another_number(tmp_path):
    report = Report(scanner="grype", findings=(Finding(id="CVE-1", kind="vulnerability", package="x"),))
    first = _merge(tmp_path, [(make_target(), {"dependency": report})])
    assert first == _merge(tmp_path, [(make_target(), {"dependency": report})])
    other = _merge(tmp_path, [(make_target(), {"dependency": Report(scanner="grype")})])
    assert first["serialNumber"] != other["serialNumber"]
