"""Looks the refs of repositories up at their hosts, and knows which of these have an API that a scan may ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import ScanmatrixError
from orchestrator.git.url import PLAIN_PROJECT, is_commit, judge_ref, judge_url, project
from orchestrator.model import COMMIT, Limits, TargetKind
from orchestrator.model.image import NO_PLATFORM
from orchestrator.planning.inputs import Located
from orchestrator.repositories.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from orchestrator.config.loading import Config
    from orchestrator.model import Scan, Target
    from orchestrator.net.allowance import Allowance
    from orchestrator.planning.venue import Venue

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
    """

    offline: bool = False
    environment: Mapping[str, str] | None = None
    allowance: Allowance | None = None
    retries: int = Limits().retries

    def __call__(self, url: str, ref: str) -> Located:
        """The commit of a ref; trouble is an answer with `error`."""
        try:
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


def unresolved(error: str) -> Located:
    """A repository that cannot be scanned, and why."""
    return Located(platform=NO_PLATFORM, error=error, kind=TargetKind.REPOSITORY)


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
