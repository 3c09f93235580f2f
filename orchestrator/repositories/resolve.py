"""The commit of a ref, as the host of a repository has it now; nothing is fetched for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.git.checkout import in_repository
from orchestrator.git.errors import SourceUnavailableError
from orchestrator.git.url import is_commit
from orchestrator.model import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.git.command import Git

#: Seconds that a host may take to say which commit a ref is.
TIMEOUT = 60.0
# As git itself looks a short name up (gitrevisions(7)); an annotated tag stands for the commit behind it.
_PLACES = ("{}", "refs/{}", "refs/tags/{}", "refs/heads/{}")


class Resolved(NamedTuple):
    """What a ref is.

    Attributes:
        commit: full hash.
        redirected: the URL to which the repository has moved; empty when it has not.
    """

    commit: str
    redirected: str = ""


def resolve(
    url: str,
    ref: str,
    *,
    environment: Mapping[str, str] | None = None,
    retries: int = Limits().retries,
    left: Callable[[], float] | None = None,
) -> Resolved:
    """Ask the host for the commit of a ref.

    A full commit stands for itself, once the repository is known to be there: whether it has it shows when it is
    fetched.

    Args:
        url: https, ssh or file URL, or `user@host:path`; http for loopback hosts only.
        ref: branch, tag or full commit.
        environment: instead of the process's own; holds the credentials, see `orchestrator.git.command`.
        retries: further attempts when the host did not answer properly.
        left: seconds that all of it may still take; None for any number.

    Raises:
        UsageError: git may not be given this URL or ref.
        SourceUnavailableError: no such repository or ref, no access, or no commit in it.
        SourceBrokenError: the host did not answer properly.
    """
    return in_repository(_resolve, url, ref, environment=environment, timeout=TIMEOUT, retries=retries, left=left)


def _resolve(git: Git) -> Resolved:
    git("init", "--quiet", "--bare", "--template=")
    wanted = "HEAD" if is_commit(git.ref) else git.ref
    found = _refs(git("ls-remote", "--", git.url, wanted, f"{wanted}^{{}}"))
    redirected = git.redirected
    if is_commit(git.ref):
        if not found:
            _check_not_empty(git)
        return Resolved(git.ref, redirected)
    for place in _PLACES:
        name = place.format(git.ref)
        if commit := found.get(f"{name}^{{}}") or found.get(name):
            return Resolved(commit, redirected)
    _check_not_empty(git)
    advice = "name a branch" if git.ref == "HEAD" else "name a branch, a tag or a full commit"
    raise SourceUnavailableError(f"git repository {git.url}: there is no ref {git.ref!r}; {advice}")


def _check_not_empty(git: Git) -> None:
    if not git("ls-remote", "--", git.url, limit=1):
        raise SourceUnavailableError(f"git repository {git.url} is empty: it has no commit; push one, or leave it out")


def _refs(listed: bytes) -> dict[str, str]:
    """Commits by name; what is no line of two words is none."""
    lines = (line.split("\t", 1) for line in listed.decode("utf-8", "replace").splitlines())
    return {line[1]: line[0] for line in lines if len(line) > 1 and is_commit(line[0])}
