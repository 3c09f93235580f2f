"""The image of a row whose tag, digest or registry stands in a column of its own.

`nginx` beside `1.25` in a column `tag` means `nginx:1.25`; read without it, `latest` would be scanned instead, and
nobody would know. A column of these names beside an image that says it all is a label like any other.
"""

import re
from collections.abc import Iterator, Mapping

from orchestrator.images.reference import is_tag
from orchestrator.kit.digests import DIGEST

_BARE = re.compile(r"[0-9a-f]{64}")
_SEPARATORS = str.maketrans("", "", "-_ ")
#: What a column stands for, by its name without `-`, `_` and blanks.
_PARTS = {"tag": "tag", "imagetag": "tag", "digest": "digest", "imagedigest": "digest", "registry": "registry"}


def parts_in(row: Mapping[str, str]) -> dict[str, str]:
    """Tag, digest and registry that a row has in columns of their own, without empty ones."""
    named = {_PARTS.get(column.translate(_SEPARATORS), ""): cell for column, cell in row.items() if cell}
    named.pop("", None)
    return named


def joined(row: Mapping[str, str]) -> str:
    """The image of a row with its tag and digest."""
    image, parts = row.get("image", ""), parts_in(row)
    tag, digest = parts.get("tag", ""), parts.get("digest", "")
    if not image or _is_file(image):
        return image
    if tag and not _has_tag(image) and "@" not in image:
        image = f"{image}:{tag}"
    if digest and "@" not in image:
        image = f"{image}@{_digest(digest)}"
    return image


def misplaced(row: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the parts of a row."""
    image, parts = row.get("image", ""), parts_in(row)
    if row.get("repository"):
        if not row.get("ref") and (part := next((part for part in ("tag", "digest") if part in parts), "")):
            yield (
                f"a {part} beside a source repository: name an image in the column 'image', and the branch, tag or"
                " commit of a repository in the column 'ref'"
            )
        return
    if not image or _is_file(image):
        return
    pinned = "@" in image
    if "tag" in parts and not pinned and not _has_tag(image) and not is_tag(parts["tag"]):
        yield f"{parts['tag']!r} in the column of tags is no tag"
    if "digest" in parts and not pinned and not DIGEST.fullmatch(_digest(parts["digest"])):
        yield f"{parts['digest']!r} in the column of digests is no digest, as sha256:<64 hexadecimal digits>"
    if _is_host(parts.get("registry", "")) and not _is_host(image.partition("/")[0] if "/" in image else ""):
        yield (
            f"names its registry, {parts['registry']}, in a column of its own; write it before the image:"
            f" {parts['registry']}/{image}"
        )


def _digest(text: str) -> str:
    """A digest with its algorithm; 64 hexadecimal digits alone can be of one only."""
    return f"sha256:{text}" if _BARE.fullmatch(text) else text


def _has_tag(image: str) -> bool:
    return ":" in image.rpartition("/")[2]


def _is_file(image: str) -> bool:
    return image.startswith((".", "/", "file:"))


def _is_host(text: str) -> bool:
    """As Docker tells a registry from a user of its own: by a dot, a port, or the name `localhost`."""
    return "." in text or ":" in text or text == "localhost"
