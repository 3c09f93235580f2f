"""When a database is used without asking anybody for a newer one."""

import errno
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from orchestrator.model import Database, DatabaseFetch, Scan
from orchestrator.steps.fetching import Reach, fetch
from orchestrator.steps.refresh import refresh, start_command
from orchestrator.upkeep.databases import DatabaseError, current, pin
from orchestrator.upkeep.reuse import due, recipe_of, usable
from orchestrator.upkeep.versions import damage, read_facts
from orchestrator.volume.layout import Volume

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "volume")


def scan(*command, **more):
    command = command or ("sh", "-c", 'echo x >> "$1/db.ndb"', "sh", "{database}")
    return Scan("virus", "clamav:1", ("clamscan",), "clamav", timeout=60,
                database=Database(refresh=command, **more))  # fmt: skip


def full(_):
    raise OSError(errno.ENOSPC, "No space left on device")


class Runner:
    """Really runs the command, and counts."""

    def __init__(self):
        self.runs = 0

    def __call__(self, one, folder, fetched):
        self.runs += 1
        subprocess.run([part.replace("{database}", str(folder)) for part in one.database.refresh], check=True)


@pytest.fixture
def runner():
    return Runner()


@pytest.mark.parametrize(
    ("age", "more", "runs"),
    [
        (timedelta(hours=23), {}, 1),
        (timedelta(hours=24), {}, 2),
        (HOUR, {"max_age": 1800}, 2),
        (timedelta(days=6), {"max_age": 7 * 86400}, 1),
        (timedelta(0), {"max_age": 0}, 2),
        (timedelta(days=400), {"update": False}, 1),
    ],
)
def test_by_age(volume, runner, age, more, runs):
    made = refresh(scan(), volume, runner=runner, now=NOW)
    state = refresh(scan(**more), volume, runner=runner, now=NOW + age)
    assert runner.runs == runs
    assert not state.error
    assert (state.version == made.version) == (runs == 1) == (not state.refreshed)


@pytest.mark.parametrize(
    ("ahead", "runs"), [(timedelta(minutes=3), 1), (timedelta(minutes=10), 2), (timedelta(days=4000), 2)]
)
def test_a_version_from_the_future_is_not_young_for_years(volume, runner, ahead, runs):
    refresh(scan(), volume, runner=runner, now=NOW + ahead)
    state = refresh(scan(), volume, runner=runner, now=NOW)
    assert runner.runs == runs
    assert current(volume, "virus") == state.version


def test_a_version_from_the_future_goes_once_it_was_replaced_twice(volume, runner):
    wrong = refresh(scan(), volume, runner=runner, now=NOW + timedelta(days=4000)).version
    folder = volume.databases("virus")
    refresh(scan(max_age=0), volume, runner=runner, now=NOW)
    assert (folder / wrong).is_dir()
    refresh(scan(max_age=0), volume, runner=runner, now=NOW + HOUR)
    assert not (folder / wrong).exists()


def test_a_version_from_the_future_stays_while_a_cell_uses_it(volume, runner):
    wrong = refresh(scan(), volume, runner=runner, now=NOW + timedelta(days=4000)).version
    pin(volume, "run-1", "target-1", "virus")
    for hours in range(3):
        refresh(scan(max_age=0), volume, runner=runner, now=NOW + hours * HOUR)
    assert (volume.databases("virus") / wrong).is_dir()


@pytest.mark.parametrize("change", ["cut", "gone", "empty", "facts"])
def test_a_half_written_version_is_not_used(volume, runner, change):
    version = refresh(scan(), volume, runner=runner, now=NOW).version
    file = volume.databases("virus") / version / "db.ndb"
    if change == "gone":
        file.unlink()
    elif change == "facts":
        file.with_name(".scanmatrix.json").unlink()
    else:
        file.chmod(0o644)
        file.write_bytes(b"" if change == "empty" else b"x")
    with nullcontext() if change == "facts" else pytest.raises(DatabaseError, match="damaged"):
        pin(volume, "run-1", "target-1", "virus")
    state = refresh(scan(), volume, runner=runner, now=NOW + HOUR)
    assert (runner.runs, state.error) == (2, "")
    assert damage(volume.databases("virus") / state.version) == ""


