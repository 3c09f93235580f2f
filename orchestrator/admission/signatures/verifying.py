"""Which signer an image has, of those who count: every signature there is against every one of them, until one is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from orchestrator.admission.signatures import keys
from orchestrator.admission.signatures.forms import (
    Enveloped,
    NotSignedError,
    SignedStatement,
    Simple,
    said,
    said_simply,
)
from orchestrator.admission.signatures.keyless import KeylessVerifier, TrustRootError
from orchestrator.model.signing import is_pem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from orchestrator.admission.signatures.finding import Form, SignedDocument
    from orchestrator.admission.signatures.keys import PublicKey
    from orchestrator.model import Signer

_MOST_FILE: Final = 4 * 1024 * 1024
#: Reasons that a message names, and its characters.
_MOST_REASONS: Final = 4
_LONGEST: Final = 300


class Signed(NamedTuple):
    """That somebody who counts said something about an image.

    Attributes:
        by: who.
        place: where that lies.
        statement: what it was.
    """

    by: Signer
    place: str
    statement: SignedStatement


class Unsigned(NamedTuple):
    """That nobody who counts did.

    Attributes:
        looked_at: number of documents that were there.
        why: each does not count, a sentence each; the first ones of many.
    """

    looked_at: int
    why: tuple[str, ...]

    def __str__(self) -> str:
        """In words, as the end of a sentence."""
        said = "; ".join(self.why)
        if self.looked_at:
            return f"of {self.looked_at} found, none counts: {said}"
        return f"there is no signature at all{said and f' ({said})'}"


class Signers:
    """Verifies signatures against signers; keys and roots are read once.

    Args:
        folder: that the files of keys and roots are named from.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: dict[str, PublicKey] = {}
        self._roots: dict[str | None, KeylessVerifier] = {}

    def find(
        self, found: Iterable[SignedDocument], signers: Sequence[Signer], digest: str, *, predicate_type: str = ""
    ) -> Signed | Unsigned:
        """Who of the signers says something about an image.

        Args:
            found: what there is; read no further than needed.
            signers: who counts.
            digest: of the image; what is about another one does not count, no matter who signed it.
            predicate_type: of the attestation that is wanted; empty for a signature.

        Raises:
            UsageError: a key or the roots cannot be used.
            ImageError: as `Places.find` does.
        """
        why: dict[str, None] = {}
        looked_at: list[SignedDocument] = []
        for answer in self.each(_noted(found, looked_at), signers, digest, predicate_type=predicate_type):
            if isinstance(answer, Signed):
                return answer
            why[answer] = None
        return Unsigned(len(looked_at), tuple(why)[:_MOST_REASONS])

    def each(
        self, found: Iterable[SignedDocument], signers: Sequence[Signer], digest: str, *, predicate_type: str
    ) -> Iterator[Signed | str]:
        """What the signers say about an image, document by document; why others do not count.

        Args:
            found: as for `find`.
            signers: who counts.
            digest: of the image.
            predicate_type: of the attestations that are wanted; empty for signatures.

        Raises:
            As `find` does.
        """
        for each in found:
            if each.form is None:
                yield f"{each.place}: {each.wrong}"[:_LONGEST]
                continue
            for signer in signers:
                try:
                    told = self._said(each.form, signer)
                    _check(told, digest, predicate_type)
                except NotSignedError as error:
                    yield f"{each.place}: {error} ({signer})"[:_LONGEST]
                else:
                    yield Signed(signer, each.place, told)
                    break

    def check(self, signers: Iterable[Signer]) -> None:
        """Read the keys and roots of signers.

        Raises:
            UsageError: one cannot be used.
        """
        for signer in signers:
            if signer.key is None:
                self._keyless(signer)
            else:
                self._key(signer.key)

    def _said(self, form: Form, signer: Signer) -> SignedStatement:
        """What a signer says by a document; nothing of it counts before it is verified."""
        if signer.key is not None:
            return self._said_by_key(form, self._key(signer.key))
        return self._said_by_identity(form, signer)

    def _said_by_key(self, form: Form, key: PublicKey) -> SignedStatement:
        if isinstance(form, Simple):
            keys.verify(key, form.signature, form.payload)
            return said_simply(form.payload)
        envelope = form.envelope
        for number, signature in enumerate(signatures := envelope.signatures or (), start=1):
            try:
                keys.verify(key, signature.sig, envelope.signed_bytes)
                break
            except NotSignedError:
                if number == len(signatures):
                    raise
        return said(envelope.payload_type, envelope.payload)

    def _said_by_identity(self, form: Form, signer: Signer) -> SignedStatement:
        verifier = self._keyless(signer)
        if isinstance(form, Simple):
            verifier.simple(form, signer)
            return said_simply(form.payload)
        if isinstance(form, Enveloped):
            return said(*verifier.enveloped(form, signer))
        if not form.keyless:
            raise NotSignedError("signed with a key")
        return said(*verifier.bundle(form, signer))

    def _key(self, key: str) -> PublicKey:
        if key not in self._keys:
            pem = key.encode() if is_pem(key) else _read(self._folder / Path(key).expanduser())
            self._keys[key] = keys.read_key(pem, "a key" if is_pem(key) else key)
        return self._keys[key]

    def _keyless(self, signer: Signer) -> KeylessVerifier:
        root = signer.trust_root
        if root not in self._roots:
            data = None if root is None else _read(self._folder / Path(root).expanduser())
            self._roots[root] = KeylessVerifier(data, root or "the roots of the public Sigstore")
        return self._roots[root]


def _noted(found: Iterable[SignedDocument], seen: list[SignedDocument]) -> Iterator[SignedDocument]:
    for each in found:
        seen.append(each)
        yield each


def _check(told: SignedStatement, digest: str, predicate_type: str) -> None:
    """See that what was said is what is wanted, about the image that is wanted.

    Raises:
        NotSignedError: it is not.
    """
    if told.predicate_type != predicate_type:
        kind = f"an attestation of type {told.predicate_type[:100]}" if told.predicate_type else "a signature"
        wanted = f"one of type {predicate_type}" if predicate_type else "a signature"
        raise NotSignedError(f"{kind}, not {wanted}")
    if digest not in told.digests:
        others = ", ".join(sorted(one[:80] for one in told.digests)[:2]) or "nothing"
        raise NotSignedError(f"it is about another image, {others}")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_FILE + 1)
    except OSError as error:
        raise TrustRootError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > _MOST_FILE:
        raise TrustRootError(f"{path}: larger than {_MOST_FILE} bytes")
    return data
