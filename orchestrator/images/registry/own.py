"""The images of our own manifests, by tag and digest: one file names them all, and one command brings it up to date."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.errors import UsageError
from orchestrator.images.reference import parse
from orchestrator.images.registry.pin import pin
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from orchestrator.images.registry.client import RegistryClient

#: The file, beside the manifests that name the images.
FILE = "images.lock"
_LINE = re.compile(
    r"(?P<name>[a-z0-9.-]+(?::\d+)?(?:/[a-z0-9._-]+)+):(?P<tag>[\w.-]+)(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class OwnImages:
    """Digests of images by `name:tag`; empty where none was looked up.

    Attributes:
        digests: in the order of the file.
    """

    def __init__(self, digests: Mapping[str, str]) -> None:
        self.digests = dict(digests)

    @classmethod
    def read(cls, path: Path) -> OwnImages:
        """Those of a file.

        Raises:
            UsageError: it cannot be read, or a line of it is no image.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: cannot be read: {error}; it names the images of our manifests") from error
        found: dict[str, str] = {}
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            if (match := _LINE.fullmatch(text)) is None:
                raise UsageError(f"{path}:{number}: {text!r} is no image; write registry/name:tag or …:tag@sha256:…")
            found[f"{match['name']}:{match['tag']}"] = match["digest"] or ""
        return cls(found)

    @property
    def unpinned(self) -> tuple[str, ...]:
        """Those without a digest."""
        return tuple(image for image, digest in self.digests.items() if not digest)

    def __getitem__(self, image: str) -> str:
        """An image as manifests name it: `name:tag@digest`, or `name:tag` where there is no digest, or none is kept."""
        digest = self.digests.get(image, "")
        return f"{image}@{digest}" if digest else image

    def written_into(self, text: str) -> str:
        """A text with each of the images named as here: in one word, or by the three keys that kustomize has."""
        for image, digest in self.digests.items():
            name, _, tag = image.rpartition(":")
            text = re.sub(rf"(?<![\w./-]){re.escape(image)}(?:@sha256:[0-9a-f]{{64}})?(?![\w.-])", self[image], text)
            keys = rf"(- name: {re.escape(name)}\n(?P<blank> +)newTag: {re.escape(tag)}\n)(?: +digest: \S+\n)?"
            line = rf"\g<blank>digest: {digest}\n" if digest else ""
            text = re.sub(keys, rf"\g<1>{line}", text)
        return text


def update(path: Path, client: RegistryClient, *, insecure: Iterable[str] = ()) -> tuple[Path, ...]:
    """Look every image of a file up at its registry, and write the digests into it and what lies beside it.

    Nothing is written unless all of them were found. Caches are not asked: those of an install are in its cluster.

    Args:
        path: of the file; the YAML files below its folder, and its `Dockerfile`, get the digests too.
        client: asks the registries.
        insecure: registries spoken to without TLS verification.

    Returns:
        The files that changed.

    Raises:
        UsageError: it cannot be read.
        ImageError: an image was not found; the message says which.
    """
    images, insecure = OwnImages.read(path).digests, tuple(insecure)
    now = OwnImages({image: pin(parse(image), client, insecure=insecure).digest for image in images})
    found: dict[Path, str] = {}
    for file in (path, *sorted(path.parent.rglob("*.yaml")), *path.parent.glob("Dockerfile")):
        text = file.read_text(encoding="utf-8")
        if (new := now.written_into(text)) != text:
            found[file] = new
    for file, text in found.items():
        write_atomic(file, text.encode())
    return tuple(found)
