import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from orchestrator.errors import PermanentError, TemporaryError
from orchestrator.model import CellRecord, Database, DatabaseFetch, Scan
from orchestrator.model.documents import encode
from orchestrator.steps import refresh as refreshing
from orchestrator.steps.refresh import refresh
from orchestrator.upkeep import databases as database
from orchestrator.upkeep.databases import DatabaseError, commit, current, pin, pinned, prepare
from orchestrator.volume.layout import Volume, VolumeError

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
SHORT = timedelta(minutes=30)
STARTED = "2025-06-01T12:00:00Z"
SIGNATURE = "scanmatrix.test.Sample:0:*:58354f2150\n"


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    """Its refresh copies a ClamAV signature file, as a mirror would hand one out."""
    mirror = tmp_path / "mirror.ndb"
    mirror.write_text(SIGNATURE)
    return with_refresh("cp", str(mirror), "{database}/scanmatrix.ndb")


def with_refresh(*command: str) -> Scan:
    return Scan(name="virus", image="clamav:1", command=("clamscan",), format="clamav", timeout=60,
                database=Database(refresh=command, max_age=0))  # fmt: skip


def run(scan: Scan, folder: Path, fetched: Path | None = None) -> None:
    """A runner as an engine has it: really starts the command."""
    assert scan.database
    command = [part.replace("{database}", str(folder)) for part in scan.database.refresh]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (subprocess.CalledProcessError, OSError) as error:
        raise PermanentError(f"refresh of {scan.name}: {getattr(error, 'stderr', '') or error}") from error


def files(volume: Volume) -> set[str]:
    """Names in the scan's folder that are no locks."""
    return {path.name for path in volume.databases("virus").iterdir() if not path.name.endswith(".lock")}


def test_a_refresh_makes_a_version_and_the_next_one_replaces_it(volume, scan):
    assert current(volume, "virus") == ""
    first = refresh(scan, volume, runner=run, now=NOW)
    assert (first.version, first.refreshed, first.error) == ("20250601T120000Z", True, "")
    second = refresh(scan, volume, runner=run, now=NOW + timedelta(hours=1))
    assert current(volume, "virus") == second.version == "20250601T130000Z"
    assert files(volume) == {first.version, second.version, "current"}
    assert (volume.databases("virus") / "current" / "scanmatrix.ndb").read_text() == SIGNATURE


def test_two_versions_of_one_second_have_two_names(volume, scan):
    first, second = (refresh(scan, volume, runner=run, now=NOW) for _ in range(2))
    assert first.version != second.version
    assert current(volume, "virus") == second.version


@pytest.mark.parametrize("command", [("false",), ("/nonexistent/freshclam",), ("true",), ("touch", "{database}/empty")])
def test_a_failed_refresh_keeps_the_version_from_before(volume, scan, command):
    before = refresh(scan, volume, runner=run, now=NOW)
    state = refresh(with_refresh(*command), volume, runner=run, now=NOW + timedelta(hours=1))
    assert (state.version, state.refreshed) == (before.version, False)
    assert "virus" in state.error
    assert files(volume) == {before.version, "current"}


def test_a_failed_first_refresh_leaves_none(volume):
    state = refresh(with_refresh("false"), volume, runner=run)
    assert (state.version, state.refreshed) == ("", False)
    assert state.error
    assert files(volume) == set()
    with pytest.raises(DatabaseError, match="virus"):
        pin(volume, "run-1", "target-1", "virus")


def test_a_temporary_failure_keeps_the_version_too(volume, scan):
    def busy(_: Scan, folder: Path, fetched: Path | None) -> None:
        (folder / "half").write_text("x")
        raise TemporaryError("the mirror is busy")

    assert refresh(scan, volume, runner=busy).error == "database of virus: the mirror is busy"
    assert files(volume) == set()


def test_an_interrupt_leaves_nothing_half_made(volume, scan):
    def interrupted(_: Scan, folder: Path, fetched: Path | None) -> None:
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refresh(scan, volume, runner=interrupted)
    assert files(volume) == set()


def test_a_symbolic_link_to_something_is_no_content(volume, tmp_path):
    (tmp_path / "passwd").write_text("x")
    state = refresh(with_refresh("ln", "-s", str(tmp_path / "passwd"), "{database}/link"), volume, runner=run)
    assert not state.refreshed


