"""One file out of a git repository, by the real `git`: a shallow fetch of one ref into a temporary folder."""

from __future__ import annotations

import ipaddress
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.errors import UsageError
from orchestrator.inventory.git_command import Git
from orchestrator.inventory.interface import SourceBrokenError, SourceUnavailableError
from orchestrator.yaml_source import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SCP = re.compile(r"(?:[\w.][\w.-]*@)?(?P<host>[A-Za-z0-9][\w.-]*):(?![-:])\S+")
# git-check-ref-format(1), without what a fetch would read as more than one ref.
_REF = re.compile(r"(?![-/.])(?!.*(\.\.|//|@\{|\.lock$))[^\s~^:?*\[\\\x00-\x1f\x7f]+(?<![/.])")


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
    attempts: int = 3,
    sleep: Callable[[float], None] = time.sleep,
) -> GitFile:
    """One file of a repository, as a ref has it now.

    Args:
        url: https, ssh or file URL, or `user@host:path`; http for loopback hosts only.
        ref: branch, tag or full commit.
        path: of the file, relative to the repository's root.
        environment: instead of the process's own; holds the credentials, see `orchestrator.inventory.git_command`.
        timeout: seconds each call of git may take.
        attempts: how often to try while the failure is a temporary one.
        sleep: waits between attempts.

    Raises:
        UsageError: URL, ref or path is none that git may be given.
        SourceUnavailableError: no such repository, ref or file, or no access.
        SourceBrokenError: the host did not answer properly, each time.
    """
    host = _judge_url(url)
    _judge_ref(ref)
    _judge_path(path)
    environment = os.environ if environment is None else environment
    attempt = 1
    while True:
        try:
            with tempfile.TemporaryDirectory(prefix="scanmatrix-git-") as folder:
                git = Git(url, ref, Path(folder), environment, host=host, timeout=timeout)
                return _fetch(git, str(PurePosixPath(path)))
        except SourceBrokenError:
            if attempt >= attempts:
                raise
        sleep(2.0**attempt)
        attempt += 1


def _fetch(git: Git, path: str) -> GitFile:
    git("init", "--quiet", "--bare")
    git("remote", "add", "origin", git.url)
    # One commit, and of its files only the one that is asked for (a host that cannot filter sends them all).
    git("fetch", "--quiet", "--depth=1", "--no-tags", "--filter=blob:none", "origin", git.ref)
    commit = git("rev-parse", "--verify", "--end-of-options", "FETCH_HEAD^{commit}").decode().strip()
    listed = git("ls-tree", "-z", commit, "--", path).decode("utf-8", "replace").partition("\t")[0]
    mode, kind, name = listed.split() if listed else ("", "", "")
    if kind != "blob" or mode == "120000":
        what = "a symbolic link" if mode == "120000" else "a folder" if kind == "tree" else "not there"
        raise SourceUnavailableError(f"git repository {git.url} at {commit}: {path!r} is {what}; name a file in it")
    return GitFile(git("cat-file", "blob", name, limit=MAX_BYTES + 1), commit)


def _judge_url(url: str) -> str:
    """The URL's host (empty for a file), or why git may not be given this URL."""
    if url.startswith("-") or re.search(r"[\s\x00-\x1f\x7f]", url):
        raise UsageError("a git URL must not begin with '-' or hold blanks")
    if "://" not in url:
        if match := _SCP.fullmatch(url):
            return match["host"]
        raise UsageError(f"{url!r} is not a git URL; write https://…, ssh://…, user@host:path or file:///…")
    parts = urlsplit(url)
    host = parts.hostname or ""
    shown = f"{parts.scheme}://{host}{parts.path}"
    if parts.scheme not in {"https", "http", "ssh", "file"}:
        raise UsageError(f"git URL {shown}: only https, ssh and file are supported")
    if parts.password is not None or (parts.username and parts.scheme != "ssh"):
        raise UsageError(f"git URL {shown}: it must not hold credentials; set SCANMATRIX_GIT_TOKEN instead")
    if (parts.scheme == "file") == bool(host) or host.startswith("-"):
        raise UsageError(f"git URL {shown}: {'a file URL has no host' if parts.scheme == 'file' else 'no valid host'}")
    if parts.scheme == "http" and not _is_loopback(host):
        raise UsageError(f"git URL {shown}: http would show the credentials to everyone on the way; use https")
    return host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _judge_ref(ref: str) -> None:
    """Refuse what git could take for an option or for more than one ref."""
    if not _REF.fullmatch(ref):
        raise UsageError(f"git ref {ref!r} is not a branch, tag or full commit")


def _judge_path(path: str) -> None:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or re.search(r"[\x00-\x1f]", path):
        raise UsageError(f"path {path!r} must be relative to the root of the repository, without '..'")
