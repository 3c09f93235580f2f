"""Chosen files of a repository: those that somebody lists, and no others, each from the first folder that has it.

Nothing of the repository is run or checked out, and no symbolic link is followed: a list that leads to one is refused,
and so is one that leads out of its folder. Of a host that can filter (git-clone(1), `--filter`) nothing else is
fetched.
"""

from __future__ import annotations

import logging
import os
import re
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from orchestrator.errors import PermanentError
from orchestrator.git.checkout import in_repository
from orchestrator.git.errors import SourceTooLargeError, SourceUnavailableError
from orchestrator.kit.quantities import spell_size
from orchestrator.kit.sources import MAX_BYTES
from orchestrator.repositories.bounds import RepositoryError, judge_path
from orchestrator.repositories.tree import File, contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from orchestrator.git.command import Git

_Found = TypeVar("_Found")

#: Files that may be listed, and that the folders among them may hold together.
MOST_FILES = 1000
#: Seconds that each call of git may take.
TIMEOUT = 120.0
#: Bytes for the names of all files of a commit.
_MOST_NAMES = 16 * 1024 * 1024
#: What git may have on disk beside the files: commits and trees; of a host that cannot filter, everything.
_BESIDE = 256 * 1024 * 1024
_LINK, _PROGRAM, _SUBMODULE = "120000", "100755", "160000"
_KINDS = {_LINK: "a symbolic link", _SUBMODULE: "a submodule"}
_log = logging.getLogger(__name__)


class ChosenFileError(PermanentError):
    """A file that is listed is not there, leads elsewhere, or is too large; the message names it."""


class WantedFiles(NamedTuple):
    """Which files of a repository.

    Attributes:
        url: of the repository.
        ref: branch, tag or full commit.
        folders: where each is looked for, one after the other; "" for the top of the repository.
        files: paths of files and folders, relative to those.
        size: most bytes of all of them.
    """

    url: str
    ref: str
    folders: tuple[str, ...]
    files: tuple[str, ...]
    size: int = MAX_BYTES


class ChosenFile(NamedTuple):
    """A file that was found.

    Attributes:
        data: its content.
        commit: full hash of the commit.
        folder: the one of `WantedFiles.folders` that has it.
    """

    data: bytes
    commit: str
    folder: str


def read_chosen(wanted: WantedFiles, *, environment: Mapping[str, str] | None = None, retries: int) -> ChosenFile:
    """Read the one file that is listed.

    Args:
        wanted: which.
        environment: instead of the process's own; holds git's credentials.
        retries: further attempts when the host did not answer properly.

    Raises:
        ChosenFileError: it is not there, is no file, or is too large.
        UsageError, SourceUnavailableError, SourceBrokenError: as `orchestrator.git.checkout.read_file`.
    """

    def read(git: Git) -> ChosenFile:
        commit = _fetch(git)
        folder, found = _find(git, commit, wanted.folders, wanted.files[0])
        (file,) = _sized(git, commit, found, wanted.size)
        if file.path != wanted.files[0]:
            raise ChosenFileError(f"{_place(git, commit)}: {wanted.files[0]!r} is a folder; name a file in it")
        with closing(contents(git, [file])) as several:
            return ChosenFile(b"".join(next(several)[1]), commit, folder)

    return _with_git(wanted, read, environment, retries)


def write_chosen(
    wanted: WantedFiles, into: Path, *, environment: Mapping[str, str] | None = None, retries: int
) -> tuple[str, ...]:
    """Write the files that are listed, and those of listed folders, into a folder, by the paths that list them.

    Args:
        wanted: which.
        into: the folder; nothing that is in it is replaced.
        environment: as `read_chosen` takes it.
        retries: likewise.

    Returns:
        Their paths.

    Raises:
        ChosenFileError: one is not there, is or leads through a symbolic link, or leads out of its folder; or they are
            too many, or too large. Nothing is written then.
        UsageError, SourceUnavailableError, SourceBrokenError: as `read_chosen`.
        OSError: the folder cannot be written.
    """

    def write(git: Git) -> tuple[str, ...]:
        commit = _fetch(git)
        found: dict[str, File] = {}
        for path in wanted.files:
            found |= {file.path: file for file in _find(git, commit, wanted.folders, path)[1]}
            if len(found) > MOST_FILES:
                raise ChosenFileError(f"{_place(git, commit)}: more than {MOST_FILES:,} files are listed; list fewer")
        files = _sized(git, commit, found.values(), wanted.size)
        _refuse_both(files)
        with closing(contents(git, files)) as several:
            for file, content in several:
                _write(into / file.path, content, program=file.executable)
        return tuple(file.path for file in files)

    for path in wanted.files:
        judge_listed(path)
    if not wanted.files:
        return ()
    return _with_git(wanted, write, environment, retries)


def judge_listed(path: str) -> str:
    """The path of a file, or folder, as somebody lists it, without a slash at its end.

    Raises:
        ChosenFileError: it leads out of its folder, or is none.
    """
    if path.startswith("/"):
        raise ChosenFileError(f"file {path!r} is absolute; write it relative to the folder of the configuration")
    if re.search(r"[\x00-\x1f\x7f]", path):
        raise ChosenFileError(f"file {path!r} has a control character in its name")
    plain = path.removeprefix("./").rstrip("/")
    try:
        judge_path(plain)
    except RepositoryError as error:
        raise ChosenFileError(
            f"file {path!r} leads out of the folder of the configuration; write it without '.', '..' and '.git'"
        ) from error
    return plain


