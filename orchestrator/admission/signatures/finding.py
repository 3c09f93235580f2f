"""Where signatures and attestations of an image lie: cosign's tags, and what refers to the image (OCI 1.1).

Everything is bounded: documents in bytes, layers and referrers in number, and all of it by an allowance of requests,
bytes and seconds. A registry that says that there is nothing has answered; one that does not answer is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from orchestrator.admission.signatures.forms import (
    BUNDLE,
    DSSE,
    MOST_BYTES,
    SIMPLE_SIGNING,
    Bundled,
    Enveloped,
    NotSignedError,
    Simple,
    bundled,
    enveloped,
    simple,
)
from orchestrator.images.manifests import read_manifest
from orchestrator.images.registry.listing import Referrer, referrers_in
from orchestrator.net.errors import NotFound, Unsupported, WrongBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from orchestrator.images.manifests import Descriptor, Manifest
    from orchestrator.images.registry.client import RegistryClient
    from orchestrator.net.allowance import Allowance

#: One of the forms in which something is signed.
Form: TypeAlias = Simple | Enveloped | Bundled

#: Documents that are looked at of one image in one place.
MOST_DOCUMENTS: Final = 64

# How cosign 2 calls what it puts among the referrers, with `--registry-referrers-mode=oci-1-1`.
_OLDER = "application/vnd.dev.cosign.artifact."
_SUFFIXES = (".sig", ".att")
# Of a digest in messages.
_SHOWN: Final = len("sha256:") + 12


class SignedDocument(NamedTuple):
    """Something that is, or says that it is, signed about an image.

    Attributes:
        place: where it lies, for messages.
        form: of it; None for what has none.
        wrong: why it has none; empty for nothing.
    """

    place: str
    form: Form | None
    wrong: str = ""


class Places:
    """Finds what is signed about the images of one repository.

    Args:
        client: asks the registry.
        location: of the repository, `http(s)://host[:port]/repository`.
        allowance: what it may cost.
    """

    def __init__(self, client: RegistryClient, location: str, allowance: Allowance) -> None:
        self._client, self._location, self._allowance = client, location, allowance
        self._listed: dict[str, list[tuple[str, tuple[Referrer, ...]]]] = {}

    def find(self, digest: str) -> Iterator[SignedDocument]:
        """Everything there is about an image, place by place: nothing is read that nobody asks for.

        Args:
            digest: of its manifest or index.

        Raises:
            ImageError: the registry does not answer, or with something else than its specification says.
        """
        for place, referrers in self.referring(digest):
            yield from self._of_referrers(place, referrers)
        for suffix in _SUFFIXES:
            yield from self._tagged(f"{tag_of(digest)}{suffix}")

    def referring(self, digest: str) -> Iterator[tuple[str, tuple[Referrer, ...]]]:
        """What refers to an image, place by place, each read once.

        Args:
            digest: of its manifest or index.

        Raises:
            ImageError: as `find` does.
        """
        seen = self._listed.setdefault(digest, [])
        yield from seen
        if not seen:
            listed = self._client.referrers(self._location, digest, allowance=self._allowance)
            seen.append(("among its referrers", tuple(listed or ())))
            yield seen[0]
        if len(seen) == 1:
            seen.append(("in the list at its tag", self._fallback(tag_of(digest))))
            yield seen[1]

    def manifest(self, reference: str) -> bytes | None:
        """A manifest by its tag or digest; None where there is none.

        Raises:
            ImageError: as `find` does.
        """
        try:
            return self._client.manifest(self._location, reference, allowance=self._allowance).data
        except NotFound:
            return None

    def content(self, layer: Descriptor, place: str) -> bytes:
        """A document that a manifest names.

        Args:
            layer: names it.
            place: of the manifest, for messages.

        Raises:
            NotSignedError: it is too large, not there, or not what its digest promises.
            ImageError: as `find` does.
        """
        try:
            blob = layer.blob(place)
        except Unsupported as error:
            raise NotSignedError(str(error)) from error
        if blob.size > MOST_BYTES:
            raise NotSignedError(f"a document of {blob.size} bytes, {MOST_BYTES} are read at most")
        try:
            return self._client.blob(self._location, blob, allowance=self._allowance)
        except (NotFound, WrongBytes) as error:
            raise NotSignedError(str(error)) from error

    def _fallback(self, tag: str) -> tuple[Referrer, ...]:
        """Referrers as clients keep them where the registry does not ("Referrers Tag Schema")."""
        data = self.manifest(tag)
        return () if data is None else referrers_in(data, origin=f"{self._location}: {tag}")

    def _of_referrers(self, place: str, referrers: Sequence[Referrer]) -> Iterator[SignedDocument]:
        wanted = [one for one in referrers if one.artifact_type.startswith((BUNDLE, _OLDER)) or not one.artifact_type]
        for one in wanted[:MOST_DOCUMENTS]:
            data = self.manifest(one.digest)
            if data is not None:
                yield from self._of_manifest(f"{short(one.digest)} {place}", data)
        if len(wanted) > MOST_DOCUMENTS:
            yield SignedDocument(place, None, f"there are {len(wanted)}, of which {MOST_DOCUMENTS} were looked at")

    def _tagged(self, tag: str) -> Iterator[SignedDocument]:
        data = self.manifest(tag)
        if data is not None:
            yield from self._of_manifest(f"at its tag {short(tag)}{tag[-4:]}", data)

    def _of_manifest(self, place: str, data: bytes) -> Iterator[SignedDocument]:
        """What the layers of a manifest are."""
        try:
            manifest = manifest_in(data, place)
        except NotSignedError as error:
            yield SignedDocument(place, None, str(error))
            return
        layers = [layer for layer in manifest.layers or () if layer.media_type in _FORMS]
        for layer in layers[:MOST_DOCUMENTS]:
            try:
                yield SignedDocument(place, self._form(layer, place))
            except NotSignedError as error:
                yield SignedDocument(place, None, str(error))
        if len(layers) > MOST_DOCUMENTS:
            yield SignedDocument(place, None, f"there are {len(layers)}, of which {MOST_DOCUMENTS} were looked at")

    def _form(self, layer: Descriptor, place: str) -> Form:
        return _FORMS[layer.media_type](self.content(layer, place), layer.annotations or {})


def short(digest: str) -> str:
    """A digest as messages have it."""
    return f"{digest[:_SHOWN]}…"


def tag_of(digest: str) -> str:
    """The tag at which clients keep what is about an image, where the registry lists no referrers."""
    return digest.replace(":", "-")


def manifest_in(data: bytes, place: str) -> Manifest:
    """A manifest that was found at a place.

    Raises:
        NotSignedError: it is none.
    """
    try:
        return read_manifest(data, origin=place)
    except Unsupported as error:
        raise NotSignedError(str(error)) from error


_FORMS: dict[str, Callable[..., Form]] = {
    SIMPLE_SIGNING: simple,
    DSSE: enveloped,
    BUNDLE: lambda data, annotations: bundled(data),  # noqa: ARG005 - as the others
}
