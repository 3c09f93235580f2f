"""The worked example of `docs/dataframes.md` does what it says."""

import re
from pathlib import Path

import pytest

from orchestrator.volume.layout import Volume
from tests.integration.test_merged_results import write_two_runs

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "dataframes.md").read_text()


@pytest.fixture
def said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scanmatrix.yaml").write_text("volume: {path: scanmatrix-data}\n")
    write_two_runs(Volume(tmp_path / "scanmatrix-data"))
    said = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/dataframes.md", "exec"), said)
    return said


def test_the_worked_example(said):
    assert said["ledger"].run == "run-2"
    assert sorted(said["act"].id) == ["CVE-2021-45046", "CVE-2021-45105"]
    assert said["upgrades"].vulnerabilities.tolist() == [2]
    assert said["by_owner"].loc["team", "findings"] == 2
    assert said["alone"].not_found_by.map(list).tolist() == [["dependency", "sbom"]] * 2
    assert {"new", "fixed", "still there"} <= set(said["changes"].status)
    assert said["everywhere"].empty