def test_who_waits_for_another_refresh_takes_its_version(volume, scan, monkeypatch):
    asked = []
    both_wait = threading.Event()

    def counted(*arguments: object) -> str:
        found = current(*arguments)
        asked.append(threading.get_ident())
        if len(set(asked)) == 2:
            both_wait.set()
        return found

    calls = []

    def slow(one: Scan, folder: Path, fetched: Path | None) -> None:
        calls.append(folder)
        assert both_wait.wait(10)
        run(one, folder)

    monkeypatch.setattr(refreshing, "current", counted)
    with ThreadPoolExecutor(2) as pool:
        states = list(pool.map(lambda _: refresh(scan, volume, runner=slow), range(2)))
    assert len(calls) == 1
    assert states[0] == states[1]
    assert states[0].refreshed


def test_commits_at_once_each_make_a_whole_version(volume):
    barrier = threading.Barrier(4)

    def work(number: int) -> str:
        (prepare(volume, "virus", f"key-{number}") / "main.cvd").write_text(str(number))
        barrier.wait(10)
        return commit(volume, "virus", f"key-{number}", longest=SHORT, now=NOW)

    with ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(work, range(4)))
    folder = volume.databases("virus")
    assert files(volume) == {*versions, "current"}
    assert [(folder / version / "main.cvd").read_text() for version in versions] == ["0", "1", "2", "3"]


def test_a_refresh_with_the_key_of_one_cut_off_begins_again(volume):
    (prepare(volume, "virus", "run-1") / "half").write_text("x")
    folder = prepare(volume, "virus", "run-1")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("key", ["", "../x", "a/b", ".", "{{workflow.name}}"])
def test_a_key_cannot_leave_the_folder(volume, key):
    with pytest.raises(PermanentError):
        prepare(volume, "virus", key)


def commit_at(volume: Volume, moment: datetime) -> str:
    (prepare(volume, "virus", "key") / "main.cvd").write_text("x")
    return commit(volume, "virus", "key", longest=SHORT, now=moment)


def test_versions_go_once_no_cell_can_have_them_and_not_before(volume):
    first = commit_at(volume, NOW)
    second = commit_at(volume, NOW + timedelta(days=10))
    limit = NOW + timedelta(days=10) + database.MARGIN + SHORT
    third = commit_at(volume, limit)
    assert files(volume) == {first, second, third, "current"}
    fourth = commit_at(volume, limit + timedelta(seconds=1))
    assert files(volume) == {second, third, fourth, "current"}


def test_a_version_that_a_pending_cell_was_given_stays_however_old_it_is(volume):
    first = commit_at(volume, NOW)
    for target in ("a", "b", "c", "d", "e"):
        pin(volume, "run-1", target, "virus")
        write_record(volume, target, CellRecord(attempts=1, started=STARTED, finished=STARTED, error="exit code 2"))
    second = commit_at(volume, NOW + timedelta(days=10))
    write_record(volume, "d", CellRecord(attempts=2, started=STARTED))
    commit_at(volume, NOW + timedelta(days=20))
    assert first in files(volume)
    write_record(volume, "d", CellRecord(attempts=2, started=STARTED, finished=STARTED, exit_code=0))
    fourth = commit_at(volume, NOW + timedelta(days=30))
    assert first not in files(volume)
    assert {fourth, "current"} < files(volume)
    assert second not in files(volume)


def test_a_cell_whose_run_has_its_ledger_or_that_was_cut_off_long_ago_holds_nothing(volume):
    first = commit_at(volume, NOW)
    pin(volume, "run-1", "a", "virus")
    pin(volume, "run-2", "a", "virus")
    write_record(volume, "a", CellRecord(attempts=1, started=STARTED))
    long_ago = time.time() - database.HELD.total_seconds() - 60
    os.utime(pinned(volume, "run-2", "a", "virus"), (long_ago, long_ago), follow_symlinks=False)
    commit_at(volume, NOW + timedelta(days=10))
    commit_at(volume, NOW + timedelta(days=20))
    assert first in files(volume)
    volume.results("run-1").mkdir(parents=True)
    (volume.results("run-1") / "ledger.json").write_text("{}")
    commit_at(volume, NOW + timedelta(days=30))
    assert first not in files(volume)


def write_record(volume: Volume, target: str, record: CellRecord) -> None:
    path = volume.record("run-1", target, "virus")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(record))


COMMIT = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from orchestrator.upkeep.databases import commit, current, pin, prepare
from orchestrator.volume.layout import Volume

