"""How the files of layers are called where they are unpacked, and what they are called in the image."""

import hashlib
import os
import re
from urllib.parse import unquote_to_bytes

#: Of a layer's digest, in the name of its folder.
DIGITS = 12
#: Most folders that a file may lie in.
MOST_DEPTH = 200
_LAYER = re.compile(rf"(?P<layer>[0-9a-f]{{{DIGITS}}})(?:\+\d+)?/(?P<path>.+)", re.DOTALL)
_MOST_NAME, _MOST_PATH = 255, 3500
# What could break a line, end a name where it does not, or be taken for a spelling of these.
_UNSAFE = re.compile(rb"[\x00-\x1f\x7f!]|%(?=[0-9A-Fa-f]{2})")


def origin(path: str) -> tuple[str, str] | None:
    """The path in the image, and the layer's digest as far as it is known, of a file that `unpack_layers` wrote.

    Args:
        path: below the folder that it wrote to.

    Returns:
        None for what is in no layer.
    """
    found = _LAYER.fullmatch(path)
    if found is None:
        return None
    name = unquote_to_bytes(found["path"]).decode("utf-8", "backslashreplace")
    return f"/{name}", f"sha256:{found['layer']}"


def spell(name: str) -> str:
    """The name of a file in an image as its path here: within its folder, of a length that file systems take."""
    parts = [part for part in os.fsencode(name).split(b"/") if part not in {b"", b"."}]
    stack: list[bytes] = []
    for part in parts:
        if part != b"..":
            stack.append(_UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], part))
        elif stack:
            stack.pop()
    if not stack:
        return ""
    path = b"/".join(part if len(part) <= _MOST_NAME else _short(part) for part in stack)
    if len(stack) > MOST_DEPTH or len(path) > _MOST_PATH:
        path = b"/".join([*path.split(b"/")[:3], _short(path)])
    return os.fsdecode(path)


def _short(name: bytes) -> bytes:
    """A name that is too long, so that no other becomes the same."""
    return name[-100:].rpartition(b"/")[2] + b"~" + hashlib.sha256(name).hexdigest()[:16].encode()
