"""Images and source repositories, and the targets made of them."""

from enum import StrEnum

import msgspec

from orchestrator.model.base import Document
from orchestrator.model.labels import CLUSTER, NAMESPACE, WORKLOAD

#: How the digest of a source repository's commit begins: `git:<full hash>`.
COMMIT = "git:"
#: How `Target.pull` begins where an image is read on this machine.
LOCAL = "file:"
#: What the error of a target says that only the machine which plans can read.
FOR_NO_POD = "of this machine, which no pod can read"
#: How the name of a plain folder begins that is scanned like a source repository.
FOLDER = "dir:"


class TargetKind(StrEnum):
    """What a target is."""

    IMAGE = "image"
    REPOSITORY = "repository"


class Platform(Document, frozen=True):
    """What an image runs on, in the words of the OCI image index (os, architecture, variant)."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


#: Of what has none, or none that is known.
NO_PLATFORM = Platform(os="", architecture="")
_USUAL = str(Platform())


def unusual(platform: str) -> str:
    """A platform where it is worth a word beside an image's name; empty for the usual one, and for none."""
    return "" if platform == _USUAL else platform


class Blob(Document, frozen=True):
    """A content descriptor of the OCI image specification: what to fetch and how to prove it.

    Attributes:
        digest: `<algorithm>:<hex>` of the bytes as fetched.
        size: length in bytes.
        media_type: the descriptor's media type; tells how a layer is compressed.
    """

    digest: str
    size: int
    media_type: str = ""


class Image(Document, frozen=True):
    """One image of one platform, as its manifest describes it.

    Attributes:
        manifest: the manifest itself.
        config: the image configuration blob.
        layers: the layers in order, the base first; the same blob may occur twice.
    """

    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...] = ()
    platform: Platform = Platform()


class Name(Document, frozen=True):
    """One name under which a target is asked for; a target has several when tags share a digest.

    What different sources, rows or workloads say of one reference are different names: none overwrites another.

    Attributes:
        reference: the normalised reference (`docker.io/library/ubuntu:20.04`), the path of a local archive, or the URL
            of a repository as it was asked for, with `#<ref>` unless that is HEAD.
        owner: who answers for it, from the source of targets.
        labels: whatever else that source says of it (other CSV columns; of what runs in a cluster, where).
        skip: who asked, under this name, that it be left out; a cell is only when all its names ask so.
        note: what else people should know of how it is planned, a sentence.
    """

    reference: str
    owner: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    skip: str = ""
    note: str = ""

    @property
    def key(self) -> tuple[str, str, tuple[tuple[str, str], ...], str]:
        """What makes it another name than the others of its target: reference, owner, labels in order, workload."""
        return self.reference, self.owner, tuple(sorted(self.labels.items())), self.workload

    @property
    def workload(self) -> str:
        """What runs it, `<cluster>/<namespace>/<kind>/<name>`; empty where no cluster does."""
        parts = [self.labels.get(key, "") for key in (CLUSTER, NAMESPACE, WORKLOAD)]
        return "/".join(parts) if all(parts) else ""


class Target(Document, frozen=True):
    """What is scanned: one image of one platform, or one commit of a source repository, however many names it has.

    Attributes:
        id: stable across runs, at most 63 characters; made from the digest, so every name of an image has the same one,
            and for a repository from its URL and commit.
        names: at least one, sorted by reference.
        platform: the platform of this very image; all empty for a repository.
        digest: digest of the platform's image manifest, or `git:<full hash>` of a repository's commit; empty when the
            target could not be resolved.
        pull: where the pull step reads it: `http(s)://host[:port]/repository` (already rewritten to the cache),
            or `file:<absolute path>` of an OCI archive, OCI layout folder or `docker save` tar; of a repository, the
            URL that git is given.
        size: bytes of its tarball on the volume; None when unknown (planned offline, or a repository).
        compressions: how its layers are compressed (`gzip`, `zstd`, `none`); empty when unknown.
        error: why it could not be resolved; its cells are then all failed with this reason.
        kind: an image or a repository.
        passed_over: what lay beside it in its index or archive and is no image, a sentence each.
        indexes: digests of the indexes that led to it under any of its names, each once; the one that `docker pull`
            prints is among them.
    """

    id: str
    names: tuple[Name, ...]
    platform: Platform = Platform()
    digest: str = ""
    pull: str = ""
    size: int | None = None
    compressions: tuple[str, ...] = ()
    error: str = ""
    kind: TargetKind = TargetKind.IMAGE
    passed_over: tuple[str, ...] = ()
    indexes: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """The first of its names, for people."""
        return self.names[0].reference

    @property
    def workloads(self) -> tuple[str, ...]:
        """Everything that runs it in clusters, each once."""
        return tuple(dict.fromkeys(name.workload for name in self.names if name.workload))

    @property
    def is_repository(self) -> bool:
        """Whether it is a source repository."""
        return self.kind is TargetKind.REPOSITORY

    @property
    def is_archive(self) -> bool:
        """Whether it is an image on this machine, read from an archive or a folder."""
        return self.pull.startswith(LOCAL) and not self.is_repository

    @property
    def commit(self) -> str:
        """Full hash of a repository's commit; empty for an image."""
        return self.digest.removeprefix(COMMIT) if self.is_repository else ""