def test_a_failed_refresh_does_not_fall_back_to_a_damaged_version(volume, runner):
    version = refresh(scan(), volume, runner=runner, now=NOW).version
    (volume.databases("virus") / version / "db.ndb").unlink()
    state = refresh(scan("true"), volume, runner=runner, now=NOW + HOUR)
    assert state.version == ""
    assert "virus" in state.error


def test_nothing_may_be_downloaded_and_nothing_is_there(volume, runner):
    state = refresh(scan(update=False), volume, runner=runner, now=NOW)
    assert (runner.runs, state.version) == (0, "")
    assert "--skip-db-update" in state.error
    assert "databases.paths.virus" in state.error
    with pytest.raises(DatabaseError, match="skip-db-update"):
        pin(volume, "run-1", "target-1", "virus", downloads=False)


def test_nothing_may_be_downloaded_and_what_is_there_is_damaged(volume, runner):
    version = refresh(scan(), volume, runner=runner, now=NOW).version
    (volume.databases("virus") / version / "db.ndb").unlink()
    state = refresh(scan(update=False), volume, runner=runner, now=NOW)
    assert (runner.runs, state.version) == (1, "")
    assert "db.ndb is missing" in state.error


def test_another_question_is_asked_at_once(volume, runner):
    refresh(scan(), volume, runner=runner, now=NOW)
    other = scan("cp", "/etc/hostname", "{database}/db.ndb")
    assert usable(other, volume, NOW) == ""
    assert usable(replace(scan(), image="clamav:2"), volume, NOW) == ""
    assert usable(scan(timeout=5, max_age=99999), volume, NOW) == "20250601T120000Z"


def test_how_long_it_is_used_makes_no_other_database(volume):
    fetch = DatabaseFetch("grype", {"url": "https://a.example"}, given_by={"url": "scans.parameters.x.y"})
    one = replace(scan(), database=Database(fetch=fetch))
    other = replace(scan(), database=Database(fetch=replace(fetch, given_by={}), max_age=5, update=False))
    assert recipe_of(one) == recipe_of(other)


def test_only_what_is_due(volume, runner):
    built_in = Scan("root-user", "own:1", ("check",), "scanmatrix")
    assert due([scan(), built_in], volume) == ("virus",)
    refresh(scan(), volume, runner=runner)
    assert due([scan(), built_in], volume) == ()
    assert due([scan(max_age=0)], volume) == ("virus",)
    assert due([scan(max_age=0, update=False)], volume) == ()
    own = replace(scan(), database=Database(fetch=DatabaseFetch("folder", {"path": "/x"}), update=False))
    assert due([own], volume) == ("virus",)


def test_two_runs_at_once_make_one_version(volume, runner):
    barrier = threading.Barrier(2)

    def one(_):
        barrier.wait()
        return refresh(scan(), volume, runner=runner, now=NOW)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(one, range(2))
    assert runner.runs == 1
    assert first.version == second.version


def test_a_command_continues_a_copy_of_the_last_version(volume, runner):
    more = {"max_age": 0, "incremental": True}
    first = refresh(scan(**more), volume, runner=runner, now=NOW).version
    second = refresh(scan(**more), volume, runner=runner, now=NOW + HOUR).version
    folder = volume.databases("virus")
    assert (folder / first / "db.ndb").read_text() == "x\n"
    assert (folder / second / "db.ndb").read_text() == "x\nx\n"
    facts = read_facts(folder / second)
    assert facts is not None
    assert facts.sizes == {"db.ndb": 4}


