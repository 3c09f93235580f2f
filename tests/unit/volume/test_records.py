"""Records of cells: what each means, and how they are written."""

import os
import re
from pathlib import Path

import pytest

from orchestrator.model import CellRecord
from orchestrator.model.endings import RecordState
from orchestrator.volume.layout import Volume
from orchestrator.volume.records import Records

MOMENT = "2025-03-01T10:00:00Z"


@pytest.fixture
def records(tmp_path):
    return Records(Volume(tmp_path), "run-1")


@pytest.mark.parametrize(
    ("record", "state", "reason"),
    [
        (CellRecord(attempts=1, started=MOMENT), RecordState.BEGUN, ""),
        (CellRecord(attempts=1, started=MOMENT, exit_code=0), RecordState.BEGUN, ""),
        (CellRecord(attempts=1, started=MOMENT, finished=MOMENT, exit_code=0), RecordState.ENDED, ""),
        (CellRecord(attempts=1, started=MOMENT, finished=MOMENT, exit_code=3), RecordState.ENDED, ""),
        (CellRecord(attempts=1, started=MOMENT, finished=MOMENT, exit_code=137), RecordState.FAILED, "exit code 137"),
        (CellRecord(error="pull: no such manifest", finished=MOMENT), RecordState.FAILED, "pull: no such manifest"),
        (CellRecord(error="pull: no such manifest"), RecordState.FAILED, "pull: no such manifest"),
    ],
)
def test_what_a_record_says(records, record, state, reason):
    records.write("a", "virus", record)
    found = records.look("a", "virus", (0, 3))
    assert (found.state, found.record) == (state, record)
    assert reason in found.reason
    assert bool(reason) == bool(found.reason)


def test_without_success_codes_an_exit_code_is_not_judged(records):
    records.write("a", "virus", CellRecord(attempts=1, finished=MOMENT, exit_code=137))
    assert records.look("a", "virus").state is RecordState.ENDED


def test_none_and_a_damaged_one(records, tmp_path):
    assert records.look("a", "virus") == (RecordState.NONE, CellRecord(), "")
    path = Volume(tmp_path).record("run-1", "a", "virus")
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"attempts": ')
    found = records.look("a", "virus")
    assert (found.state, found.record) == (RecordState.DAMAGED, CellRecord())
    assert str(path) in found.reason
    assert records.attempt("a", "virus").attempts == 1


def put_pipe(path):
    os.mkfifo(path)


def put_large(path):
    path.write_bytes(b'{"error": "' + b"x" * (1 << 20) + b'"}')


def put_deep(path):
    path.write_bytes(b"[" * 100_000)


@pytest.mark.parametrize(
    "put",
    [put_pipe, put_large, put_deep, Path.mkdir, lambda path: path.symlink_to(path), lambda path: path.write_bytes(b"")],
)
def test_whatever_lies_in_place_of_a_record_is_a_damaged_one(put, records, tmp_path):
    path = Volume(tmp_path).record("run-1", "a", "virus")
    path.parent.mkdir(parents=True)
    put(path)
    found = records.look("a", "virus")
    assert (found.state, found.record) == (RecordState.DAMAGED, CellRecord())
    assert str(path) in found.reason


def test_a_target_that_is_no_folder_or_no_name_has_a_damaged_record(records, tmp_path):
    path = Volume(tmp_path).run("run-1") / "a"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert records.look("a", "virus").state is RecordState.DAMAGED
    assert records.look("../a", "virus").state is RecordState.DAMAGED


def test_what_is_written_can_be_read_however_long_its_error_is(records):
    written = records.fail("a", "virus", "x" * (1 << 21))
    assert records.look("a", "virus").record == written


def test_a_further_attempt_keeps_the_count_and_the_first_begin_and_nothing_else(records):
    ended = CellRecord(attempts=2, started=MOMENT, finished=MOMENT, error="no", log="x", database_version="v")
    records.write("a", "virus", ended)
    assert records.attempt("a", "virus", image="i:1") == CellRecord(attempts=3, started=MOMENT, image="i:1")
    assert records.look("a", "virus").record == ended  # it is written when it has been staged


def test_a_failure_keeps_the_attempts_there_were(records):
    records.write("a", "virus", CellRecord(attempts=2, started=MOMENT, exit_code=0, log="x"))
    failed = records.fail("a", "virus", "no database")
    assert (failed.attempts, failed.started, failed.error, failed.exit_code, failed.log) == (
        2,
        MOMENT,
        "no database",
        None,
        "",
    )
    assert failed.finished
    assert records.look("a", "virus").record == failed


def test_a_record_of_an_earlier_version_is_read(records, tmp_path):
    path = Volume(tmp_path).record("run-1", "a", "virus")
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"attempts":1,"started":"2025-03-01T10:00:00Z","finished":"2025-03-01T10:00:05Z","exit_code":0}')
    assert records.look("a", "virus", (0,)).state is RecordState.ENDED


def test_no_other_module_asks_the_volume_for_the_file_of_a_record():
    source = Path(__file__).parents[3] / "orchestrator"
    found = {path.name for path in source.rglob("*.py") if re.search(r"volume\.record\(", path.read_text())}
    assert found == {"records.py"}
