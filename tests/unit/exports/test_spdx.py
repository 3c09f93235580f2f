"""SPDX documents: valid by the SPDX project's own library, whatever scanners wrote, and with all that the BOM has."""

import builtins
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from orchestrator.config.loading import default_config
from orchestrator.exports import spdx
from orchestrator.exports.interface import NothingToExportError
from orchestrator.findings.interface import Report
from orchestrator.kit.extras import MissingExtraError
from orchestrator.model import Ledger
from orchestrator.results.run import RunResults
from orchestrator.volume.layout import Volume
from tests.examples import examples
from tests.unit.exports.test_cyclonedx import ODD, REPORTS, write

SHA = "ab" * 32
LIBRARY = {
    "type": "library",
    "bom-ref": "a",
    "group": "org.example",
    "name": "lib",
    "version": "1.2",
    "purl": "pkg:maven/org.example/lib@1.2",
    "cpe": "cpe:2.3:a:example:lib:1.2:*:*:*:*:*:*:*",
    "hashes": [{"alg": "SHA-256", "content": SHA}, {"alg": "MD5", "content": "ab" * 16}],
    "licenses": [{"license": {"id": "MIT"}}, {"license": {"id": "Apache-2.0"}}],
    "supplier": {"name": "Example"},
    "components": [{"type": "file", "bom-ref": "c", "name": "lib.so"}],
}
OTHER = {"type": "operating-system", "bom-ref": "b", "name": "debian", "licenses": [{"license": {"name": "Own terms"}}]}


def exported(volume, *reports, to=""):
    results = write(volume, *reports)
    ledger = Ledger(run="run-1", created="2025-03-01T10:00:00Z", finished="2025-03-01T10:00:05Z", rows=())
    return spdx.export(RunResults(results.volume, "run-1", ledger), default_config(environment={}), to)


def document(path):
    with open(path) as file:  # noqa: PTH123
        found = json.load(file)
    assert [
        message.validation_message for message in validate_full_spdx_document(JsonLikeDictParser().parse(found))
    ] == []
    return found


def test_a_component_with_all_that_spdx_has_a_place_for(tmp_path):
    bom = {"components": [LIBRARY, OTHER], "dependencies": [{"ref": "a", "dependsOn": ["b"]}]}
    found = document(exported(Volume(tmp_path), Report(scanner="syft", bom=bom)))
    packages = {package["name"]: package for package in found["packages"]}
    target, lib, system, inner = (packages[name] for name in ("r.example/app", "org.example/lib", "debian", "lib.so"))
    assert lib["versionInfo"] == "1.2"
    assert lib["supplier"] == "Organization: Example"
    assert lib["licenseDeclared"] == "MIT AND Apache-2.0"
    assert {each["algorithm"]: each["checksumValue"] for each in lib["checksums"]} == {"SHA256": SHA, "MD5": "ab" * 16}
    assert {each["referenceType"]: each["referenceLocator"] for each in lib["externalRefs"]} == {
        "purl": LIBRARY["purl"],
        "cpe23Type": LIBRARY["cpe"],
    }
    assert (system["licenseDeclared"], system["licenseComments"]) == ("NOASSERTION", "Own terms")
    purposes = [each["primaryPackagePurpose"] for each in (target, lib, system, inner)]
    assert purposes == ["CONTAINER", "LIBRARY", "OPERATING_SYSTEM", "FILE"]
    related = {
        (each["spdxElementId"], each["relationshipType"], each["relatedSpdxElement"]) for each in found["relationships"]
    }
    assert related == {
        ("SPDXRef-DOCUMENT", "DESCRIBES", target["SPDXID"]),
        (target["SPDXID"], "CONTAINS", lib["SPDXID"]),
        (target["SPDXID"], "CONTAINS", system["SPDXID"]),
        (lib["SPDXID"], "CONTAINS", inner["SPDXID"]),
        (lib["SPDXID"], "DEPENDS_ON", system["SPDXID"]),
    }


@pytest.mark.parametrize("said", ["()", "( AND MIT AND", "MIT OR"])
def test_a_license_that_is_no_expression_is_said_in_words(tmp_path, said):
    bom = {"components": [OTHER | {"licenses": [{"license": {"name": said}}]}]}
    found = document(exported(Volume(tmp_path), Report(scanner="syft", bom=bom)))
    [debian] = [package for package in found["packages"] if package["name"] == "debian"]
    assert (debian["licenseDeclared"], debian["licenseComments"]) == ("NOASSERTION", said)


def test_a_target_that_nobody_catalogued_says_so(tmp_path):
    found = document(exported(Volume(tmp_path), Report(scanner="grype", findings=())))
    assert ("CONTAINS", "NOASSERTION") in {
        (each["relationshipType"], each["relatedSpdxElement"]) for each in found["relationships"]
    }


def test_into_a_folder_a_document_for_each_target(tmp_path):
    reports = [
        Report(scanner="syft", bom={"components": [LIBRARY]}),
        Report(scanner="syft", bom={"components": [OTHER]}),
    ]
    folder = tmp_path / "out"
    assert exported(Volume(tmp_path / "volume"), *reports, to=f"{folder}/") == str(folder)
    found = {path.name: document(path) for path in folder.iterdir()}
    assert set(found) == {"app-1.spdx.json", "app-11.spdx.json"}
    assert len({each["documentNamespace"] for each in found.values()}) == 2
    assert "debian" in {package["name"] for package in found["app-11.spdx.json"]["packages"]}


LICENSE = (
    st.sampled_from(["MIT", "MIT OR", "(" * 300, "LicenseRef-x", "A" * 3000, "GPL-2.0+", "MIT AND (Apache-2.0)"]) | ODD
)
STRANGE = st.fixed_dictionaries(
    {"type": st.just("library"), "name": ODD, "bom-ref": ODD},
    optional={
        "version": ODD,
        "group": ODD,
        "purl": ODD | st.just("pkg:deb/a b"),
        "cpe": ODD | st.just("cpe:2.3:x"),
        "licenses": st.lists(LICENSE.map(lambda said: {"license": {"name": said}}), max_size=2),
        "hashes": st.lists(st.fixed_dictionaries({"alg": st.just("SHA-1") | ODD, "content": ODD}), max_size=1),
        "supplier": st.fixed_dictionaries({"name": ODD}),
    },
)
BOMS = st.lists(STRANGE, max_size=3).map(lambda found: Report(scanner="syft", bom={"components": found}))


@settings(max_examples=examples(20), deadline=None)
@given(st.lists(REPORTS | BOMS, min_size=1, max_size=3))
def test_it_is_valid_whatever_scanners_wrote(tmp_path_factory, reports):
    document(exported(Volume(tmp_path_factory.mktemp("bom")), *reports))


def test_a_run_without_targets_has_none(tmp_path):
    with pytest.raises(NothingToExportError, match="run-1"):
        exported(Volume(tmp_path))


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments):
        if name.startswith("spdx_tools"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *arguments)

    monkeypatch.delitem(sys.modules, "orchestrator.exports.spdx_elements", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'scanmatrix\[spdx\]'"):
        exported(Volume(tmp_path), Report(scanner="grype", findings=()))
