"""All sources together."""

from pathlib import Path

import pytest

from orchestrator.catalog import load_catalog
from orchestrator.config import default_config, load_config
from orchestrator.inventory import Entry, InventoryError, collect, merge

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
    assert (row.reference, row.scans) == ("a:1", tuple(catalog))
    assert row.origin.endswith("targets.csv:2")
    assert (archive.reference, archive.local, archive.owner) == (str(tmp_path / "sub/app.tar"), True, "me")


def test_mistakes_of_several_files_are_told_together(write):
    path = write(
        scanmatrix_yaml="targets: [{csv: {path: a.csv}}, {csv: {path: none.csv}}, {csv: {path: b.csv}}]\n",
        a_csv="image,scans\na,nope\n",
        b_csv="nothing\n",
    )
    with pytest.raises(InventoryError) as caught:
        collect(load_config(path, environment={}))
    assert [Path(problem.file).name for problem in caught.value.problems] == ["a.csv", "none.csv", "b.csv"]


def test_no_targets_are_no_entries():
    assert collect(default_config(environment={})) == ()


def test_a_wrong_encoding_is_told_with_its_line(write, tmp_path):
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
    assert merge(entries, ("general", "sbom", "virus"), ("general",)) == (
        Entry(reference="a", scans=("sbom", "virus"), origin="1"),
        Entry(reference="a", scans=("virus",), owner="me", origin="3"),
        Entry(reference="b", origin="4"),
        Entry(reference="c", scans=("general", "virus"), origin="6"),
        Entry(reference="a", scans=("virus",), local=True, origin="8"),
    )
