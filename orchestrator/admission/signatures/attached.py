"""SBOMs that came with an image, of which somebody who counts has signed the very bytes.

* attestations (in-toto), at cosign's tag `sha256-….att` or as bundles that refer to the image, are signed themselves;
* a manifest that refers to the image (OCI 1.1), or lies at cosign's older tag `sha256-….sbom`, counts where that
  manifest is signed;
* BuildKit's attestation manifests, in the index beside the image, count where that index is signed.

What nobody who counts has signed is not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from orchestrator.admission.signatures.finding import MOST_DOCUMENTS, Places, manifest_in, short, tag_of
from orchestrator.admission.signatures.forms import IN_TOTO, NotSignedError, claimed_type, said
from orchestrator.admission.signatures.verifying import Signed, Signers
from orchestrator.images.digests import digest_of
from orchestrator.net.errors import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.images.manifests import Descriptor, Manifest
    from orchestrator.images.registry.client import RegistryClient
    from orchestrator.model import Signer
    from orchestrator.net.allowance import Allowance

#: What SBOMs are called as predicates of attestations; versions may follow (`https://spdx.dev/Document/v2.3`).
_PREDICATES: Final = {
    "https://cyclonedx.org/bom": "cyclonedx",
    "https://spdx.dev/Document": "spdx",
    "https://syft.dev/bom": "syft",
}
#: Likewise as the type of an artifact, or of its only layer.
_MEDIA: Final = {
    "application/vnd.cyclonedx": "cyclonedx",
    "application/vnd.cyclonedx+json": "cyclonedx",
    "application/vnd.syft+json": "syft",
    "application/spdx+json": "spdx",
    "text/spdx": "spdx",
    "text/spdx+json": "spdx",
}
_OF_COSIGN = "application/vnd.dev.cosign.artifact.sbom."
# BuildKit, docs/attestations/attestation-storage.md.
_ABOUT = "vnd.docker.reference.digest"
_PREDICATE = "in-toto.io/predicate-type"
#: Indexes of one image that are looked into.
_MOST_INDEXES: Final = 4
_LONGEST = 300


class AttachedSbom(NamedTuple):
    """An SBOM that somebody who counts has signed.

    Attributes:
        format: `syft`, `cyclonedx` or `spdx`, as it is called where it lies.
        data: its bytes.
        signer: who signed it.
        place: where it lies, for messages.
        names_image: whether what was signed names the image's digest.
    """

    format: str
    data: bytes
    signer: Signer
    place: str
    names_image: bool = True


class AttachedSboms:
    """Finds those of images in one repository.

    Args:
        client: asks the registry.
        location: of the repository, `http(s)://host[:port]/repository`.
        allowance: what it may cost.
        signers: verifies.
        wanted: who counts.
    """

    def __init__(
        self, client: RegistryClient, location: str, allowance: Allowance, signers: Signers, wanted: Sequence[Signer]
    ) -> None:
        self._places = Places(client, location, allowance)
        self._signers, self._wanted = signers, wanted

    def find(self, digest: str, indexes: Sequence[str] = ()) -> Iterator[AttachedSbom | str]:
        """Everything there is about an image: SBOMs, and why others do not count.

        Args:
            digest: of the manifest of the image's platform.
            indexes: digests of the indexes that led to it.

        Raises:
            ImageError: the registry does not answer, or with something else than its specification says.
            UsageError: a key, or the roots of a Sigstore, cannot be used.
        """
        yield from self._attestations(digest)
        yield from self._artifacts(digest)
        for index in indexes[:_MOST_INDEXES]:
            yield from self._of_index(digest, index)

    def _attestations(self, digest: str) -> Iterator[AttachedSbom | str]:
        for document in self._places.find(digest):
            claimed = claimed_type(document.form) if document.form else ""
            if document.form and not _of_predicate(claimed):
                continue  # a signature, or an attestation of something else
            for answer in self._signers.each([document], self._wanted, digest, predicate_type=claimed):
                if isinstance(answer, Signed):
                    found = answer.statement
                    yield AttachedSbom(_of_predicate(claimed), found.predicate, answer.by, answer.place)
                else:
                    yield answer

    def _artifacts(self, digest: str) -> Iterator[AttachedSbom | str]:
        for place, referrers in self._places.referring(digest):
            wanted = [one for one in referrers if _is_sbom(one.artifact_type)]
            for one in wanted[:MOST_DOCUMENTS]:
                data = self._places.manifest(one.digest)
                if data is not None:
                    yield from self._of_artifact(f"{short(one.digest)} {place}", data, one.digest, digest)
        tag = f"{tag_of(digest)}.sbom"
        data = self._places.manifest(tag)
        if data is not None:
            yield from self._of_artifact("at its tag sha256-….sbom", data, digest_of(data), digest)

    def _of_artifact(self, place: str, data: bytes, own: str, digest: str) -> Iterator[AttachedSbom | str]:
        """The SBOM that a manifest consists of, if that is signed."""
        answer = self._signers.find(self._places.find(own), self._wanted, own)
        if not isinstance(answer, Signed):
            yield f"{place}: {answer}"[:_LONGEST]
            return
        try:
            manifest = manifest_in(data, place)
            layer, format_ = _only_layer(manifest)
            names_image = manifest.subject is not None and manifest.subject.digest == digest
            yield AttachedSbom(format_, self._places.content(layer, place), answer.by, place, names_image)
        except NotSignedError as error:
            yield f"{place}: {error}"[:_LONGEST]

    def _of_index(self, digest: str, index: str) -> Iterator[AttachedSbom | str]:
        """What BuildKit put beside the image: signed by nobody, but for who signed the whole index."""
        place = f"in the index {short(index)}"
        data = self._places.manifest(index)
        if data is None:
            return
        try:
            entries = manifest_in(data, place).manifests or ()
            about = [each for each in entries if (each.annotations or {}).get(_ABOUT) == digest]
            sboms = [layer for each in about[:MOST_DOCUMENTS] for layer in self._in_toto(each, place)]
        except NotSignedError as error:
            yield f"{place}: {error}"[:_LONGEST]
            return
        if not sboms:
            return
        answer = self._signers.find(self._places.find(index), self._wanted, index)
        if not isinstance(answer, Signed):
            yield f"{place}: {answer}"[:_LONGEST]
            return
        for layer in sboms[:MOST_DOCUMENTS]:
            try:
                statement = said(IN_TOTO, self._places.content(layer, place))
                names_image = digest in statement.digests
                format_ = _of_predicate(statement.predicate_type)
                yield AttachedSbom(format_, statement.predicate, answer.by, place, names_image)
            except NotSignedError as error:
                yield f"{place}: {error}"[:_LONGEST]

    def _in_toto(self, entry: Descriptor, place: str) -> list[Descriptor]:
        """The SBOMs among the layers of an attestation manifest.

        Raises:
            NotSignedError: it is none.
        """
        try:
            data = self._places.manifest(entry.blob(place).digest)
        except Unsupported as error:
            raise NotSignedError(str(error)) from error
        layers = manifest_in(data, place).layers or () if data is not None else ()
        return [
            layer
            for layer in layers
            if layer.media_type == IN_TOTO and _of_predicate((layer.annotations or {}).get(_PREDICATE, ""))
        ]


def _only_layer(manifest: Manifest) -> tuple[Descriptor, str]:
    """The SBOM of an artifact, and its format.

    Raises:
        NotSignedError: it has none, or several.
    """
    layers = [(layer, _MEDIA[kind]) for layer in manifest.layers or () if (kind := _plain(layer.media_type)) in _MEDIA]
    if len(layers) != 1:
        raise NotSignedError(f"{len(layers)} SBOMs of a known type in it, where one was expected")
    return layers[0]


def _of_predicate(kind: str) -> str:
    """The format that a type of predicate stands for; empty for what is no SBOM."""
    return next((name for known, name in _PREDICATES.items() if kind == known or kind.startswith(f"{known}/")), "")


def _is_sbom(kind: str) -> bool:
    return _plain(kind) in _MEDIA or kind.startswith(_OF_COSIGN)


def _plain(kind: str) -> str:
    """A media type without its parameters."""
    return kind.partition(";")[0].strip().lower()
