"""Looks the refs of repositories up at their hosts, and knows which of these have an API that a scan may ask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import ScanmatrixError
from orchestrator.git.url import PLAIN_PROJECT, is_commit, judge_ref, judge_url, project
from orchestrator.model import COMMIT, Limits, TargetKind
from orchestrator.model.image import FOLDER, FOR_NO_POD, NO_PLATFORM
from orchestrator.planning.inputs import Located
from orchestrator.repositories.bounds import Bounds
from orchestrator.repositories.folder import copy_folder
from orchestrator.repositories.resolve import resolve
from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from orchestrator.config.loading import Config
    from orchestrator.model import Scan, Target
    from orchestrator.net.allowance import Allowance
    from orchestrator.planning.venue import Venue
    from orchestrator.repositories.folder import FolderCopy

#: Label of a repository's names: where it has moved to.
REDIRECTED = "redirectedTo"


@dataclass(frozen=True)
class GitResolver:
    """Asks the hosts by `git ls-remote`.

    Attributes:
        offline: ask nobody; only full commits are then known.
        environment: with git's credentials, instead of the process's own.
        allowance: the time that planning may take; None for any.
        retries: further attempts when a host did not answer properly.
        folders: makes a repository of a folder of this machine; None where nobody there could read it.
    """

    offline: bool = False
    environment: Mapping[str, str] | None = None
    allowance: Allowance | None = None
    retries: int = Limits().retries
    folders: Callable[[Path], FolderCopy] | None = None

    def __call__(self, url: str, ref: str) -> Located:
        """The commit of a ref; trouble is an answer with `error`."""
        try:
            if url.startswith(FOLDER):
                return self._of_folder(Path(url.removeprefix(FOLDER)))
            judge_url(url)
            judge_ref(ref)
            if not self.offline:
                left = None
                if self.allowance is not None:
                    self.allowance.check()
                    left = self.allowance.seconds_left
                found = resolve(url, ref, environment=self.environment, retries=self.retries, left=left)
                labels = {REDIRECTED: found.redirected} if found.redirected else {}
                return _located(url, found.commit, labels)
        except ScanmatrixError as error:
            return unresolved(str(error))
        if is_commit(ref):
            return _located(url, ref, {})
        return unresolved("not resolvable offline: name its full commit as `ref`")

    def _of_folder(self, folder: Path) -> Located:
        if self.folders is None:
            return unresolved(f"a folder {FOR_NO_POD}; use the local engine")
        found = self.folders(folder)
        located = _located(found.url, found.commit, {})
        return msgspec.structs.replace(located, passed_over=found.left_out)


def unresolved(error: str) -> Located:
    """A repository that cannot be scanned, and why."""
    return Located(platform=NO_PLATFORM, error=error, kind=TargetKind.REPOSITORY)


def folders_of(config: Config) -> Callable[[Path], FolderCopy]:
    """What makes repositories of folders, on the volume of a configuration and within its limits."""
    volume, bounds = volume_of(config), Bounds.of(config.limits)

    def copy(folder: Path) -> FolderCopy:
        return copy_folder(folder, volume.kept, bounds, without=volume.root)

    return copy


def online_hosts(config: Config, scan: Scan, venue: Venue) -> frozenset[str]:
    """The hosts whose API a scan may ask: it knows how, and there is a token where it will run."""
    online = scan.repository and scan.repository.online
    return frozenset(venue.hosts(config, online)) if online else frozenset()


def is_online(target: Target, hosts: Collection[str]) -> bool:
    """Whether a repository's host is one of those that may be asked."""
    name = project(target.pull) if target.is_repository else ""
    return name.partition("/")[0] in hosts and PLAIN_PROJECT.fullmatch(name) is not None


def _located(url: str, commit: str, labels: dict[str, str]) -> Located:
    return Located(
        platform=NO_PLATFORM, pull=url, digest=f"{COMMIT}{commit}", kind=TargetKind.REPOSITORY, labels=labels
    )
