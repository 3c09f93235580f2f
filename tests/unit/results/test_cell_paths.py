"""A finding does not say which run, attempt and volume it is of: it would be another one in the next run."""

import pytest

from orchestrator.model import Finding
from orchestrator.results.cell_paths import within_cell

FOLDER = "runs/run-1/sha256-0/virus"


@pytest.mark.parametrize(
    ("path", "within"),
    [
        (f"/volume/{FOLDER}/image.tar", "image.tar"),
        (f"{FOLDER}/attempt-2/image.tar", "image.tar"),
        (f"/volume/{FOLDER}/checkout/src/a.py", "src/a.py"),
        (f"/volume/{FOLDER}/attempt-1/rootfs/attempt-2/a", "rootfs/attempt-2/a"),
        (f"/volume/other{FOLDER}/a", f"/volume/other{FOLDER}/a"),
        ("/volume/runs/run-2/sha256-0/virus/a", "/volume/runs/run-2/sha256-0/virus/a"),
        ("/usr/bin/su", "/usr/bin/su"),
        ("", ""),
    ],
)
def test_a_path_is_that_within_the_cell(path, within):
    found = within_cell([Finding(id="x", kind="malware", location=path, place=path)], FOLDER)
    assert [(each.location, each.place) for each in found] == [(within, within)]
