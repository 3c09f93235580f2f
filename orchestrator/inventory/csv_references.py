"""The image of a row whose tag, digest or registry stands in a column of its own.

`nginx` beside `1.25` in a column `tag` means `nginx:1.25`; read without it, `latest` would be scanned instead, and
nobody would know. A column of these names beside an image that says it all is a label like any other.
"""

import re
from collections.abc import Iterator, Mapping

from orchestrator.images.reference import is_host, is_tag
from orchestrator.kit.digests import DIGEST

_BARE = re.compile(r"[0-9a-f]{64}")
_SEPARATORS = str.maketrans("", "", "-_ ")
#: What a column stands for, by its plain name.
_PARTS = {"tag": "tag", "imagetag": "tag", "digest": "digest", "imagedigest": "digest", "registry": "registry"}
#: What a column stands for where its cell looks like one, and none of those above has it; else it is a label.
_PERHAPS = {
    **dict.fromkeys(("version", "imageversion", "tags", "imagetags", "tagname"), "tag"),
    **dict.fromkeys(("sha", "sha256", "imagesha", "imagesha256"), "digest"),
}
_LISTS = {"tags", "imagetags"}
_LOOKS = {"tag": re.compile(r"v?[0-9][\w.-]{0,127}", re.ASCII), "digest": re.compile(r"(sha256:)?[0-9a-f]{64}")}


def plain(column: str) -> str:
    """The name of a column without what people write it with: `Image Tag` and `image_tag` are one."""
    return column.lower().translate(_SEPARATORS)


def parts_in(row: Mapping[str, str]) -> dict[str, str]:
    """Tag, digest and registry that a row has in columns of their own, without empty ones."""
    cells = [(plain(column), cell) for column, cell in row.items() if cell]
    named = {_PARTS[name]: cell for name, cell in cells if name in _PARTS}
    if row.get("repository"):
        return named  # the version of a source repository is nobody's tag
    perhaps = {
        _PERHAPS[name]: cell for name, cell in cells if name in _PERHAPS and _LOOKS[_PERHAPS[name]].fullmatch(cell)
    }
    return perhaps | named


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
    yield from _contradictions(row)
    pinned = "@" in image
    if "tag" in parts and not pinned and not _has_tag(image) and not is_tag(parts["tag"]):
        yield f"{parts['tag']!r} in the column of tags is no tag"
    if "digest" in parts and not pinned and not DIGEST.fullmatch(_digest(parts["digest"])):
        yield f"{parts['digest']!r} in the column of digests is no digest, as sha256:<64 hexadecimal digits>"
    if is_host(parts.get("registry", "")) and not is_host(image.partition("/")[0] if "/" in image else ""):
        yield (
            f"names its registry, {parts['registry']}, in a column of its own; write it before the image:"
            f" {parts['registry']}/{image}"
        )


def _contradictions(row: Mapping[str, str]) -> Iterator[str]:
    """Parts of which a row has two."""
    image = row.get("image", "")
    for part, has_own in (("tag", _has_tag(image) or "@" in image), ("digest", "@" in image)):
        cells = {cell for column, cell in row.items() if cell and _PARTS.get(plain(column)) == part}
        if len(cells) > 1 and not has_own:
            yield f"has two {part}s, {' and '.join(sorted(cells))}, in columns of their own; leave one of them"
    several = [cell for column, cell in row.items() if plain(column) in _LISTS and _names_several(cell)]
    if several and not _has_tag(image) and not parts_in(row).keys() & {"tag", "digest"}:
        yield f"names several tags, {several[0]}; give each a row of its own"
    own, digest = image.partition("@")[2], _digest(parts_in(row).get("digest", ""))
    if own and DIGEST.fullmatch(digest) and digest != own:
        yield f"is pinned to {own}, and the column of digests says {digest}; leave one of them"


def _names_several(cell: str) -> bool:
    """Whether a cell is a list of what look like tags."""
    each = re.split(r"[;, ]+", cell)
    return len(each) > 1 and all(map(_LOOKS["tag"].fullmatch, each))


def _digest(text: str) -> str:
    """A digest with its algorithm; 64 hexadecimal digits alone can be of one only."""
    return f"sha256:{text}" if _BARE.fullmatch(text) else text


def _has_tag(image: str) -> bool:
    return ":" in image.rpartition("/")[2]


def _is_file(image: str) -> bool:
    return image.startswith((".", "/", "file:"))
