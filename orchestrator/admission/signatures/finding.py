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
    from collections.abc import Callable, Iterator

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

    def find(self, digest: str) -> Iterator[SignedDocument]:
        """Everything there is about an image, place by place: nothing is read that nobody asks for.

        Args:
            digest: of its manifest or index.

        Raises:
            ImageError: the registry does not answer, or with something else than its specification says.
        """
        name = digest.replace(":", "-")
        listed = self._client.referrers(self._location, digest, allowance=self._allowance)
        yield from self._referring("among its referrers", listed or ())
        yield from self._referring("in the list at its tag", self._fallback(name))
        for suffix in _SUFFIXES:
            yield from self._tagged(f"{name}{suffix}")

    def _fallback(self, tag: str) -> tuple[Referrer, ...]:
        """Referrers as clients keep them where the registry does not ("Referrers Tag Schema")."""
        data = self._manifest(tag)
        return () if data is None else referrers_in(data, origin=f"{self._location}: {tag}")

    def _referring(self, place: str, referrers: tuple[Referrer, ...] | list[Referrer]) -> Iterator[SignedDocument]:
        wanted = [one for one in referrers if one.artifact_type.startswith((BUNDLE, _OLDER)) or not one.artifact_type]
        for one in wanted[:MOST_DOCUMENTS]:
            data = self._manifest(one.digest)
            if data is not None:
                yield from self._of_manifest(f"{one.digest[:_SHOWN]}… {place}", data)
        if len(wanted) > MOST_DOCUMENTS:
            yield SignedDocument(place, None, f"there are {len(wanted)}, of which {MOST_DOCUMENTS} were looked at")

    def _tagged(self, tag: str) -> Iterator[SignedDocument]:
        data = self._manifest(tag)
        if data is not None:
            yield from self._of_manifest(f"at its tag {tag[:_SHOWN]}…{tag[-4:]}", data)

    def _manifest(self, reference: str) -> bytes | None:
        """A manifest; None where there is none."""
        try:
            return self._client.manifest(self._location, reference, allowance=self._allowance).data
        except NotFound:
            return None

    def _of_manifest(self, place: str, data: bytes) -> Iterator[SignedDocument]:
        """What the layers of a manifest are."""
        try:
            manifest = _read(data, place)
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
        try:
            blob = layer.blob(place)
        except Unsupported as error:
            raise NotSignedError(str(error)) from error
        if blob.size > MOST_BYTES:
            raise NotSignedError(f"a document of {blob.size} bytes, {MOST_BYTES} are read at most")
        try:
            data = self._client.blob(self._location, blob, allowance=self._allowance)
        except (NotFound, WrongBytes) as error:
            raise NotSignedError(str(error)) from error
        return _FORMS[layer.media_type](data, layer.annotations or {})


def _read(data: bytes, place: str) -> Manifest:
    try:
        return read_manifest(data, origin=place)
    except Unsupported as error:
        raise NotSignedError(str(error)) from error


_FORMS: dict[str, Callable[..., Form]] = {
    SIMPLE_SIGNING: simple,
    DSSE: enveloped,
    BUNDLE: lambda data, annotations: bundled(data),  # noqa: ARG005 - as the others
}