def most_on_disk(size: int) -> int:
    """Bytes that git may take on disk for files of a size."""
    return _BESIDE + 4 * size


def _with_git(
    wanted: WantedFiles, use: Callable[[Git], _Found], environment: Mapping[str, str] | None, retries: int
) -> _Found:
    return in_repository(
        use, wanted.url, wanted.ref, environment=environment, timeout=TIMEOUT, retries=retries,
        most=most_on_disk(wanted.size),
    )  # fmt: skip


def _fetch(git: Git) -> str:
    """The commit, without its files where the host can filter (one that cannot sends them all)."""
    git("init", "--quiet", "--bare", "--template=")
    git("remote", "add", "origin", git.url)
    git(
        "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--filter=blob:none", "origin", git.ref
    )
    return git("rev-parse", "--verify", "--end-of-options", "FETCH_HEAD^{commit}").decode().strip()


def _find(git: Git, commit: str, folders: Sequence[str], listed: str) -> tuple[str, list[File]]:
    """The first folder that has what is listed, and what that is there; of the files the size is not known yet."""
    plain = judge_listed(listed)
    for folder in folders:
        whole = f"{folder}/{plain}" if folder else plain
        found = _entries(git("ls-tree", "-rz", "--full-tree", commit, "--", whole, limit=_MOST_NAMES + 1), git, commit)
        if not found:
            continue
        files = []
        for path, (mode, name) in found.items():
            if mode in _KINDS:
                raise ChosenFileError(f"{_place(git, commit)}: {path!r} is {_KINDS[mode]}, which is not followed")
            judge_path(path)
            below = path.removeprefix(whole)
            files.append(File(plain + below, name, 0, executable=mode == _PROGRAM))
        return folder, files
    for folder in folders:
        _refuse_links(git, commit, f"{folder}/{plain}" if folder else plain)
    looked = ", ".join(repr(folder) if folder else "the top" for folder in folders)
    raise ChosenFileError(f"{_place(git, commit)}: there is no file or folder {listed!r}; looked for in {looked}")


def _refuse_links(git: Git, commit: str, whole: str) -> None:
    """Say of a path that is not there where it leads through a symbolic link, which is not followed."""
    parts = whole.split("/")
    above = ["/".join(parts[:number]) for number in range(1, len(parts))]
    if not above:
        return
    for path, (mode, _) in _entries(git("ls-tree", "-z", "--full-tree", commit, "--", *above), git, commit).items():
        if mode in _KINDS:
            raise ChosenFileError(
                f"{_place(git, commit)}: {whole!r} leads through {path!r}, which is {_KINDS[mode]} and is not followed"
            )


def _entries(listed: bytes, git: Git, commit: str) -> dict[str, tuple[str, str]]:
    """Mode and name of the object of each path."""
    if len(listed) > _MOST_NAMES:
        raise ChosenFileError(f"{_place(git, commit)}: too many files are listed; list fewer")
    lines = (line.partition("\t") for line in listed.decode("utf-8", "surrogateescape").split("\0") if line)
    return {path: (described.split()[0], described.split()[2]) for described, _, path in lines}


def _sized(git: Git, commit: str, files: Iterable[File], most: int) -> list[File]:
    """Files with their sizes, once their content is here.

    Raises:
        ChosenFileError: they are larger than allowed together.
    """
    listed = list(files)
    names = list(dict.fromkeys(file.object for file in listed))
    try:  # all at once
        git("-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--no-tags", "--no-recurse-submodules",
            "--no-write-fetch-head", "--filter=blob:none", "origin", *names)  # fmt: skip
    except SourceTooLargeError:
        raise
    except SourceUnavailableError as error:  # a host that does not give them so gives each, or says why not
        _log.debug("%s: files are not sent together: %s", git.url, error)
    sizes = {}
    given = "".join(f"{name}\n" for name in names).encode("ascii")
    with git.stream("cat-file", "--batch-check", given=given) as output:
        for line in output.read().decode("ascii", "replace").splitlines():
            words = line.split()
            if words[1:2] == ["blob"]:
                sizes[words[0]] = int(words[2])
    if lacking := [file.path for file in listed if file.object not in sizes]:
        raise ChosenFileError(f"{_place(git, commit)}: the content of {lacking[0]!r} is not there; it may be damaged")
    total = sum(sizes[file.object] for file in listed)
    if total > most:
        raise ChosenFileError(
            f"{_place(git, commit)}: the listed files have {total:,} bytes, and {spell_size(most)} are the most; list"
            " fewer, or have the limit raised"
        )
    return [file._replace(size=sizes[file.object]) for file in listed]


def _refuse_both(files: Iterable[File]) -> None:
    """Refuse what would be a file and a folder at once: one level of the look-up has this, another that."""
    paths = {file.path for file in files}
    for path in paths:
        above = path
        while "/" in above:
            above = above.rpartition("/")[0]
            if above in paths:
                raise ChosenFileError(f"{above!r} would be a file, and a folder with {path!r}; list one of them")


def _write(path: Path, content: Iterable[bytes], *, program: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o755 if program else 0o644), "wb") as file:
        for data in content:
            file.write(data)


def _place(git: Git, commit: str) -> str:
    return f"git repository {git.url} at {commit}"
