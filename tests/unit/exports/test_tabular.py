"""CSV and Parquet of merged findings, read back."""

import pandas as pd
import pyarrow.csv
import pytest

from orchestrator.config.loading import default_config
from orchestrator.exports import load
from orchestrator.exports.interface import ExportRefusedError
from orchestrator.results import NoResultsError
from orchestrator.results.run import RunResults
from tests.exports import make_finding, put_run, suppressed

CONFIG = default_config(environment={})
ODD = (
    make_finding(number=1, package="=cmd|' /C calc'!A0", version="'3", aliases=("GHSA-x", "DSA-1"), epss=0.5, kev=True),
    make_finding(number=2, title='a "quoted", title\nof two lines', suppressed=suppressed()),
    make_finding(number=3, first_seen="", purl="", ecosystem="", fixed_version="", locations=()),
)


def export(name, results, to=""):
    return load(name).export(results, CONFIG, str(to) if to else "")


@pytest.mark.parametrize("findings", [ODD, ()], ids=["findings", "none"])
def test_parquet_comes_back_as_it_was(tmp_path, findings):
    results = put_run(tmp_path / "a", findings=findings)
    copy = put_run(tmp_path / "b", findings=())
    (copy.folder / "merged.parquet").unlink()
    path = copy.folder / "merged.parquet"
    assert export("parquet", results, path) == str(path)
    pd.testing.assert_frame_equal(RunResults(copy.volume, copy.run).merged, results.merged)


def test_csv_is_what_the_aggregate_step_writes(tmp_path):
    results = put_run(tmp_path, findings=ODD)
    path = tmp_path / "elsewhere" / "out.csv"
    assert export("csv", results, path) == str(path)
    read = [pyarrow.csv.read_csv(each) for each in (path, results.folder / "merged.csv")]
    assert read[0].equals(read[1])
    assert read[0].num_rows == len(ODD)


def test_no_cell_of_the_csv_runs_as_a_formula(tmp_path):
    results = put_run(tmp_path, findings=ODD)
    frame = pd.read_csv(export("csv", results, tmp_path / "out.csv"), dtype=str, keep_default_na=False)
    assert not any(frame[column].str.match(r"^[=+\-@\t\r\n]").any() for column in frame)
    assert frame["package"][0].removeprefix("'") == ODD[0].package
    assert frame["version"][0].removeprefix("'") == ODD[0].version
    assert frame["aliases"][0] == "GHSA-x;DSA-1"


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_without_a_path_it_is_the_file_among_the_results(tmp_path, name):
    results = put_run(tmp_path)
    path = results.folder / f"merged.{name}"
    before = path.read_bytes()
    assert export(name, results) == str(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["csv", "parquet", "sarif"])
def test_what_is_damaged_is_not_exported(tmp_path, name):
    results = put_run(tmp_path)
    (results.folder / "merged.parquet").write_bytes(b"PAR1 half")
    with pytest.raises(NoResultsError):
        export(name, results, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["csv", "parquet", "sarif"])
def test_a_path_that_cannot_be_written(tmp_path, name):
    results = put_run(tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ExportRefusedError) as refused:
        export(name, results, tmp_path / "file" / "out")
    assert str(tmp_path / "file" / "out") in str(refused.value)
