"""Names of images, normalised exactly as Docker does.

Grammar and normalisation: the `reference` package of the distribution project (`ParseNormalizedNamed`, then
`TagNameOnly`), which every container engine follows.
"""

import re

from orchestrator.images.digests import DIGEST
from orchestrator.kit.docker_hub import HUB, HUB_OLD
from orchestrator.model import Document
from orchestrator.net.errors import InvalidReference

__all__ = ["InvalidReference", "Reference", "parse"]

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PATH_PART}(?:/{_PATH_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_PATH_LIMIT = 255


class Reference(Document, frozen=True):
    """A normalised name of an image; `str()` of it is what `parse` reads back.

    Attributes:
        registry: host and port, `docker.io` for Docker Hub.
        repository: path within the registry, `library/` included.
        tag: `latest` where neither tag nor digest was given; empty where only a digest was.
        digest: `sha256:…` or `sha512:…`, or empty. With a tag beside it the digest decides, as it does for Docker.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse(text: str) -> Reference:
    """Read and normalise the name of an image.

    Args:
        text: `[registry/]repository[:tag][@digest]`.

    Raises:
        InvalidReference: it is not one; the message says which part is wrong.
    """
    if _IDENTIFIER.fullmatch(text.removeprefix("sha256:")):
        raise _invalid(text, "64 hexadecimal digits are an image's id, not its name")
    if "://" in text:
        raise _invalid(text, f"it is a URL; write host and repository only, without {text.partition('://')[0][:20]}://")
    name, at, digest = text.partition("@")
    if at and not DIGEST.fullmatch(digest):
        raise _invalid(text, "after the @ must stand sha256: with 64 or sha512: with 128 lower-case hexadecimal digits")
    registry, path = _split_registry(name)
    repository, colon, tag = path.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise _invalid(text, f"{tag[:140]!r} is not a tag: 1 to 128 of A-Z a-z 0-9 _ . -, not starting with . or -")
    if registry == HUB and "/" not in repository:
        repository = f"library/{repository}" if repository else ""
    _check_name(text, registry, repository)
    return Reference(registry=registry, repository=repository, tag=tag or ("" if digest else "latest"), digest=digest)


def is_repository(name: str) -> bool:
    """Whether it is the path of a repository within its registry."""
    return len(name) <= _PATH_LIMIT and _PATH.fullmatch(name) is not None


def is_tag(text: str) -> bool:
    """Whether it is a tag."""
    return _TAG.fullmatch(text) is not None


def is_host(first: str) -> bool:
    """Whether what stands before the first slash of a name is a registry, and no user of Docker Hub's.

    As Docker tells them apart: by a dot, a port, or the name `localhost`.
    """
    return "." in first or ":" in first or first == "localhost"


def _split_registry(name: str) -> tuple[str, str]:
    """Registry and the rest; a capital letter makes a registry of a name, too: no repository may have any."""
    first, slash, rest = name.partition("/")
    if not slash or not (is_host(first) or first != first.lower()):
        return HUB, name
    return (HUB if first == HUB_OLD else first), rest


def _check_name(text: str, registry: str, repository: str) -> None:
    if not _DOMAIN.fullmatch(registry):
        raise _invalid(text, f"{registry[:260]!r} is not a registry's host[:port]")
    if repository != repository.lower():
        raise _invalid(text, f"the repository {repository[:260]!r} must be lower-case")
    if not _PATH.fullmatch(repository):
        raise _invalid(text, f"{repository[:260]!r} is not a repository: a-z 0-9, with single . _ - or __ in between")
    if len(repository) > _PATH_LIMIT:
        raise _invalid(text, f"its repository is longer than {_PATH_LIMIT} characters")


def _invalid(text: str, reason: str) -> InvalidReference:
    shown = text if len(text) <= 300 else f"{text[:300]}…"  # noqa: PLR2004 - a message, not a novel
    return InvalidReference(f"{shown!r} is not an image reference: {reason}")


def judge_reference(reference: str) -> str:
    """Why an image's name is malformed; empty when it is not."""
    try:
        parse(reference)
    except InvalidReference as error:
        return str(error)
    return ""
