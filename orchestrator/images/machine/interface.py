"""What every tool offers that keeps images on this machine, and where an image is looked for."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, NamedTuple, Protocol

from orchestrator.errors import PermanentError
from orchestrator.kit.docker_hub import HUB
from orchestrator.net.errors import ImageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from orchestrator.images.reference import Reference


class NoSuchImageError(ImageError, PermanentError):
    """A tool does not keep an image of that name, is not here, or does not answer; the message says which."""


class NoToolError(NoSuchImageError):
    """A tool is not on this machine, so that nobody need know that it was looked for."""


class MuteToolError(NoSuchImageError):
    """A tool is here and cannot be asked, so that nobody knows whether it has the image."""


class KeptImage(NamedTuple):
    """An image that a tool keeps.

    Attributes:
        name: by which it is exported.
        digest: hex digits of what the tool knows it by: the same ones mean the same content.
    """

    name: str
    digest: str


class ImageKeeper(Protocol):
    """A tool that keeps images."""

    def find(self, reference: Reference) -> KeptImage:
        """The image of a name.

        Raises:
            NoSuchImageError: there is none, or the tool does not answer.
        """
        ...

    def export(self, image: KeptImage) -> AbstractContextManager[IO[bytes]]:
        """The image as an archive, as it comes in; the block ends in an error unless it came whole.

        Raises:
            NoSuchImageError: the tool failed.
        """
        ...


def spellings(reference: Reference) -> tuple[str, ...]:
    """How tools may call an image: what podman builds without a registry's name is of `localhost`."""
    whole = str(reference)
    if reference.registry != HUB:
        return (whole,)
    return (whole, f"localhost/{whole.removeprefix(f'{HUB}/').removeprefix('library/')}")
