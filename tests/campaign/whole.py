"""Whether each file under a final name is whole: it can be read to its end, and is what its name says.

Hidden names, and the folder of an attempt in which a scanner is just writing, are not final ones. A file that the
volume's documentation does not know is a complaint, too: nobody has looked whether it is whole.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sqlite3
import stat
import tarfile
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.model import CellRecord, Ledger, Plan
from orchestrator.model.documents import read
from orchestrator.upkeep.claims import RunClaim
from orchestrator.volume.layout import ATTEMPT, CHECKOUT
from orchestrator.volume.partial import STAMP

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.volume.layout import Volume


def half_written(volume: Volume) -> list[str]:
    """Files under final names that are not whole, and why."""
    found = []
    for path in final_files(volume.root):
        name = path.relative_to(volume.root).as_posix()
        kind = next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, name)), None)
        if kind is None:
            found.append(f"{name}: nothing is known of such a file")
            continue
        try:
            kind(path)
        except FileNotFoundError:  # of a run that is active beside ours
            continue
        except Exception as error:  # noqa: BLE001 - whatever it is, the file is not whole
            found.append(f"{name} is not whole: {type(error).__name__}: {error}")
    return found


def final_files(folder: Path) -> Iterator[Path]:
    """Regular files below a folder that are not hidden, nor in the folder of an attempt or an unpacked repository."""
    for path in sorted(folder.glob("*")):
        if path.name.startswith((".", ATTEMPT)) or path.name == CHECKOUT or path.is_symlink():
            continue
        if path.is_dir():
            yield from final_files(path)
        elif path.is_file():
            yield path


def tarball(path: Path) -> None:
    """An image's: finished, never written to since, each blob what its digest says, the image that of its name.

    Raises:
        ValueError: it is not.
    """
    status = path.stat()
    if status.st_mtime_ns != STAMP or stat.S_IMODE(status.st_mode) & 0o222:
        raise ValueError("it was written to since it was finished")
    with tarfile.open(path) as tar:
        members = {member.name: member for member in tar}
        blobs = [name for name in members if name.startswith("blobs/sha256/") and members[name].isfile()]
        for name in blobs:
            file = tar.extractfile(members[name])
            assert file is not None
            with file:
                if hashlib.file_digest(file, "sha256").hexdigest() != name.rpartition("/")[2]:
                    raise ValueError(f"{name} has another digest")
        index = tar.extractfile(members["index.json"])
        assert index is not None
        digests = {each["digest"].replace(":", "-", 1) for each in json.load(index)["manifests"]}
    named = path.stem if path.parent.name == "blobs" else next(iter(digests))
    if named not in digests or not blobs:
        raise ValueError(f"it holds {digests}")


def _repository(path: Path) -> None:
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile():
                tar.extractfile(member).read()  # type: ignore[union-attr]


def _html(path: Path) -> None:
    if not path.read_text().rstrip().endswith("</html>"):
        raise ValueError("it has no end")


def _text(path: Path) -> None:
    if not path.read_text().endswith("\n"):
        raise ValueError("its last line has no end")


def _csv(path: Path) -> None:
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    if any(len(row) != len(header) for row in rows):
        raise ValueError("a row has not as many columns as its header")
    _text(path)


def _parquet(path: Path) -> None:
    import pyarrow.parquet  # noqa: PLC0415 - as the project does

    pyarrow.parquet.read_table(path).validate(full=True)


def _json(path: Path) -> None:
    json.loads(path.read_bytes())


def _moment(path: Path) -> None:
    datetime.fromisoformat(path.read_text().strip())


def _sqlite(path: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        said = store.execute("PRAGMA integrity_check").fetchone()
    if said != ("ok",):
        raise ValueError(said)


def _anything(path: Path) -> None:
    """What others write, or what is only a hint."""


def _document(kind: type) -> Callable[[Path], None]:
    def check(path: Path) -> None:
        read(path, kind)

    return check


_NAME = "[^/]+"
_KINDS: tuple[tuple[str, Callable[[Path], None]], ...] = (
    (rf"plans/{_NAME}\.json|plans/{_NAME}\.parts/\d+\.json", _document(Plan)),
    (rf"plans/{_NAME}\.parts/\d+\.ended", _anything),
    (rf"running/{_NAME}\.json", _document(RunClaim)),
    (rf"blobs/git-{_NAME}\.tar", _repository),
    (rf"blobs/{_NAME}\.tar|runs/{_NAME}/{_NAME}/{_NAME}/image\.tar", tarball),
    (rf"layers/{_NAME}|feeds/{_NAME}|databases/.*", _anything),
    (rf"runs/{_NAME}/{_NAME}/{_NAME}\.record\.json", _document(CellRecord)),
    (rf"runs/{_NAME}/{_NAME}/{_NAME}/.*", _anything),  # the scanner's; what counts is what the ledger makes of it
    (rf"results/{_NAME}/ledger\.json", _document(Ledger)),
    (rf"results/{_NAME}/(findings|merged)\.parquet", _parquet),
    (rf"results/{_NAME}/(findings|merged)\.csv", _csv),
    (rf"results/{_NAME}/bom\.cdx\.json|results/{_NAME}/notifications/{_NAME}\.json|ages/{_NAME}\.json", _json),
    (rf"results/{_NAME}/report\.html", _html),
    (rf"results/{_NAME}/summary\.md", _text),
    (rf"suppression/first-used/{_NAME}", _moment),
    (r"store\.sqlite3", _sqlite),
    (r"store\.sqlite3-(wal|shm)", _anything),
)
