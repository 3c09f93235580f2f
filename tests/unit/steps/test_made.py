"""A database that a scanner's command made in its pod, put onto the volume."""

import os
from pathlib import Path

import pytest

from orchestrator.steps.made import DEEPEST, put_on_volume
from orchestrator.upkeep.databases import DatabaseError


@pytest.fixture
def made(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "volume"
    folder.mkdir()
    return folder


def test_files_folders_and_links_are_as_they_were_made(made: Path, folder: Path) -> None:
    (made / "6").mkdir()
    (made / "6" / "vulnerability.db").write_bytes(b"x" * 3_000_000)
    (made / "6" / "run.sh").write_bytes(b"")
    (made / "6" / "run.sh").chmod(0o755)
    (made / "latest").symlink_to("6")
    (made / "away").symlink_to("/etc/passwd")
    os.utime(made / "6" / "vulnerability.db", (1, 2))
    assert put_on_volume(made, folder, "s", most=3_000_000) == 3_000_000
    database = folder / "6" / "vulnerability.db"
    assert database.read_bytes() == b"x" * 3_000_000
    assert database.stat().st_mtime == 2
    assert (folder / "6" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert {link: str((folder / link).readlink()) for link in ("latest", "away")} == {
        "latest": "6",
        "away": "/etc/passwd",
    }


def sparse(made: Path) -> None:
    with (made / "sparse").open("wb") as file:
        file.truncate(1 << 40)


def linked(made: Path) -> None:
    (made / "a").write_bytes(bytes(600))
    (made / "b").hardlink_to(made / "a")


def deep(made: Path) -> None:
    (made / "/".join("d" * (DEEPEST + 1))).mkdir(parents=True)
    (made / "/".join("d" * (DEEPEST + 1)) / "f").touch()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda made: (made / "f").write_bytes(bytes(1001)), r"more than 1000 bytes \(limits\.databaseDisk\)"),
        (sparse, r"more than 1000 bytes \(limits\.databaseDisk\)"),
        (linked, r"more than 1000 bytes \(limits\.databaseDisk\)"),
        (lambda made: os.mkfifo(made / "f"), "neither file nor folder nor link"),
        (deep, f"more than {DEEPEST} deep"),
    ],
    ids=["large", "sparse", "linked", "pipe", "deep"],
)
def test_what_is_too_much_or_no_database_is_refused_and_nothing_of_it_stays(made, folder, make, words) -> None:
    make(made)
    with pytest.raises(DatabaseError, match=words):
        put_on_volume(made, folder, "s", most=1000)
    assert not folder.exists()


def test_without_a_limit_anything_goes(made: Path, folder: Path) -> None:
    linked(made)
    assert put_on_volume(made, folder, "s", most=0) == 1200
