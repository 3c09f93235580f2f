"""HTML pages in place of what a registry serves: a proxy's error page, or one to log in at, often with status 200."""

import re
from typing import Final

from orchestrator.kit.signatures import is_page
from orchestrator.net.errors import WrongBytes

#: How far into a page its title is looked for.
_LOOKED_AT: Final = 64 * 1024


def refuse_page(data: bytes, origin: str) -> None:
    """Say so where a page came in place of a document.

    Args:
        data: what came, or its beginning.
        origin: what was asked for, for the message.

    Raises:
        WrongBytes: it is a page.
    """
    if is_page(data):
        raise WrongBytes(
            f"{origin}: what came is {spell_page(data)}: a proxy's, or one to log in at; look at it in a browser, and "
            "check the proxy settings and the registry's address"
        )


def spell_page(page: bytes) -> str:
    """A page in words, with its title where it has one."""
    found = re.search(rb"<title[^>]{0,200}>([^<]{1,200})", page[:_LOOKED_AT], re.IGNORECASE)
    words = re.sub(r"[^ -~]+", " ", found[1].decode(errors="replace")).split() if found else []
    return f"an HTML page ({' '.join(words)[:80]!r})" if words else "an HTML page"
