"""URLs and refs of git repositories: which of them git may be given, and what they say of their host."""

from __future__ import annotations

import re

from orchestrator.errors import UsageError
from orchestrator.kit.hosts import is_loopback
from orchestrator.kit.masking import find, mask
from orchestrator.kit.urls import holds_blanks, split_url

_SCP = re.compile(r"(?:[\w.][\w.-]*@)?(?P<host>[A-Za-z0-9][\w.-]*):(?![-:])(?P<path>\S+)")
# git-check-ref-format(1), without what a fetch would read as more than one ref.
_REF = re.compile(r"(?![-/.])(?!.*(\.\.|//|@\{|\.lock$))[^\s~^:?*\[\\\x00-\x1f\x7f]+(?<![/.])")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
#: What an API can be asked for, and may go into command lines and Argo's templates: `host/owner/name`.
PLAIN_PROJECT = re.compile(r"[a-z0-9.-]+(/[A-Za-z0-9._-]+){2,}")
_WRITTEN = "https://…, ssh://…, user@host:path or file:///…"
#: What to tell about a URL for which `holds_credentials` is true.
NO_CREDENTIALS = "it must not hold credentials; set SCANMATRIX_GIT_HOST and SCANMATRIX_GIT_TOKEN instead"


def judge_url(url: str) -> str:
    """The URL's host (empty for a file).

    Raises:
        UsageError: git may not be given this URL; the message says why, and shows no credentials.
    """
    if url.startswith("-") or holds_blanks(url):
        raise UsageError("a git URL must not begin with '-' or hold blanks")
    if "://" not in url:
        if match := _SCP.fullmatch(url):
            return match["host"]
        raise UsageError(f"{url!r} is not a git URL; write it as {_WRITTEN}")
    if (parts := split_url(url)) is None:
        raise UsageError(f"a git URL must have a valid host; write it as {_WRITTEN}")
    host = parts.hostname or ""
    shown = mask(f"{parts.scheme}://{host}{parts.path}")
    if parts.scheme not in {"https", "http", "ssh", "file"}:
        raise UsageError(f"git URL {shown}: only https, ssh and file are supported")
    if holds_credentials(url):
        raise UsageError(f"git URL {shown}: {NO_CREDENTIALS}")
    if (parts.scheme == "file") == bool(host) or host.startswith("-"):
        raise UsageError(f"git URL {shown}: {'a file URL has no host' if parts.scheme == 'file' else 'no valid host'}")
    if parts.scheme == "http" and not is_loopback(host, exactly=True):
        raise UsageError(f"git URL {shown}: http would show the credentials to everyone on the way; use https")
    return host


def judge_ref(ref: str) -> None:
    """Refuse what git could take for an option or for more than one ref.

    Raises:
        UsageError: it is not a branch, tag or full commit.
    """
    if not _REF.fullmatch(ref):
        raise UsageError(f"git ref {ref!r} is not a branch, tag or full commit")


def holds_credentials(url: str) -> bool:
    """Whether a URL has a password in it, or a user where that is a token; nothing of it may then be written down.

    A password may also stand in its query (`?private_token=…`), or be a token of a known shape anywhere.
    """
    if (parts := split_url(url)) is None:
        return "@" in url or bool(find(url))
    userinfo = parts.password is not None or bool(parts.username and parts.scheme != "ssh")
    return userinfo or bool(find(url))


def without_credentials(url: str) -> str:
    """The very URL.

    Raises:
        ValueError: it holds credentials; the message does not show it.
    """
    if holds_credentials(url):
        raise ValueError(NO_CREDENTIALS)
    return url


def is_commit(ref: str) -> bool:
    """Whether a ref is the full hash of a commit."""
    return _COMMIT.fullmatch(ref) is not None


def project(url: str) -> str:
    """Host and path of a repository, as its host's API knows it: `github.com/ossf/scorecard`; empty without a host."""
    match = None if "://" in url else _SCP.fullmatch(url)
    parts = split_url(url)
    host, path = (match["host"], match["path"]) if match else (parts.hostname or "", parts.path) if parts else ("", "")
    return f"{host.lower()}/{path.strip('/').removesuffix('.git')}" if host else ""
