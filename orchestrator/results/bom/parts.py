"""Validity of a whole CycloneDX document, some of its items at a time.

Decoded as a whole a document takes ten times its size, scattered over the memory of a process that has lived for a
while, and walking through that takes most of the time of checking it. The schemas say nothing about two items of a
list together but that no two are the same: so those that could be are checked together once more.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.results.bom import ARRAYS, usual
from orchestrator.results.bom.validity import VERSIONS, validator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jsonschema_rs import Draft7Validator

# Items that are checked together: no more than a processor has at hand.
_AT_ONCE = 128
# What two items have alike that are the same: for each list what nearly all have, and hardly two alike; for the others
# what else tells them.
_OWN = {"components": "bom-ref", "dependencies": "ref", "vulnerabilities": "id"}
_TELLING = ("bom-ref", "ref", "id", "name", "version", "purl")
_pieces_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items_of = msgspec.json.Decoder(list[msgspec.Raw]).decode
_list_of = msgspec.json.Decoder(list[Any]).decode


def is_valid_by_parts(data: bytes) -> bool:
    """Whether a document is certainly valid; where it is not, `mistakes` of the whole decides, and says why.

    Args:
        data: the document, JSON.
    """
    try:
        pieces = _pieces_of(data)
        lists = {name: _items_of(pieces.pop(name)) for name in ARRAYS if name in pieces}
        head = {name: msgspec.json.decode(piece) for name, piece in pieces.items()}
        version = head.get("specVersion")
        if version not in VERSIONS or not validator(version).is_valid(head | {name: [] for name in lists}):
            return False
        least: dict[str, Any] = {name: head[name] for name in ("bomFormat", "specVersion", "version") if name in head}
        return all(_are_valid(validator(version), least, name, items) for name, items in lists.items())
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return False


def _are_valid(valid: Draft7Validator, least: dict[str, Any], name: str, items: Sequence[msgspec.Raw]) -> bool:
    """Whether the items of a list are valid, each by itself and no two the same; `least` is what a document has."""
    known: dict[Any, int] = {}
    alike: set[int] = set()
    may_be_usual = name == "components" and least.get("specVersion") in usual.VERSIONS
    for begin in range(0, len(items), _AT_ONCE):
        spelt = _joined(items[begin : begin + _AT_ONCE])
        if may_be_usual and (read := usual.components(spelt)) is not None:
            told = usual.told(read, _TELLING)
        else:
            part = _list_of(spelt)
            if not valid.is_valid(least | {name: part}):
                return False
            told = _told(part, _OWN[name])
        new = dict(zip(told, range(begin, begin + len(told)), strict=True))
        if len(new) < len(told) or not known.keys().isdisjoint(new):
            for number, each in enumerate(told, begin):
                if (first := known.setdefault(each, number)) != number:
                    alike |= {first, number}
        else:
            known |= new
    return not alike or valid.is_valid(least | {name: _list_of(_joined([items[number] for number in sorted(alike)]))})


def _told(part: Sequence[dict[str, Any]], own: str) -> list[Any]:
    """Something of each item of a valid list that two which are the same have alike; `own` is what most have."""
    try:
        return list(map(itemgetter(own), part))
    except KeyError:
        return [item[own] if own in item else tuple(map(item.get, _TELLING)) for item in part]


def _joined(items: Sequence[msgspec.Raw]) -> bytes:
    return b"[" + b",".join(items) + b"]"
