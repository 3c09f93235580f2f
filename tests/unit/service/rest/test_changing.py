"""A service ends once its configuration is another one that can be used, and is started again with that."""

import threading
import time

import pytest

from orchestrator.service.rest.changing import digest_of_files, end_when_changed


@pytest.fixture
def watched(tmp_path):
    """The configuration, and an event for the end, which a thread waits for."""
    path, ended, stop = tmp_path / "scanmatrix.yaml", threading.Event(), threading.Event()
    path.write_text("rescanAfter: 7d\n")
    thread = threading.Thread(
        target=end_when_changed,
        args=(path, digest_of_files(path), ended.set, stop),
        kwargs={"pause": 0.05, "spread": 0.0},
    )
    thread.start()
    yield path, ended
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_the_same_again_is_no_change_and_another_is(watched):
    path, ended = watched
    path.write_text("rescanAfter: 7d\n")
    assert not ended.wait(0.4)
    path.write_text("rescanAfter: 8d\n")
    assert ended.wait(60)


def test_what_cannot_be_used_is_said_once_and_the_one_before_stays(watched, caplog):
    path, ended = watched
    path.write_text("rescanAftr: 8d\n")
    end = time.monotonic() + 60
    while "the one before stays" not in caplog.text and time.monotonic() < end:
        assert not ended.wait(0.05)
    assert not ended.wait(0.4)
    assert len([each for each in caplog.messages if "the one before stays" in each]) == 1
    path.write_text("rescanAfter: 7d\n")  # as it was
    assert not ended.wait(0.4)
    path.write_text("rescanAfter: 9d\n")
    assert ended.wait(60)


def test_files_beside_it_count_too(watched):
    path, ended = watched
    (path.parent / ".hidden").write_text("x")
    assert not ended.wait(0.4)
    (path.parent / "targets.csv").write_text("image\n")
    assert ended.wait(60)
