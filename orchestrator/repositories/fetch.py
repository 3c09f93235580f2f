"""One commit of a repository, brought here and written as a tarball."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import Cancelled
from orchestrator.git.checkout import BACKOFF
from orchestrator.git.command import Git
from orchestrator.git.errors import SourceBrokenError
from orchestrator.git.url import judge_ref, judge_url
from orchestrator.kit.removal import remove_quietly
from orchestrator.kit.retrying import Patience
from orchestrator.kit.trees import TreeSize, measure
from orchestrator.repositories.bounds import RepositoryError
from orchestrator.repositories.clones import new_clone
from orchestrator.repositories.tarball import layout, write
from orchestrator.repositories.tree import list_files, read_links
from orchestrator.volume.partial import Partial, full_volume

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from orchestrator.repositories.bounds import Bounds

_log = logging.getLogger(__name__)

_STOPPED = "stopped on request"
_PROGRESS = 8 * 1024 * 1024


class WantedCommit(NamedTuple):
    """What to fetch.

    Attributes:
        url: of the repository.
        commit: full hash.
        bounds: what its files may take; so may what git sends.
        timeout: seconds that git may take.
        retries: further attempts when its host did not answer properly.
    """

    url: str
    commit: str
    bounds: Bounds
    timeout: float
    retries: int


def fetch_commit(
    wanted: WantedCommit,
    partial: Partial,
    final: Path,
    *,
    cancelled: threading.Event,
    progress: Callable[[int, int], None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Fetch a commit, without its history, and write its files as the tarball.

    What git fetched lies beside the tarball until that is written; what a fetch that was killed left there is removed.

    Args:
        wanted: the commit.
        partial: of the tarball, ours alone.
        final: the tarball.
        cancelled: stops it.
        progress: told the bytes written and those to write.
        environment: instead of the process's own; holds git's credentials.

    Raises:
        RepositoryError: it is larger than allowed, or made to do harm.
        SourceUnavailableError: it is gone, may not be read, or does not have this commit.
        SourceBrokenError: its host did not answer properly.
        VolumeFullError: there is no room for it.
        Cancelled: we were asked to stop.
    """
    judge_ref(wanted.commit)
    host = judge_url(wanted.url)
    folder = new_clone(partial.path)
    variables = os.environ if environment is None else environment

    def attempt() -> None:
        with _clone(wanted, folder, variables, host, cancelled) as git:
            _write(git, wanted, partial, final, told=_Told(cancelled, progress))

    Patience(wanted.retries, backoff=BACKOFF, cancelled=cancelled, kinds=(SourceBrokenError,)).retry(attempt)


@contextmanager
def _clone(
    wanted: WantedCommit, folder: Path, environment: Mapping[str, str], host: str, cancelled: threading.Event
) -> Iterator[Git]:
    """Git with the commit fetched, in a folder that goes away with the block."""
    url, commit = wanted.url, wanted.commit

    def watch() -> None:
        if cancelled.is_set():
            raise Cancelled(_STOPPED)
        if measure([folder], TreeSize(wanted.bounds.size, sys.maxsize)).disk > wanted.bounds.size:
            raise wanted.bounds.too_large()

    folder.mkdir()
    try:
        git = Git(url, commit, folder, environment, host=host, timeout=wanted.timeout, watch=watch)
        git("init", "--quiet", "--bare", "--template=")
        git("fetch", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--", url, commit)
        if git.redirected:
            _log.warning("git repository %s has moved to %s: change the list of targets", url, git.redirected)
        yield git
    except RepositoryError as error:
        raise RepositoryError(f"git repository {url} at {commit}: {error}") from error
    finally:
        remove_quietly(folder)


class _Told:
    """Who is informed about the progress, and may tell us to stop."""

    def __init__(self, cancelled: threading.Event, progress: Callable[[int, int], None] | None) -> None:
        self._cancelled, self._progress = cancelled, progress
        self._told = 0

    def __call__(self, done: int, total: int) -> None:
        if self._cancelled.is_set():
            raise Cancelled(_STOPPED)
        if self._progress and (done == total or done >= self._told + _PROGRESS):
            self._told = done
            self._progress(done, total)


def _write(git: Git, wanted: WantedCommit, partial: Partial, final: Path, *, told: _Told) -> None:
    """Write what was fetched as the tarball."""
    listing = list_files(git, wanted.commit, wanted.bounds)
    if listing.submodules:
        _log.info("git repository %s: its %d submodules are not followed", git.url, listing.submodules)
    plan = layout(wanted.commit, listing.files, read_links(git, listing))
    partial.reserve(plan.size)

    def put(offset: int, data: bytes) -> None:
        partial.write(offset, data)
        told(offset + len(data), plan.size)

    with full_volume(partial.path, plan.size):
        write(git, plan, put)
    partial.commit(final)
