"""Built-in scans in the engine's own process: the same result, and an end whenever there is a reason for one."""

import io
import json
import tarfile
import threading

import pytest

from orchestrator.argo.agreed import Exit
from orchestrator.engines.local import own
from orchestrator.engines.local.own import ISOLATION, run_here
from orchestrator.engines.local.process import Ended, Job
from tests.tools import samples
from tests.tools.images import Image, layer_of_tar
from tests.unit.tarballs import write_tarball


@pytest.fixture
def tarball(tmp_path):
    return write_tarball(tmp_path / "image.tar", samples.system())


def command(tarball, name="distroless", *more):
    return ("scanmatrix-step", "check", name, f"--tarball={tarball}", f"--report={tarball.parent / 'r.json'}", *more)


def job(tarball, timeout=60.0):
    return Job(
        argv=(),
        folder=tarball.parent,
        environment={},
        report=tarball.parent / "r.json",
        report_limit=1,
        timeout=timeout,
    )


def run(tarball, *words, stopped=lambda: "", timeout=60.0):
    return run_here(words or command(tarball), tarball, job(tarball, timeout), stopped)


def test_it_writes_the_report(tarball):
    ended = run(tarball)
    assert (ended.error, ended.exit_code, ended.isolation) == ("", 0, ISOLATION)
    assert json.loads((tarball.parent / "r.json").read_bytes())["findings"]
    assert {thread.name for thread in threading.enumerate()} >= {"MainThread"}


@pytest.mark.parametrize(
    ("stopped", "timeout", "error"),
    [(lambda: "the run was cancelled", 60.0, "the run was cancelled"), (lambda: "", -1.0, "timed out after -1 s")],
)
def test_it_ends_while_it_reads_where_there_is_a_reason(tarball, stopped, timeout, error):
    ended = run(tarball, stopped=stopped, timeout=timeout)
    assert ended.error.startswith(error)
    assert not ended.temporary
    assert not (tarball.parent / "r.json").exists()


@pytest.mark.parametrize("limit", ["LARGEST", "MOST_UNFOLDED"])
def test_a_large_image_gets_a_process(tarball, monkeypatch, limit):
    monkeypatch.setattr(own, limit, 100)
    assert run(tarball) is None
    assert not (tarball.parent / "r.json").exists()


def deep(tmp_path, paths):
    """An image of a few kilobytes: each path makes a folder of each of its 3000 parts."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for number in range(paths):
            tar.addfile(tarfile.TarInfo(f"{number}/" + "/".join(["a"] * 3000)))
    return write_tarball(tmp_path / "image.tar", Image.build([layer_of_tar(data.getvalue())], user="65532"))


def test_a_small_image_with_many_names_gets_a_process(tmp_path, monkeypatch):
    tarball = deep(tmp_path, 10)
    assert run(tarball) == Ended(exit_code=0, log="distroless: 0 findings", isolation=ISOLATION)
    monkeypatch.setattr(own, "MOST_UNFOLDED", 16 * 1024**2)
    assert run(tarball) is None


def test_a_small_image_that_takes_long_gets_a_process(tarball, monkeypatch):
    monkeypatch.setattr(own, "LONGEST", -1.0)
    assert run(tarball) is None
    assert run(tarball, timeout=-1.0).error.startswith("timed out")


def test_any_other_command_gets_a_process(tarball):
    assert run(tarball, "trivy", "image") is None
    assert run(tarball, "scanmatrix-step", "evict", "--run=r") is None


def test_a_command_that_is_wrong_gets_a_process_that_says_so(tarball, capsys):
    assert run(tarball, "scanmatrix-step", "check") is None


def test_a_damaged_image_fails_the_cell_with_words(tarball):
    data = bytearray(tarball.read_bytes())
    data[-2000:-1000] = bytes(1000)
    tarball.write_bytes(data[:-512])
    ended = run(tarball)
    assert "image.tar" in ended.error
    assert (ended.exit_code, ended.isolation) == (1, ISOLATION)


def test_wrong_use_fails_the_cell(tarball):
    ended = run(tarball, *command(tarball, "nothing"))
    assert "there is no built-in scan 'nothing'" in ended.error
    assert not ended.temporary
    assert ended.exit_code == Exit.USAGE


def test_a_volume_that_fails_is_worth_another_attempt(tarball):
    ended = run(tarball, *command(tarball)[:-1], f"--report={tarball.parent}")
    assert "the volume failed" in ended.error
    assert (ended.exit_code, ended.temporary) == (Exit.TEMPORARY, True)
