"""Whether a request comes from the sender whose path it was sent to."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from orchestrator.config.secret import reveal_word
from orchestrator.errors import UsageError
from orchestrator.receiving.messages import ProofError
from orchestrator.receiving.senders import SENDERS
from orchestrator.receiving.senders.interface import ProofKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.events import EventSender, EventsSection
    from orchestrator.receiving.messages import EventRequest
    from orchestrator.receiving.senders.interface import SenderKind

#: Before a secret in `Authorization`, in any case; a sender may also send the bare secret.
_SCHEMES = ("bearer ", "token ", "basic ")
_ALGORITHM = "sha256="
#: What one part of a path may be, spelt as it is.
_PART = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@-]{1,512}")


def senders_of(section: EventsSection, environment: Mapping[str, str]) -> dict[str, tuple[EventSender, str]]:
    """The configured senders by name, each with its secret.

    Args:
        section: names them.
        environment: variable to value.

    Raises:
        UnsetSecretError: a variable that a secret is to come from is not set.
        UsageError: a secret is too short, or is to be part of a path and cannot be.
    """
    found = {}
    for place, sender in enumerate(section.senders):
        key = f"events.senders[{place}].secret"
        secret = reveal_word(sender.secret, environment, key)
        is_part = sender.in_path or SENDERS[sender.kind].proof is ProofKind.PATH
        if is_part and not _PART.fullmatch(secret):
            raise UsageError(f"{key} is the end of a path; take letters and digits, no `/`, `%`, `?` or `#`, up to 512")
        found[sender.name] = sender, secret
    return found


def check_proof(kind: SenderKind, secret: str, delivery: EventRequest, part: str, *, in_path: bool = False) -> None:
    """Let through what its sender sent; nothing here takes longer for a guess that is nearly right.

    Args:
        kind: of sender.
        secret: that both sides know.
        delivery: the request.
        part: what stands behind the sender's name in the path; empty for nothing.
        in_path: whether it is to be the secret, though such a sender could have a header with it.

    Raises:
        ProofError: it does not prove itself; what it sent instead is not told.
    """
    proof = ProofKind.PATH if in_path else kind.proof
    if not _holds(proof, kind.proof_header, secret, delivery, part):
        raise ProofError(_MISSING[proof].format(kind.proof_header))


def _holds(kind: ProofKind, header: str, secret: str, delivery: EventRequest, part: str) -> bool:
    if kind is ProofKind.PATH:
        return _same(part, secret)
    if part:
        return False
    if kind is ProofKind.HEADER:
        given = delivery.headers.get("authorization", "").strip()
        scheme = next((each for each in _SCHEMES if given.lower().startswith(each)), "")
        return _same(given, secret) | _same(given[len(scheme) :].strip(), secret)
    given = delivery.headers.get(header, "").strip()
    if kind is ProofKind.TOKEN_HEADER:
        return _same(given, secret)
    digest = hmac.new(secret.encode(), delivery.body, hashlib.sha256).hexdigest()
    return _same(given.removeprefix(_ALGORITHM).lower(), digest)


def _same(one: str, other: str) -> bool:
    """Of digests, so that their lengths tell nothing either."""
    digests = (hashlib.sha256(each.encode("utf-8", "surrogateescape")).digest() for each in (one, other))
    return hmac.compare_digest(*digests)


_MISSING = {
    ProofKind.PATH: "the path does not end in the secret of this sender",
    ProofKind.HEADER: "the header Authorization does not have the secret of this sender",
    ProofKind.TOKEN_HEADER: "the header {} does not have the secret of this sender",
    ProofKind.SIGNATURE: "the header {} is no signature of this body by the secret of this sender",
}
