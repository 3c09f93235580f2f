"""What a scanner can leave in place of a report: only a regular file of its own is read, and never too much of it."""

import os
from pathlib import Path

import pytest

from orchestrator.findings.interface import ReportError
from orchestrator.findings.reading import read_report, read_report_file


def test_a_regular_file_is_read_with_its_time(tmp_path):
    (tmp_path / "report.json").write_bytes(b"{}")
    os.utime(tmp_path / "report.json", (5, 1234.5))
    read = read_report_file(tmp_path / "report.json", 2)
    assert (read.data, read.modified) == (b"{}", 1234.5)


def test_a_report_in_a_folder_of_the_cell_is_read(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").write_bytes(b"[]")
    assert read_report(tmp_path / "out" / "report.json", 10, root=tmp_path) == b"[]"


def _missing(cell, outside):
    pass


def _empty(cell, outside):
    (cell / "report.json").touch()


def _link(cell, outside):
    (cell / "report.json").symlink_to(outside / "secret.json")


def _dangling_link(cell, outside):
    (cell / "report.json").symlink_to("nowhere")


def _folder(cell, outside):
    (cell / "report.json").mkdir()


def _pipe(cell, outside):
    os.mkfifo(cell / "report.json")


def _huge(cell, outside):
    with (cell / "report.json").open("wb") as file:
        file.truncate(200 * 1024 * 1024)


@pytest.mark.parametrize(
    ("leave", "word"),
    [
        (_missing, "missing"),
        (_empty, "empty"),
        (_link, "symbolic link"),
        (_dangling_link, "symbolic link"),
        (_folder, "regular"),
        (_pipe, "regular"),
        (_huge, "too large"),
    ],
)
def test_anything_else_is_refused_with_its_reason(tmp_path, leave, word):
    cell, outside = tmp_path / "cell", tmp_path / "outside"
    cell.mkdir()
    outside.mkdir()
    (outside / "secret.json").write_text("secret")
    leave(cell, outside)
    with pytest.raises(ReportError, match=word):
        read_report(cell / "report.json", 1024 * 1024)


def test_a_link_on_the_way_is_refused(tmp_path):
    cell, outside = tmp_path / "cell", tmp_path / "outside"
    cell.mkdir()
    outside.mkdir()
    (outside / "report.json").write_text("secret")
    (cell / "out").symlink_to(outside)
    with pytest.raises(ReportError, match="symbolic link"):
        read_report(cell / "out" / "report.json", 100, root=cell)


def test_the_cell_folder_itself_may_not_be_a_link(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "report.json").write_text("secret")
    (tmp_path / "cell").symlink_to("outside")
    with pytest.raises(ReportError):
        read_report(tmp_path / "cell" / "report.json", 100)


def test_a_way_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "report.json").write_text("secret")
    with pytest.raises(ReportError):
        read_report(tmp_path / "cell" / ".." / "report.json", 100, root=tmp_path / "cell")


def test_a_file_without_a_stated_size_is_still_bounded():
    """Files of /proc say that they are 0 bytes long and hold more: as a file that grows while it is read."""
    with pytest.raises(ReportError, match="too large"):
        read_report_file(Path("/proc/kallsyms"), 1000)
