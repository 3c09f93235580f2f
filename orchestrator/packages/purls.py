"""Package URLs out of documents that strangers wrote (https://github.com/package-url/purl-spec)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.packages.ecosystems import SCHEME, is_purl

if TYPE_CHECKING:
    from packageurl import PackageURL


def read_purl(text: str) -> PackageURL | None:
    """A package URL as the specification has it; None for anything else.

    `orchestrator.packages.identity.canonical` reads more kindly: it says which package is meant, not what is written.
    """
    from packageurl import PackageURL  # noqa: PLC0415 - only where there is one to read

    if not is_purl(text):
        return None
    try:
        return PackageURL.from_string(SCHEME + text[len(SCHEME) :])  # which takes lower case only
    except ValueError:
        return None