def test_a_command_may_leave_links_which_lead_nowhere_of_ours(volume, runner, tmp_path):
    other = tmp_path / "private"
    other.write_text("x")
    other.chmod(0o600)
    said = 'cd "$1"; test -e v1/db || { mkdir v1; echo x > v1/db; ln -s v1 latest; ln -s "$2" away; ln -s no none; }'
    one = scan("sh", "-c", said, "sh", "{database}", str(other), max_age=0, incremental=True)
    for hours in range(2):  # the second time it has nothing to do
        state = refresh(one, volume, runner=runner, now=NOW + hours * HOUR)
        assert state.error == ""
        made = volume.databases("virus") / state.version
        assert {each.name: str(each.readlink()) for each in made.iterdir() if each.is_symlink()} == {
            "latest": "v1",
            "away": str(other),
            "none": "no",
        }
        assert (made / "latest" / "db").read_text() == "x\n"
    assert other.stat().st_mode & 0o777 == 0o600


def test_a_pipe_is_no_database(volume, runner):
    state = refresh(scan("sh", "-c", 'cd "$1"; echo x > db; mkfifo pipe', "sh", "{database}"), volume, runner=runner)
    assert "holds devices" in state.error
    assert current(volume, "virus") == ""


def test_a_folder_that_has_not_changed_leaves_nothing_behind(volume, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "db").write_text("x")
    one = of_folder(own)
    made = [fetch(one, volume, f"run-{number}", reach=Reach()) for number in range(3)]
    assert made[1:] == made[:1] * 2
    assert {each.name for each in volume.databases("virus").iterdir()} - {".lock"} == {made[0], "current"}


def of_folder(own):
    return replace(scan(), database=Database(fetch=DatabaseFetch("folder", {"path": str(own)})))


def test_a_folder_that_cannot_be_read_is_named_and_the_version_from_before_stays(volume, runner, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "a").write_text("x")
    (own / "b").write_text("x")
    first = refresh(of_folder(own), volume, runner=runner).version
    (own / "a").write_text("xx")

    def remove():  # asked for while the first is copied
        (own / "b").unlink(missing_ok=True)
        return ""

    state = refresh(of_folder(own), volume, runner=runner, reach=Reach(stopped=remove))
    assert state.version == first
    assert f"{own}: b: cannot be read: No such file" in state.error


def test_on_a_full_volume_the_version_from_before_stays(volume, runner, tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    (own / "db").write_text("x")
    first = refresh(of_folder(own), volume, runner=runner).version
    (own / "db").write_text("xx")
    monkeypatch.setattr("orchestrator.databases.folder.os.fsync", full)
    state = refresh(of_folder(own), volume, runner=runner)
    assert state.version == first
    assert "No space left" in state.error


@pytest.mark.parametrize("why", ["another command", "damaged", "not wanted"])
def test_a_command_begins_with_an_empty_folder(volume, runner, why, tmp_path):
    version = refresh(scan(incremental=True), volume, runner=runner, now=NOW).version
    if why == "damaged":
        (volume.databases("virus") / version / "db.ndb").unlink()
    wanted = scan("true", incremental=True) if why == "another command" else scan(incremental=why == "damaged")
    assert start_command(wanted, volume, tmp_path) == 0


def test_what_a_command_writes_over_is_not_what_others_read(volume, runner):
    more = {"max_age": 0, "incremental": True}
    command = ("sh", "-c", 'echo $$ 1<> "$1/db.ndb"', "sh", "{database}")  # into the file that is there
    first = refresh(scan(*command, **more), volume, runner=runner, now=NOW).version
    before = (volume.databases("virus") / first / "db.ndb").read_bytes()
    second = refresh(scan(*command, **more), volume, runner=runner, now=NOW + HOUR).version
    assert (volume.databases("virus") / first / "db.ndb").read_bytes() == before
    assert (volume.databases("virus") / second / "db.ndb").read_bytes() != before
