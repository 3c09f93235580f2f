"""One commit of a repository, brought here and written as a tarball."""

from __future__ import annotations

import glob
import logging
import os
import secrets
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.errors import TemporaryError
from orchestrator.git_url import judge_ref, judge_url
from orchestrator.images.interface import Cancelled
from orchestrator.images.partial import Partial, full_volume
from orchestrator.inventory.git_command import Git
from orchestrator.repositories.interface import Bounds, RepositoryError
from orchestrator.repositories.tarball import layout, write
from orchestrator.repositories.tree import list_files, read_links
from orchestrator.volume import VolumeFullError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)

_SUFFIX = ".clone"
_ATTEMPTS = 3
_PROGRESS = 8 * 1024 * 1024


def fetch(
    url: str,
    commit: str,
    partial: Partial,
    final: Path,
    *,
    bounds: Bounds,
    timeout: float,
    cancelled: threading.Event,
    progress: Callable[[int, int], None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Fetch a commit, without its history, and write its files as the tarball.

    What git fetched lies beside the tarball until that is written; what a fetch that was killed left there is removed.

    Args:
        url: of the repository.
        commit: full hash.
        partial: of the tarball, ours alone.
        final: the tarball.
        bounds: what the files may take; so may what git sends.
        timeout: seconds that git may take.
        cancelled: stops it.
        progress: told the bytes written and those to write.
        environment: instead of the process's own; holds git's credentials.

    Raises:
        RepositoryError: it is larger than allowed, or made to do harm.
        SourceUnavailableError: it is gone, may not be read, or does not have this commit.
        SourceBrokenError: its host did not answer properly.
        VolumeFullError: there is no room for it.
        Cancelled: we were told to stop.
    """
    host = judge_url(url)
    judge_ref(commit)
    # Of its own each time: git may outlive us when we are killed, and go on writing where it was.
    folder = partial.path.with_suffix(f".{secrets.token_hex(4)}{_SUFFIX}")
    for left in partial.path.parent.glob(f"{glob.escape(partial.path.stem)}.*{_SUFFIX}"):
        shutil.rmtree(left, ignore_errors=True)

    def watch() -> None:
        if cancelled.is_set():
            raise Cancelled("stopped on request")
        if _taken(folder) > bounds.size:
            raise bounds.too_large()

    environment = os.environ if environment is None else environment
    for attempt in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir()
            git = Git(url, commit, folder, environment, host=host, timeout=timeout, watch=watch)
            _fetch(git, commit)
            _write(git, commit, partial, final, bounds, cancelled, progress)
        except RepositoryError as error:
            raise RepositoryError(f"git repository {url} at {commit}: {error}") from error
        except (VolumeFullError, Cancelled):
            raise
        except TemporaryError:
            if attempt == _ATTEMPTS - 1 or cancelled.wait(2.0**attempt):
                raise
        else:
            return
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path) -> int:
    """Remove what fetches that were killed left beside tarballs; returns how many.

    Whoever fetches has a partial file there, by whose name the clone is called.
    """
    removed = 0
    for path in folder.glob(f".*{_SUFFIX}"):
        if not path.with_suffix("").with_suffix(".partial").exists():
            shutil.rmtree(path, ignore_errors=True)
            removed += 1
    return removed


def _fetch(git: Git, commit: str) -> None:
    git("init", "--quiet", "--bare", "--template=")
    git("fetch", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--", git.url, commit)
    if git.redirected:
        _log.warning("git repository %s has moved to %s: change the list of targets", git.url, git.redirected)


def _write(
    git: Git,
    commit: str,
    partial: Partial,
    final: Path,
    bounds: Bounds,
    cancelled: threading.Event,
    progress: Callable[[int, int], None] | None,
) -> None:
    listing = list_files(git, commit, bounds)
    if listing.submodules:
        _log.info("git repository %s: its %d submodules are not followed", git.url, listing.submodules)
    plan = layout(commit, listing.files, read_links(git, listing))
    partial.reserve(plan.size)
    told = 0

    def put(offset: int, data: bytes) -> None:
        nonlocal told
        if cancelled.is_set():
            raise Cancelled("stopped on request")
        partial.write(offset, data)
        if progress and offset + len(data) >= told + _PROGRESS:
            told = offset + len(data)
            progress(told, plan.size)

    with full_volume(partial.path, plan.size):
        write(git, plan, put)
    if progress:
        progress(plan.size, plan.size)
    partial.commit(final)


def _taken(folder: Path) -> int:
    """Bytes that git has written so far; of what goes away meanwhile, none."""
    taken = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                taken += os.lstat(os.path.join(root, name)).st_size  # noqa: PTH116, PTH118 - asked ten times a second
    return taken
