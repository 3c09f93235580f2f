"""All sources together."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import default_config, load_config
from orchestrator.inventory import Entry, InventoryError, collect, merge, scans_for
from orchestrator.model import Decision, TargetKind
from tests.planned import plan_here

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"


@pytest.fixture
def write(tmp_path):
    def _write(**files: str) -> Path:
        for name, text in files.items():
            (tmp_path / name.replace("_", ".")).write_text(text)
        return tmp_path / "scanmatrix.yaml"

    return _write


def test_the_seeds_nine_cells():
    entries = collect(load_config(EXAMPLES / "seed" / "scanmatrix.yaml", environment={}))
    assert {entry.reference: set(entry.scans) for entry in entries} == {
        "ubuntu:20.04": {"general", "virus", "image-lifetime"},
        "centos:8": {"general", "image-lifetime"},
        "java-tool:12": {"general", "virus", "dependency", "image-lifetime"},
    }
    assert sum(len(entry.scans) for entry in entries) == 9


def test_sources_in_their_order_paths_from_the_configurations_folder(write, tmp_path):
    path = write(
        scanmatrix_yaml="targets:\n- image: b:1\n  scans: [sbom]\n  labels: {a: b}\n- csv: {path: targets.csv}\n"
        "- {archive: sub/app.tar, owner: me}\n",
        targets_csv="image,scans\na:1,*\n",
    )
    catalog = load_catalog()
    image, row, archive = collect(load_config(path, environment={}), catalog=catalog)
    assert image == Entry(reference="b:1", scans=("sbom",), labels={"a": "b"}, origin=f"{path}:2")
    assert (row.reference, row.scans) == ("a:1", scans_for(TargetKind.IMAGE, catalog))
    assert row.origin.endswith("targets.csv:2")
    assert (archive.reference, archive.local, archive.owner) == (str(tmp_path / "sub/app.tar"), True, "me")


def test_mistakes_of_several_files_are_reported_together(write):
    path = write(
        scanmatrix_yaml="targets: [{csv: {path: a.csv}}, {csv: {path: none.csv}}, {csv: {path: b.csv}}]\n",
        a_csv="image,scans\na,nope\n",
        b_csv="nothing\n",
    )
    with pytest.raises(InventoryError) as caught:
        collect(load_config(path, environment={}))
    assert [Path(problem.file).name for problem in caught.value.problems] == ["a.csv", "none.csv", "b.csv"]


def test_a_csv_without_rows_adds_nothing_and_says_so(write, caplog):
    path = write(
        scanmatrix_yaml="targets: [{csv: {path: targets.csv}}, {image: 'a:1'}]\n", targets_csv="image,scans\n\n"
    )
    assert [entry.reference for entry in collect(load_config(path, environment={}))] == ["a:1"]
    assert "targets.csv" in caplog.text


def test_one_image_of_two_owners_stays_two_entries(write):
    path = write(
        scanmatrix_yaml="targets: [{csv: {path: targets.csv}}]\n",
        targets_csv="image,scans,owner\na:1,sbom,one\na:1,root-user,two\na:1,secrets,one\n",
    )
    entries = collect(load_config(path, environment={}))
    assert [(entry.owner, entry.scans) for entry in entries] == [("one", ("sbom", "secrets")), ("two", ("root-user",))]


def test_an_unknown_scan_in_a_file_is_reported_with_its_line_and_a_suggestion(write):
    path = write(
        scanmatrix_yaml="targets: [{csv: {path: targets.csv}}]\n", targets_csv="image,scans\n" + "\n" * 10 + "a,sbmo\n"
    )
    with pytest.raises(InventoryError, match=r"targets\.csv:12: scans: unknown scan 'sbmo', did you mean 'sbom'\?"):
        collect(load_config(path, environment={}))


def test_a_malformed_reference_is_a_failed_row_of_the_plan_and_loses_nothing(write):
    digest = "sha256:" + "a" * 64
    path = write(
        scanmatrix_yaml="targets: [{csv: {path: targets.csv}}]\n",
        targets_csv=f"image,scans,owner\nBAD::x,sbom;root-user,me\ngood@{digest},sbom,one\ngood@{digest},sbom,two\n",
    )
    config = load_config(path, environment={})
    now = datetime(2026, 1, 1, tzinfo=UTC)
    plan = plan_here(config, collect(config), load_catalog(config), run="r", now=now, offline=True)
    bad, good = plan.targets
    assert [cell.decision for cell in plan.cells if cell.target == bad.id] == [Decision.FAIL, Decision.FAIL]
    assert "BAD::x" in bad.error
    assert (bad.reference, bad.names[0].owner) == ("BAD::x", "me")
    assert [cell.decision for cell in plan.cells if cell.target == good.id] == [Decision.RUN]
    assert [name.owner for name in good.names] == ["one", "two"]


def test_no_targets_are_no_entries():
    assert collect(default_config(environment={})) == ()


def test_a_wrong_encoding_is_reported_with_its_line(write, tmp_path):
    path = write(scanmatrix_yaml="targets: [{csv: {path: t.csv}}]\n")
    (tmp_path / "t.csv").write_bytes("image,owner\na,ok\nb,Jürgen\n".encode("latin-1"))
    with pytest.raises(InventoryError, match=r"t\.csv:3: .*UTF-8"):
        collect(load_config(path, environment={}))


def test_alike_entries_are_merged_and_scanned_for_all():
    entries = [
        Entry(reference="a", scans=("sbom",), origin="1"),
        Entry(reference="a", scans=("virus", "sbom"), origin="2"),
        Entry(reference="a", scans=("virus",), owner="me", origin="3"),
        Entry(reference="b", origin="4"),
        Entry(reference="b", origin="5"),
        Entry(reference="c", origin="6"),
        Entry(reference="c", scans=("virus",), origin="7"),
        Entry(reference="a", scans=("virus",), local=True, origin="8"),
    ]
    every = {TargetKind.IMAGE: ("general", "sbom", "virus"), TargetKind.REPOSITORY: ("scorecard",)}
    default = {TargetKind.IMAGE: ("general",), TargetKind.REPOSITORY: ("scorecard",)}
    assert merge(entries, every, default) == (
        Entry(reference="a", scans=("sbom", "virus"), origin="1"),
        Entry(reference="a", scans=("virus",), owner="me", origin="3"),
        Entry(reference="b", origin="4"),
        Entry(reference="c", scans=("general", "virus"), origin="6"),
        Entry(reference="a", scans=("virus",), local=True, origin="8"),
    )


def test_sources_of_this_machine_alone_keep_their_own_lines(tmp_path):
    path = tmp_path / "scanmatrix.yaml"
    path.write_text(
        "targets:\n"
        "  - registry: {host: no.such.host.example, repositories: ['*']}\n"
        "  - csv: {path: t.csv, git: {url: 'https://no.such.host.example/t.git'}}\n"
        "  - cluster: {}\n"
        "  - image: b:1\n"
    )
    [image] = collect(load_config(path), here=True)
    assert (image.reference, image.origin) == ("b:1", f"{path}:5")
