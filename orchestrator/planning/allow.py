"""Which scanner images may run: the allowlist of the configuration (`allow: {images, digests}`).

Scans that this project implements itself run in the orchestrator's own image, which pulls and aggregates anyway: they
are always allowed, a list that forgot them would only stop the checks that need to trust nobody else.
"""

from orchestrator.config.allow import Allow
from orchestrator.images.reference import InvalidReference, parse
from orchestrator.model import Scan
from orchestrator.planning.patterns import matches_strictly


def refusal(scan: Scan, allow: Allow | None) -> str:
    """Why the scan's image may not run; empty when it may.

    Args:
        scan: the scan whose image is judged.
        allow: the allowlist; None allows every image.
    """
    if scan.builtin or allow is None:
        return ""
    try:
        reference, named = parse(scan.image), parse(scan.named or scan.image)
    except InvalidReference as error:
        return f"scanner image not allowed: {error}"
    if reference.digest and reference.digest in allow.digests:
        return ""
    # The tag of a locked image stood for its digest when it was locked; beside a digest that somebody wrote, it is
    # just a word.
    if any(matches_strictly(pattern, named) for pattern in allow.images):
        return ""
    return f"scanner image {scan.image} is not allowed: add it to allow.images or allow.digests"
