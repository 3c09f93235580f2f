"""What git says when it fails, as errors that tell what to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.errors import VolumeFullError
from orchestrator.git.errors import SourceBrokenError, SourceUnavailableError

if TYPE_CHECKING:
    from orchestrator.errors import ScanmatrixError

_SHOWN = 400

_PASSING = (
    r"returned error: (408|429|5\d\d)|timed out|Connection (refused|reset|closed)|Could not resolve host"
    r"|Temporary failure|early EOF|RPC failed|hung up unexpectedly|unexpected disconnect|Operation too slow"
    r"|Network is unreachable|No route to host|Empty reply|Failed to connect|Couldn't connect"
)
# What git says (in English, by LC_ALL=C), whether trying again may help, and what to do; the first that fits counts.
_EXPLAINED = (
    (
        r"No space left on device|Disk quota exceeded",
        VolumeFullError,
        "there is no room for it; make room, or lower limits.repositorySize",
    ),
    # Before what follows from it: git then also says that access rights or the repository may be missing.
    (
        r"dubious ownership",
        SourceUnavailableError,
        "it belongs to another user; if you trust that user, `git config --global --add safe.directory` with its path",
    ),
    (
        r"does not allow request for unadvertised object",
        SourceUnavailableError,
        "its host does not give out a commit by its hash (uploadpack.allowReachableSHA1InWant of git-config(1))",
    ),
    (
        r"dumb http transport does not support shallow",
        SourceUnavailableError,
        "its host speaks git's old protocol only, which has no shallow clones; serve it by git-http-backend(1)",
    ),
    (
        r"couldn't find remote ref|not our ref|no such remote ref",
        SourceUnavailableError,
        "there is no ref {ref!r}; name a branch, a tag or a full commit",
    ),
    (
        r"Host key verification failed",
        SourceUnavailableError,
        "the host's key is not known; put it, once verified, into a file named by SCANMATRIX_GIT_SSH_KNOWN_HOSTS",
    ),
    (
        r"Permission denied \(|Too many authentication failures|error in libcrypto|invalid format",
        SourceUnavailableError,
        "the host refused the SSH key; set SCANMATRIX_GIT_SSH_KEY to the path of a private key that may read it",
    ),
    (
        r"could not read (Username|Password)|Authentication failed|returned error: 40[13]|Access denied",
        SourceUnavailableError,
        "access was refused; set SCANMATRIX_GIT_HOST to its host and SCANMATRIX_GIT_TOKEN to a token that may read it",
    ),
    (
        _PASSING,
        SourceBrokenError,
        "{host} did not answer properly; try again later",
    ),
    (
        r"not found|does not exist|does not appear to be a git repository|returned error: 404|access rights",
        SourceUnavailableError,
        "there is no such repository, or no access to it; check the URL and the credentials",
    ),
)


def explain(said: str, url: str, ref: str, host: str) -> ScanmatrixError:
    """What git said, as an error.

    Args:
        said: on its standard error, without secrets.
        url: of the repository.
        ref: asked of it.
        host: of the URL; empty for a file.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("warning:")]
    shown = " / ".join(lines)[-_SHOWN:] or "git said nothing"
    for pattern, kind, advice in _EXPLAINED:
        if re.search(pattern, said, re.IGNORECASE):
            advised = advice.format(ref=ref, host=host or "it")
            return kind(f"git repository {url} at {ref}: {advised} (git: {shown})")
    return SourceUnavailableError(f"git repository {url} at {ref}: git failed: {shown}")
