"""What planning needs from others, and the error it raises."""

from typing import Protocol

import msgspec

from orchestrator.errors import PermanentError, UsageError
from orchestrator.model import Document, Image, OnSbom, Platform, Scan, StoredSbom, Target, TargetKind


class PlanError(UsageError):
    """No plan can be made of what was asked for; the message says what to change."""


class UnresolvedError(PermanentError):
    """A reference leads nowhere; the message says what was asked, and what it said."""


class Located(Document, frozen=True):
    """Where a reference leads for one platform: to an image, or to the reason why there is none; or to a commit.

    Attributes:
        platform: the platform this is about; of an image found, its own; none for a repository.
        pull: where the pull step reads it, as in `Target.pull`; empty when `image` and `digest` are.
        image: the manifest's content; None when it was not, or could not be, looked at.
        digest: of the platform's manifest, without `image` only when planned offline; or of a repository's commit.
        size: bytes of the tarball that the pull step will write; None when unknown.
        error: why it could not be resolved: its cells fail.
        absent: why there is nothing to scan for this platform: its cells are skipped.
        kind: what it is.
        labels: what else was found out about it, for its names.
        absent_if_listed: the same as `absent`, in the place of `error`, where a registry merely lists the reference.
        passed_over: what was found beside it that is no image, a sentence each.
        note: likewise, a sentence for people.
        indexes: digests of the indexes that led to the image, as in `Target.indexes`.
    """

    platform: Platform
    pull: str = ""
    image: Image | None = None
    digest: str = ""
    size: int | None = None
    error: str = ""
    absent: str = ""
    kind: TargetKind = TargetKind.IMAGE
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    absent_if_listed: str = ""
    passed_over: tuple[str, ...] = ()
    note: str = ""
    indexes: tuple[str, ...] = ()


class RepositoryResolver(Protocol):
    """Finds the commit of a repository's ref; called from several threads at once."""

    def __call__(self, url: str, ref: str) -> Located:
        """Look a ref up.

        Args:
            url: of the repository, as it was written.
            ref: branch, tag or full commit.

        Returns:
            Trouble is an answer with `error`, never an exception.
        """
        ...


class Resolver(Protocol):
    """Finds the images behind a reference; called from several threads at once."""

    def __call__(
        self, reference: str, *, local: bool, platform: Platform | None = None, look_in: tuple[str, ...] = ()
    ) -> tuple[Located, ...]:
        """Look a reference up for every wanted platform.

        Args:
            reference: as normalised by `images.reference`, or the path of a local archive.
            local: True for a path.
            platform: of the machine that runs it: what it runs of the image is wanted, and nothing else.
            look_in: where an image is looked for, in this order, as in `Entry.look_in`; empty for its registry.

        Returns:
            At least one answer; trouble is an answer with `error`, never an exception.
        """
        ...


class SbomLookup(Protocol):
    """Finds what is known of stored SBOMs."""

    def __call__(self, digest: str, asked: str) -> StoredSbom | None:
        """The SBOM of an image's platform that answers a cataloguer's question; None where there is none.

        Args:
            digest: of the platform's manifest.
            asked: the question (`orchestrator.catalog.question`).

        Raises:
            StoredSbomError: what is said of it there cannot be read, or is about another one.
        """
        ...


class TakesAttached(Protocol):
    """Finds SBOMs that came with images, to be used in place of our own; called from several threads at once."""

    def __call__(self, target: Target, cataloguer: Scan, way: OnSbom, asked: str) -> StoredSbom | str:
        """What can be used in place of an SBOM of our own, now stored.

        Args:
            target: an image.
            cataloguer: whose SBOM is wanted.
            way: how it will be read.
            asked: the question that it answers (`orchestrator.catalog.question`).

        Returns:
            Why there is none, otherwise; empty where none came with the image.
        """
        ...


class Past(Protocol):
    """The latest good result of one cell."""

    @property
    def run(self) -> str:
        """Id of the run it came from."""
        ...

    @property
    def finished(self) -> str:
        """When its scan ended, RFC 3339 in UTC."""
        ...

    @property
    def asked(self) -> str:
        """Digest of what was asked of it; empty where an earlier version did not write it down."""
        ...