volume, key = Volume(Path(sys.argv[1])), sys.argv[2]
(prepare(volume, "virus", key) / "main.cvd").write_text(key)
sys.stdin.readline()
for number in range(20):
    now = datetime(2025, 6, 1, 12, 0, number, tzinfo=UTC)
    (prepare(volume, "virus", key) / "main.cvd").write_text(f"{key} {number}")
    print(commit(volume, "virus", key, longest=timedelta(minutes=30), now=now))
    # A cell is given what is current, whichever run made it; it must be there and whole.
    pin(volume, f"run-{key}", "a", "virus")
    assert len((volume.root / "runs" / f"run-{key}" / "a" / "virus.database" / "main.cvd").read_text().split()) == 2
"""


@pytest.mark.parametrize("locks", [True, False])
def test_runs_at_once_commit_in_the_same_seconds_and_take_nothing_from_each_other(volume, locks):
    """Real processes; on a filesystem without locks, too."""
    program = COMMIT if locks else f"import fcntl\nfcntl.flock = lambda *_: None\n{COMMIT}"
    command = [sys.executable, "-c", program, volume.root]
    processes = [
        subprocess.Popen([*command, f"{number}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(3)
    ]
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    versions = [version for answer in answers for version in answer]
    assert len(set(versions)) == 60
    assert {version[:16] for version in versions} == {f"20250601T1200{second:02}Z" for second in range(20)}
    assert files(volume) == {*versions, "current"}
    assert current(volume, "virus") in {answer[-1] for answer in answers}


def test_the_tenth_version_of_a_second_is_newer_than_the_second(volume):
    made = [commit_at(volume, NOW) for _ in range(12)]
    later = commit_at(volume, NOW + timedelta(days=1))
    newest = commit_at(volume, NOW + timedelta(days=9))
    assert files(volume) == {later, newest, "current"}
    assert len(set(made)) == 12


def test_a_folder_that_somebody_else_put_there_stays(volume):
    (volume.databases("virus") / "by-hand").mkdir(parents=True)
    commit_at(volume, NOW)
    commit_at(volume, NOW + timedelta(days=99))
    assert "by-hand" in files(volume)


def test_what_a_refresh_left_that_was_cut_off_goes_in_the_end(volume):
    left = prepare(volume, "virus", "old")
    work = left.with_name(".refresh-old")
    work.mkdir()
    for each in (left, work):
        os.utime(each, (0, 0))
    prepare(volume, "virus", "running")
    commit_at(volume, datetime.now(UTC))
    assert ".incoming-old" not in files(volume)
    assert ".refresh-old" not in files(volume)
    assert ".incoming-running" in files(volume)


def test_what_a_scanner_failed_to_load_goes_though_no_version_is_ever_made(volume, scan, tmp_path):
    nowhere = DatabaseFetch(kind="folder", settings={"path": str(tmp_path / "nowhere")})
    fetches = msgspec.structs.replace(scan, database=Database(fetch=nowhere, max_age=0))
    folder = volume.databases("virus")
    for name in (".fetched-old", ".fetched-retried"):
        (folder / name).mkdir(parents=True)
    os.utime(folder / ".fetched-old", (0, 0))
    assert "there is no such folder" in refresh(fetches, volume, runner=run).error
    assert files(volume) == {".fetched-retried"}


def test_a_cell_keeps_the_version_it_was_given(volume, scan):
    first = refresh(scan, volume, runner=run, now=NOW).version
    assert pin(volume, "run-1", "target-1", "virus") == first
    second = refresh(scan, volume, runner=run, now=NOW + timedelta(hours=1)).version
    link = pinned(volume, "run-1", "target-1", "virus")
    assert link.resolve() == volume.databases("virus") / first
    assert not link.is_relative_to(volume.cell("run-1", "target-1", "virus"))
    assert pin(volume, "run-1", "target-1", "virus") == second
    assert link.resolve() == volume.databases("virus") / second


def test_the_link_of_a_cell_holds_wherever_the_volume_is_mounted(volume, scan, tmp_path):
    refresh(scan, volume, runner=run)
    pin(volume, "run-1", "target-1", "virus")
    moved = Volume(volume.root.rename(tmp_path / "elsewhere"))
    assert (pinned(moved, "run-1", "target-1", "virus") / "scanmatrix.ndb").read_text() == SIGNATURE


def test_a_current_that_leads_nowhere_or_elsewhere_is_none(volume, tmp_path):
    folder = volume.databases("virus")
    folder.mkdir(parents=True)
    (folder / "current").symlink_to("gone")
    assert current(volume, "virus") == ""
    (folder / "current").unlink()
    (folder / "current").symlink_to(tmp_path)
    assert current(volume, "virus") == ""


def test_a_scan_name_cannot_leave_the_volume(volume):
    scan = msgspec.structs.replace(with_refresh("true"), name="../..")
    with pytest.raises(VolumeError):
        refresh(scan, volume, runner=run)
