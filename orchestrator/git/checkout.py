"""Files out of a git repository, by the real `git`: a shallow fetch of one ref into a temporary folder."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, TypeVar

from orchestrator.errors import UsageError
from orchestrator.git.command import Git
from orchestrator.git.errors import SourceTooLargeError, SourceUnavailableError
from orchestrator.git.url import judge_ref, judge_url
from orchestrator.kit.quantities import spell_size
from orchestrator.kit.removal import temporary_folder
from orchestrator.kit.retrying import Patience
from orchestrator.kit.sources import MAX_BYTES
from orchestrator.kit.trees import TreeSize, measure
from orchestrator.model import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_Found = TypeVar("_Found")

#: Seconds before the second attempt; doubled before each further one. A host that lets nobody in needs some.
BACKOFF = 1.0
#: YAML files of a repository that a configuration is read from, folders that one of them may lie in, and bytes that the
#: names of all its files may take.
_MOST_FILES = 1000
_DEEPEST = 100
_MOST_NAMES = 16 * 1024 * 1024


@dataclass(frozen=True)
class GitFile:
    """A file as one commit has it.

    Attributes:
        data: its content.
        commit: full hash of the commit.
    """

    data: bytes
    commit: str


def read_file(
    url: str,
    ref: str,
    path: str,
    *,
    environment: Mapping[str, str] | None = None,
    timeout: float = 120.0,
    retries: int = Limits().retries,
    backoff: float = BACKOFF,
    left: Callable[[], float] | None = None,
) -> GitFile:
    """One file of a repository, as a ref has it now.

    Args:
        url: https, ssh or file URL, or `user@host:path`; http for loopback hosts only.
        ref: branch, tag or full commit.
        path: of the file, relative to the repository's root.
        environment: instead of the process's own; holds the credentials, see `orchestrator.git.command`.
        timeout: seconds each call of git may take.
        retries: further attempts after a temporary failure.
        backoff: seconds before the first of them.
        left: seconds that all of it may still take; None for any number.

    Raises:
        UsageError: URL, ref or path is none that git may be given.
        SourceUnavailableError: no such repository, ref or file, or no access.
        SourceBrokenError: the host did not answer properly, each time.
    """
    _judge_path(path)
    return in_repository(
        lambda git: _file(git, str(PurePosixPath(path))),
        url, ref, environment=environment, timeout=timeout, retries=retries, backoff=backoff, left=left,
    )  # fmt: skip


def check_out_yaml(
    url: str,
    ref: str,
    folder: Path,
    *,
    suffixes: tuple[str, ...] = (".yaml", ".yml"),
    environment: Mapping[str, str] | None = None,
    timeout: float = 120.0,
    retries: int = Limits().retries,
) -> str:
    """All YAML files of a repository, as a ref has them now: a configuration with the templates that it names.

    A symbolic link becomes a file that holds where it leads, so nothing outside of the folder is ever read through it.

    Args:
        url: as `read_file` takes it.
        ref: branch, tag or full commit.
        folder: where they go, by their paths in the repository.
        suffixes: of the files, where others than YAML are wanted.
        environment: as `read_file` takes it.
        timeout: seconds each call of git may take.
        retries: further attempts after a temporary failure.

    Returns:
        Full hash of the commit.

    Raises:
        UsageError, SourceUnavailableError, SourceBrokenError: as `read_file`.
    """
    return in_repository(
        lambda git: _files(git, folder, suffixes), url, ref, environment=environment, timeout=timeout, retries=retries
    )


def in_repository(
    use: Callable[[Git], _Found],
    url: str,
    ref: str,
    *,
    environment: Mapping[str, str] | None,
    timeout: float,
    retries: int,
    backoff: float = BACKOFF,
    left: Callable[[], float] | None = None,
    most: int | None = None,
) -> _Found:
    """Do something with one repository, again when its host did not answer properly.

    Args:
        use: given git in an empty folder of its own, which goes away afterwards.
        url: as `read_file` takes it.
        ref: branch, tag or full commit.
        environment: as `read_file` takes it.
        timeout: seconds each call of git may take.
        retries: further attempts after a temporary failure.
        backoff: seconds before the first of them.
        left: seconds that all of it may still take; None for any number.
        most: bytes that git may have on disk; None for any number.

    Raises:
        UsageError, SourceUnavailableError, SourceBrokenError: as `read_file`.
    """
    host = judge_url(url)
    judge_ref(ref)
    given = os.environ if environment is None else environment

    def attempt() -> _Found:
        with temporary_folder(prefix="scanmatrix-git-") as folder:
            each = timeout if left is None else max(1.0, min(timeout, left()))
            watch = None if most is None else partial(_bound, folder, most, url)
            return use(Git(url, ref, folder, given, host=host, timeout=each, watch=watch))

    return Patience(retries, backoff=backoff, left=left).retry(attempt)


def _bound(folder: Path, most: int, url: str) -> None:
    """End git when what it has fetched grows beyond a number of bytes."""
    if measure([folder], TreeSize(most, sys.maxsize)).disk > most:
        raise SourceTooLargeError(
            f"git repository {url}: more than {spell_size(most)} would have to be fetched; keep what is needed in a"
            " smaller repository, or on a host that sends single files (uploadpack.allowFilter of git-config(1))"
        )


def _fetch(git: Git) -> str:
    """The commit of the ref, without its files where the host can filter (one that cannot sends them all)."""
    git("init", "--quiet", "--bare")
    git("remote", "add", "origin", git.url)
    git("fetch", "--quiet", "--depth=1", "--no-tags", "--filter=blob:none", "origin", git.ref)
    return git("rev-parse", "--verify", "--end-of-options", "FETCH_HEAD^{commit}").decode().strip()


def _file(git: Git, path: str) -> GitFile:
    commit = _fetch(git)
    listed = git("ls-tree", "-z", commit, "--", path).decode("utf-8", "replace").partition("\t")[0]
    mode, kind, name = listed.split() if listed else ("", "", "")
    if kind != "blob" or mode == "120000":
        what = "a symbolic link" if mode == "120000" else "a folder" if kind == "tree" else "not there"
        raise SourceUnavailableError(f"git repository {git.url} at {commit}: {path!r} is {what}; name a file in it")
    return GitFile(git("cat-file", "blob", name, limit=MAX_BYTES + 1), commit)


def _files(git: Git, folder: Path, suffixes: tuple[str, ...]) -> str:
    commit = _fetch(git)
    listed = git("ls-tree", "-rz", "--name-only", commit, limit=_MOST_NAMES).decode("utf-8", "surrogateescape")
    paths = [path for path in listed.split("\0") if path.endswith(suffixes)]
    if len(paths) > _MOST_FILES:
        raise SourceUnavailableError(
            f"git repository {git.url} at {commit}: has {len(paths)} files *{' *'.join(suffixes)}, more than"
            f" {_MOST_FILES}; keep the configuration in one of its own"
        )
    if deep := next((path for path in paths if path.count("/") > _DEEPEST), ""):
        raise SourceUnavailableError(
            f"git repository {git.url} at {commit}: {deep[:80]!r}… lies more than {_DEEPEST} folders deep; keep the"
            " configuration in a repository of its own"
        )
    if paths:
        git("-c", "core.symlinks=false", f"--work-tree={folder}", "checkout", "--quiet", commit, "--", *paths)
    return commit


def _judge_path(path: str) -> None:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or re.search(r"[\x00-\x1f]", path):
        raise UsageError(f"path {path!r} must be relative to the root of the repository, without '..'")
