"""A BOM for each target: valid by itself, and together all that the run's BOM holds."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.config.loading import Config
from orchestrator.exports import cyclonedx, load
from orchestrator.exports.interface import ExportRefusedError
from orchestrator.findings.interface import Report
from orchestrator.model import Finding, LedgerRow, Name, Outcome
from orchestrator.results.bom.split import target_bom, target_boms
from orchestrator.results.bom.target import TargetBom
from orchestrator.results.bom.validity import validator
from orchestrator.results.bom.whole import BomWriter
from orchestrator.results.errors import NoResultsError
from orchestrator.results.run import RunResults
from orchestrator.volume.layout import Volume
from tests.aggregation import make_target
from tests.examples import examples

ODD = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
FINDINGS = st.builds(
    Finding, id=ODD.map("CVE-{}".format), kind=st.just("vulnerability"), package=ODD, version=ODD, title=ODD
)
LIBRARY = st.fixed_dictionaries(
    {"type": st.just("library"), "name": ODD.filter(bool), "bom-ref": st.sampled_from(["a", "b"])},
    optional={"description": ODD},
)
REPORTS = st.builds(lambda found: Report(scanner="grype", findings=tuple(found)), st.lists(FINDINGS, max_size=3))
REPORTS |= st.builds(
    lambda libraries: Report(
        scanner="syft",
        bom={
            "components": libraries,
            "dependencies": [{"ref": "a", "dependsOn": ["b"]}],
            "vulnerabilities": [{"id": "X"}],
        },
    ),
    st.lists(LIBRARY, max_size=3, unique_by=lambda each: each["bom-ref"]),
)


def write(volume, *reports):
    """A run with one target for each report."""
    out = io.BytesIO()
    folder = volume.results("run-1")
    folder.mkdir(parents=True, exist_ok=True)
    with BomWriter("run-1", "0.1.0", out, folder) as writer:
        for number, report in enumerate(reports, 1):
            # One id is the beginning of another: app-1, app-11.
            target = make_target(number, id="app-" + "1" * number, names=(Name(reference=f"r.example/app:{number}"),))
            bom = TargetBom(target)
            row = LedgerRow(
                cell=f"{target.id}/s",
                target=target.id,
                scan="s",
                references=("a",),
                outcome=Outcome.OK,
                scanner=report.scanner,
            )
            bom.add(row, report)
            writer.add(bom, [row])
        writer.finish("2025-03-01T10:00:05Z")
    (folder / "bom.cdx.json").write_bytes(out.getvalue())
    return RunResults(volume, "run-1")


@settings(max_examples=examples(20), deadline=None)
@given(st.lists(REPORTS, max_size=4))
def test_of_each_target_one_valid_document_and_nothing_is_lost_or_mixed_up(tmp_path_factory, reports):
    results = write(Volume(tmp_path_factory.mktemp("bom")), *reports)
    whole = json.loads(results.bom.read_bytes())
    split = {document.target: json.loads(document.data) for document in target_boms(results.bom)}
    assert list(split) == [each["bom-ref"] for each in whole["components"]]
    for each in split.values():
        assert validator().is_valid(each)
        known = {each["metadata"]["component"]["bom-ref"], *(part["bom-ref"] for part in each["components"])}
        assert {affect["ref"] for part in each["vulnerabilities"] for affect in part["affects"]} <= known
        assert {ref for part in each["dependencies"] for ref in (part["ref"], *part["dependsOn"])} <= known
    for array in ("dependencies", "vulnerabilities"):
        together = [item for each in split.values() for item in each[array]]
        assert together == [item for item in whole[array] if not item.get("ref", "").startswith("run:")]
    for subject in whole["components"]:
        assert split[subject["bom-ref"]]["components"] == subject.pop("components", [])
        assert split[subject["bom-ref"]]["metadata"]["component"] == subject
    numbers = [each["serialNumber"] for each in (whole, *split.values())]
    assert len(set(numbers)) == len(numbers)


@pytest.fixture
def results(tmp_path):
    return write(
        Volume(tmp_path / "volume"),
        *(Report(scanner="s", findings=(Finding(id=f"CVE-{n}", kind="vulnerability", package="x"),)) for n in range(2)),
    )


def test_where_it_goes(results, tmp_path):
    assert load("cyclonedx") is cyclonedx
    assert cyclonedx.export(results, Config()) == str(results.bom)
    copy = tmp_path / "new" / "all.json"
    assert cyclonedx.export(results, Config(), str(copy)) == str(copy)
    assert copy.read_bytes() == results.bom.read_bytes()
    for to in (f"{tmp_path}/each/", str(tmp_path / "each")):
        cyclonedx.export(results, Config(), to)
        written = {path.name: path.read_bytes() for path in (tmp_path / "each").iterdir()}
        assert written == {f"{name}.cdx.json": target_bom(results.bom, name) for name in ("app-1", "app-11")}


def test_what_is_not_there(results, tmp_path):
    with pytest.raises(NoResultsError, match="app-2"):
        target_bom(results.bom, "app-2")
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportRefusedError, match="file/x"):
        cyclonedx.export(results, Config(), str(tmp_path / "file" / "x"))
    results.bom.unlink()
    for to in ("", str(tmp_path / "copy")):
        with pytest.raises(NoResultsError):
            cyclonedx.export(results, Config(), to)
    with pytest.raises(NoResultsError):
        list(target_boms(results.bom))


@pytest.mark.parametrize("keep", [0, 40, -200, -3])
def test_a_damaged_one_is_refused(results, keep):
    results.bom.write_bytes(results.bom.read_bytes()[:keep])
    with pytest.raises(NoResultsError):
        list(target_boms(results.bom))
