"""Components of CycloneDX as nearly all tools write them: decoded and found valid in one go, by their types alone.

What these types allow, the schema of each version in `VERSIONS` allows, too; what they do not allow may be valid all
the same, which the schema then decides. They check four times as fast as it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from orchestrator.results.bom.validity import license_ids

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

#: Of CycloneDX, of which that holds.
VERSIONS = frozenset({"1.4", "1.5", "1.6", "1.7"})

_Kind = Literal["application", "framework", "library", "container", "operating-system", "device", "firmware", "file"]
_Scope = Literal["required", "optional", "excluded"]
_Algorithm = Literal["MD5", "SHA-1", "SHA-256", "SHA-384", "SHA-512", "SHA3-256", "SHA3-384", "SHA3-512", "BLAKE3"]
_LinkKind = Literal[
    "vcs", "issue-tracker", "website", "advisories", "bom", "mailing-list", "social", "chat", "documentation",
    "support", "distribution", "license", "build-meta", "build-system", "release-notes", "other",
]  # fmt: skip
_Ref = Annotated[str, Meta(min_length=1)]
_Version = Annotated[str, Meta(max_length=1024)]
_LENGTHS, _DIGITS = frozenset({32, 40, 64, 96, 128}), b"0123456789abcdefABCDEF"
# Without anything that would have to be escaped.
_Url = Annotated[str, Meta(pattern=r"\Ahttps?://[A-Za-z0-9.-]+(?:/[A-Za-z0-9._~/+@-]*)?\Z")]


class _Strict(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An object without properties that are not named, none of which is null."""


class _Hash(_Strict):
    alg: _Algorithm
    content: str


class _License(_Strict):
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET


class _Choice(_Strict):
    license: _License | UnsetType = UNSET
    expression: str | UnsetType = UNSET


class _Property(_Strict):
    name: str  # which versions from 1.6 on require
    value: str = ""


class _Entity(_Strict):
    name: str = ""


class _Link(_Strict):
    url: _Url
    type: _LinkKind
    comment: str = ""
    hashes: list[_Hash] | UnsetType = UNSET


class UsualComponent(_Strict, rename={"bom_ref": "bom-ref", "links": "externalReferences"}):
    """A component of a package, as most are."""

    type: _Kind
    name: str
    bom_ref: _Ref | UnsetType = UNSET
    version: _Version | UnsetType = UNSET
    purl: str | UnsetType = UNSET
    cpe: str = ""
    group: str = ""
    description: str = ""
    author: str = ""
    publisher: str = ""
    copyright: str = ""
    supplier: _Entity | UnsetType = UNSET
    scope: _Scope = "required"
    hashes: list[_Hash] | UnsetType = UNSET
    licenses: list[_Choice] | UnsetType = UNSET
    links: list[_Link] | UnsetType = UNSET
    properties: list[_Property] | UnsetType = UNSET


_read = msgspec.json.Decoder(list[UsualComponent]).decode


def components(data: bytes) -> list[UsualComponent] | None:
    """Components that are certainly valid, of any of `VERSIONS`, each by itself; None where that is not certain.

    Args:
        data: a list of them, JSON.
    """
    try:
        found = _read(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    known = license_ids()
    contents: list[str] = []
    for component in found:
        if (licenses := component.licenses) and not _are_usual(licenses, known):
            return None
        if hashes := component.hashes:
            contents += [each.content for each in hashes]
        for link in component.links or ():
            contents += [each.content for each in link.hashes or ()]
    return found if _are_digests(contents) else None


def _are_usual(licenses: Sequence[_Choice], known: Collection[str]) -> bool:
    """Whether these are licenses, each by its id or its name, or one expression."""
    for each in licenses:
        license_ = each.license
        if license_ is UNSET:
            return each.expression is not UNSET and len(licenses) == 1
        if each.expression is not UNSET or (license_.id is UNSET) == (license_.name is UNSET):
            return False
        if license_.id is not UNSET and license_.id not in known:
            return False
    return True


def _are_digests(contents: Sequence[str]) -> bool:
    """Whether these are digests, all of them together: a pattern for each takes as long as reading everything."""
    return set(map(len, contents)) <= _LENGTHS and not "".join(contents).encode().translate(None, _DIGITS)


def told(some: Sequence[UsualComponent], names: Sequence[str]) -> list[Any]:
    """Something of each component that two which are the same have alike: its reference, else these of its properties.

    Args:
        some: components.
        names: of properties, as JSON has them.
    """
    references = [each.bom_ref for each in some]
    if UNSET not in references:
        return references
    return [each.bom_ref or tuple(_said(each, name) for name in names) for each in some]


def _said(component: UsualComponent, name: str) -> Any:
    """A property of a component; None where it has none."""
    said = getattr(component, name, UNSET)
    return None if said is UNSET else said
