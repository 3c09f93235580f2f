"""A local run is cancelled by anybody who reaches its volume, and no other run of the same process with it."""

import threading

import pytest

from orchestrator.engines.local import lock as module
from orchestrator.engines.local.lock import cancel_run, heeding_cancel, locked
from orchestrator.errors import UsageError
from orchestrator.volume.layout import CANCEL


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(module, "_LISTEN", 0.02)


def test_one_run_of_a_process_is_ended_and_no_other(tmp_path):
    one, two, interrupted = tmp_path / "one", tmp_path / "two", {"one": threading.Event(), "two": threading.Event()}
    with (
        locked(one, "one"), heeding_cancel(one, interrupted["one"].set),
        locked(two, "two"), heeding_cancel(two, interrupted["two"].set),
    ):  # fmt: skip
        assert "process " in cancel_run(one, "one")
        assert interrupted["one"].wait(30)
        assert not interrupted["two"].wait(0.2)
    assert not (one / CANCEL).exists()


def test_a_wish_that_nobody_heard_is_not_heard_by_the_next_call(tmp_path):
    (tmp_path / CANCEL).touch()
    interrupted = threading.Event()
    with locked(tmp_path, "one"), heeding_cancel(tmp_path, interrupted.set):
        assert not interrupted.wait(0.2)


def test_nobody_is_at_work(tmp_path):
    for _ in range(2):
        with pytest.raises(UsageError, match="not running"):
            cancel_run(tmp_path, "one")
        with locked(tmp_path, "one"):
            pass
    assert not (tmp_path / CANCEL).exists()


def test_who_does_not_hear_is_said(tmp_path):
    with locked(tmp_path, "one"), pytest.raises(UsageError, match=r"has not heard within 0\.2 s"):
        cancel_run(tmp_path, "one", patience=0.2)
    assert not (tmp_path / CANCEL).exists()


def test_a_run_that_ends_by_itself_meanwhile_is_no_error(tmp_path):
    held = threading.Event()

    def work():
        with locked(tmp_path, "one"):
            held.set()
            threading.Event().wait(0.3)

    thread = threading.Thread(target=work)
    thread.start()
    assert held.wait(30)
    assert cancel_run(tmp_path, "one")
    thread.join()
