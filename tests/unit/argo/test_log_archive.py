"""Results as text: whole, or refused."""

import base64
import hashlib
import io
import random
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.argo.log_archive import FILES, ResultsBadError, ResultsCutOffError, pack, unpack
from orchestrator.errors import TemporaryError, UsageError
from orchestrator.steps.__main__ import main

CONTENT = {name: f"content of {name}\n".encode() * 50 for name in FILES} | {
    "findings.parquet": random.Random(1).randbytes(5000)
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("volume") / "results" / "run-1"
    folder.mkdir(parents=True)
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    (folder / "notes.txt").write_text("no result of ours")
    return folder


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_everything_arrives_and_the_ledger_last(results, tmp_path):
    assert unpack(pack(results), tmp_path / "here") == FILES
    assert FILES[-1] == "ledger.json"
    assert read(tmp_path / "here") == CONTENT


def test_lines_are_short_and_the_same_every_time(results):
    lines = list(pack(results))
    assert max(map(len, lines)) < 120
    assert lines == list(pack(results))


def test_one_file_alone(results, tmp_path):
    assert unpack(pack(results, ["summary.md"]), tmp_path) == ("summary.md",)
    assert read(tmp_path) == {"summary.md": CONTENT["summary.md"]}


def test_what_is_not_there_is_left_out(tmp_path):
    (tmp_path / "ledger.json").write_text("{}")
    assert unpack(pack(tmp_path), tmp_path / "here") == ("ledger.json",)


@pytest.mark.parametrize("names", [["../ledger.json"], ["notes.txt"], ["/etc/passwd", "ledger.json"]])
def test_a_file_that_is_no_result_is_refused(results, names):
    with pytest.raises(UsageError, match=r"ledger\.json"):
        list(pack(results, names))


def test_a_run_without_results_says_so(tmp_path):
    with pytest.raises(UsageError, match="has not ended"):
        list(pack(tmp_path / "none"))


def test_lines_of_others_around_and_in_between_do_no_harm(results, tmp_path):
    lines = list(pack(results))
    noise = 'time="2025-06-01T00:00:00Z" level=info msg="sub-process exited" argo=true'
    lines = ["starting", *lines[:3], noise, "", *lines[3:], noise]
    unpack((f"{line}\r\n" for line in lines), tmp_path / "here")
    assert read(tmp_path / "here") == CONTENT


@given(st.data())
def test_a_log_with_a_hole_is_refused_and_writes_nothing(results, tmp_path_factory, data):
    lines = list(pack(results))
    start = data.draw(st.integers(0, len(lines) - 1))
    end = data.draw(st.integers(start + 1, len(lines)))
    folder = tmp_path_factory.mktemp("here")
    with pytest.raises(ResultsCutOffError) as refused:
        unpack([*lines[:start], *lines[end:]], folder)
    assert isinstance(refused.value, TemporaryError)
    assert read(folder) == {}


def test_a_changed_character_is_noticed(results, tmp_path):
    lines = list(pack(results))
    lines[5] = lines[5].swapcase()
    with pytest.raises(ResultsCutOffError):
        unpack(lines, tmp_path)


@pytest.mark.parametrize("lines", [[], ["nothing", "here"]])
def test_no_results_at_all(lines, tmp_path):
    with pytest.raises(ResultsCutOffError):
        unpack(lines, tmp_path)


def wrap(data: bytes) -> list[str]:
    """Lines as a pod of somebody else's making might print them: their digest is right."""
    return [
        "-----BEGIN SCANMATRIX RESULTS-----",
        base64.b64encode(data).decode(),
        f"-----END SCANMATRIX RESULTS sha256:{hashlib.sha256(data).hexdigest()}-----",
    ]


def archive(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


def member(name: str, **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for key, value in ({"size": 3} | fields).items():
        setattr(made, key, value)
    return made


@pytest.mark.parametrize(
    "data",
    [
        archive(member("../../evil")),
        archive(member("/etc/evil")),
        archive(member("evil.sh")),
        archive(member("ledger.json", type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0)),
        archive(member("ledger.json", type=tarfile.LNKTYPE, linkname="summary.md", size=0)),
        archive(member("ledger.json", type=tarfile.DIRTYPE, size=0)),
        archive(member("ledger.json", type=tarfile.FIFOTYPE, size=0)),
        b"no archive",
        archive(member("ledger.json", size=100_000))[:-30],
    ],
    # Not the bytes themselves: gzip puts the time into them, and each process of the tests must know the same names.
    ids=["above", "absolute", "unknown", "symbolic link", "hard link", "folder", "pipe", "no archive", "cut off"],
)
def test_a_hostile_archive_is_refused(tmp_path, data):
    with pytest.raises(ResultsBadError):
        unpack(wrap(data), tmp_path / "here")
    assert not (tmp_path / "here" / "ledger.json").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"here"}


def test_a_file_that_unfolds_to_more_than_it_may_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("orchestrator.argo.log_archive._LIMIT", 1000)
    with pytest.raises(ResultsBadError):
        unpack(wrap(archive(member("ledger.json", size=1001))), tmp_path / "here")


def test_the_step_prints_what_another_machine_unpacks(results, tmp_path, capsys):
    volume = results.parents[1]
    assert main(["results", "--run", "run-1", "--file", "ledger.json", "--volume", str(volume)]) == 0
    unpack(capsys.readouterr().out.splitlines(), tmp_path)
    assert read(tmp_path) == {"ledger.json": CONTENT["ledger.json"]}
    assert main(["results", "--run", "run-2", "--volume", str(volume)]) == 2
    assert capsys.readouterr().out == ""
