"""Whether a commit belongs to a branch: hosts also give out commits of forks and of proposals by their hash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.git.checkout import in_repository
from orchestrator.git.errors import SourceUnavailableError
from orchestrator.git.url import is_commit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.git.command import Git

#: Seconds that each call of git may take, and bytes that the commits of a branch may take on disk.
_TIMEOUT, _MOST = 120.0, 512 * 1024 * 1024


class ForeignCommitError(SourceUnavailableError):
    """A commit is not in the history of its branch."""


def check_history(
    url: str, ref: str, commit: str, *, environment: Mapping[str, str] | None = None, retries: int
) -> None:
    """See that a commit is the one of a ref, or one before it.

    Args:
        url: of the repository.
        ref: branch or tag.
        commit: full hash.
        environment: instead of the process's own; holds git's credentials.
        retries: further attempts when the host did not answer properly.

    Raises:
        ForeignCommitError: it is not.
        UsageError, SourceUnavailableError, SourceBrokenError: as `orchestrator.git.checkout.read_file`.
    """
    if not is_commit(commit):
        raise ForeignCommitError(f"git repository {url}: {commit[:80]!r} is no full hash of a commit")

    def check(git: Git) -> None:
        git("init", "--quiet", "--bare", "--template=")
        git("remote", "add", "origin", url)
        # Of a host that can filter the commits alone.
        git("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--filter=tree:0", "origin", ref)
        wanted = f"{commit}\n".encode("ascii")
        with git.stream("rev-list", "FETCH_HEAD") as output:
            found = False
            for line in output:  # all of it, so that git ends by itself
                found = found or line == wanted
        if not found:
            raise ForeignCommitError(
                f"git repository {url}: {commit} is not in the history of {ref!r}; only what was merged there is run"
            )

    in_repository(check, url, ref, environment=environment, timeout=_TIMEOUT, retries=retries, most=_MOST)
