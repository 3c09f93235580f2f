"""What a signature may be of, for an image to count as signed: itself, or what leads to it.

* the image itself, by the digest that runs: a manifest, or an index;
* the index that its tag stands for, if it lists that manifest: who signs an index signs what it lists;
* every image that an index lists, where the index itself is not signed (`cosign sign --recursive`).

Signatures prove themselves, wherever they are read. That there is none, only the registry itself can say: a
pull-through cache need not pass on referrers. So both are asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orchestrator.admission.signatures.finding import Places
from orchestrator.admission.signatures.verifying import Signed, Unsigned
from orchestrator.errors import PermanentError
from orchestrator.images.digests import digest_of
from orchestrator.images.manifests import read_manifest
from orchestrator.images.registry.cache import pull_location
from orchestrator.net.allowance import Allowance
from orchestrator.net.errors import ImageError, NotFound, OverBudget, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.admission.signatures.finding import SignedDocument
    from orchestrator.admission.signatures.verifying import Signers
    from orchestrator.images.reference import Reference
    from orchestrator.images.registry.cache import CacheRule
    from orchestrator.images.registry.client import RegistryClient
    from orchestrator.model import ReadBudget, Signer

#: Images of one index that may each be signed instead of it.
_MOST_IMAGES: Final = 32


class Subjects:
    """Looks images up for whom signatures are wanted.

    Args:
        client: asks registries.
        caches: pull-through caches.
        insecure: registries spoken to without TLS verification.
        budget: what each image may cost.
    """

    def __init__(
        self, client: RegistryClient, *, caches: Sequence[CacheRule], insecure: Sequence[str], budget: ReadBudget
    ) -> None:
        self._client, self._caches, self._insecure, self._budget = client, caches, insecure, budget

    def of(self, reference: Reference) -> Subject:
        """An image, its tag looked up once: from then on its digest is what is meant.

        Raises:
            ImageError: it cannot be read.
        """
        allowance = Allowance(self._budget, "limits.lookup")
        locations = dict.fromkeys(
            (pull_location(reference, self._caches, self._insecure), pull_location(reference, (), self._insecure))
        )
        return Subject(self._client, tuple(locations), reference, allowance)


class Subject:
    """One image for which signatures are wanted.

    Args:
        client: asks registries.
        locations: where it is read, the first one like pulls.
        reference: names it.
        allowance: what it may cost.

    Attributes:
        digest: that runs.

    Raises:
        ImageError: it cannot be read.
    """

    def __init__(
        self, client: RegistryClient, locations: tuple[str, ...], reference: Reference, allowance: Allowance
    ) -> None:
        self._client, self._locations, self._reference, self._allowance = client, locations, reference, allowance
        self._seen: dict[tuple[str, str], tuple[list[SignedDocument], Iterator[SignedDocument]]] = {}
        self._manifest = self._read(reference.digest or reference.tag)
        self.digest = reference.digest or digest_of(self._manifest)

    def find(self, signers: Signers, wanted: Sequence[Signer], predicate_type: str = "") -> Signed | Unsigned:
        """Who of the wanted signers has signed it, or what leads to it.

        Args:
            signers: verifies.
            wanted: who counts.
            predicate_type: of the attestation that is wanted; empty for a signature.

        Raises:
            ImageError: a registry does not answer.
            UsageError: a key or the roots cannot be used.
        """
        own = self._find(signers, wanted, self.digest, predicate_type)
        if isinstance(own, Signed):
            return own
        for above in self._above():
            found = self._find(signers, wanted, above, predicate_type)
            if isinstance(found, Signed):
                return found._replace(place=f"{found.place}, of the index {above}")
        return self._of_each(signers, wanted, predicate_type) or own

    def _find(self, signers: Signers, wanted: Sequence[Signer], digest: str, predicate_type: str) -> Signed | Unsigned:
        looked_at, why = 0, dict[str, None]()
        for location in self._locations:
            try:
                found = signers.find(self._documents(location, digest), wanted, digest, predicate_type=predicate_type)
            except OverBudget:
                raise
            except PermanentError as error:
                if location == self._locations[0]:
                    raise
                why[f"its own registry cannot be asked: {error}"] = None
                continue
            if isinstance(found, Signed):
                return found
            looked_at = max(looked_at, found.looked_at)
            why |= dict.fromkeys(found.why)
        return Unsigned(looked_at, tuple(why))

    def _documents(self, location: str, digest: str) -> Iterator[SignedDocument]:
        """What is signed about an image at a place; read once, however many ask, and no further than they ask."""
        seen, rest = self._seen.setdefault(
            (location, digest), ([], Places(self._client, location, self._allowance).find(digest))
        )
        yield from seen
        try:
            for each in rest:
                seen.append(each)
                yield each
        except ImageError:
            del self._seen[location, digest]  # or the next one would take it for the end
            raise

    def _above(self) -> Iterator[str]:
        """The index that the tag stands for, if it lists the digest beside it."""
        if not (self._reference.digest and self._reference.tag):
            return
        try:
            data = self._read(self._reference.tag)
            index = read_manifest(data, origin=str(self._reference))
        except (NotFound, Unsupported):
            return
        if self.digest in {entry.digest for entry in index.manifests or ()}:
            yield digest_of(data)

    def _of_each(self, signers: Signers, wanted: Sequence[Signer], predicate_type: str) -> Signed | None:
        """Every image of the index signed by itself."""
        try:
            index = read_manifest(self._manifest, origin=str(self._reference))
        except Unsupported:
            return None
        images = [entry for entry in index.manifests or () if not entry.is_attestation()]
        if not 0 < len(images) <= _MOST_IMAGES:
            return None
        found = None
        for entry in images:
            one = self._find(signers, wanted, entry.blob(str(self._reference)).digest, predicate_type)
            if not isinstance(one, Signed):
                return None
            found = found or one._replace(place=f"{one.place}, and each other image of the index likewise")
        return found

    def _read(self, reference: str) -> bytes:
        return self._client.manifest(self._locations[0], reference, allowance=self._allowance).data
