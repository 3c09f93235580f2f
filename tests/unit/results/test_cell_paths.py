"""A finding does not say which run, attempt and volume it is of: it would be another one in the next run."""

import pytest

from orchestrator.model import Finding
from orchestrator.results.cell_paths import within_cell

FOLDER = "runs/run-1/sha256-0/virus"


@pytest.mark.parametrize(
    "root",
    [f"/volume/{FOLDER}/layers", f"{FOLDER}/layers", "/layers", "/layers/files", "/scanmatrix/inputs/cell/layers"],
)
def test_a_file_of_a_layer_is_called_as_the_image_calls_it(root):
    def told(location, place=""):
        finding = Finding(id="x", kind="malware", location=f"{root}/{location}", place=place)
        (found,) = within_cell([finding], FOLDER, layers=True)
        return found.location, found.place

    assert told("0123456789ab/usr/bin/x") == ("/usr/bin/x", "layer sha256:0123456789ab")
    assert told("0123456789ab+2/usr/bin/x") == ("/usr/bin/x", "layer sha256:0123456789ab")
    assert told("0123456789ab/a%0Ab", "line 1\nline 2")[0] == "/a\nb"
    assert told("0123456789ab/a", "line 1\nline 2")[1].split("\n")[1] == "layer sha256:0123456789ab, line 2"
    assert told("config.json") == ("config.json", "")


def test_an_image_may_have_a_folder_of_that_name():
    finding = Finding(id="x", kind="malware", location="/layers/0123456789ab/usr/bin/x")
    assert list(within_cell([finding], FOLDER)) == [finding]


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
