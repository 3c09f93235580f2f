"""Validity of CycloneDX 1.6 documents: foreign pieces are made to fit before they are merged.

The schema files are those that cyclonedx-python-lib ships. Its own validator compares every two items of an array with
each other, so it cannot be used on the 300,000 vulnerabilities of a large run; jsonschema-rs hashes them.
"""

import json
from collections.abc import Iterable
from functools import cache
from importlib import resources
from itertools import islice
from typing import Any

import cyclonedx.schema
import msgspec
from jsonschema_rs import Draft7Validator, Registry, ValidationError, ValidationErrorKind

_BASE = "http://cyclonedx.org/schema/"
#: Versions whose JSON has a schema.
VERSIONS = ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7")
# Their usual schemas allow unknown properties.
_LOOSE = frozenset({"1.2", "1.3"})
_LONGEST = 200
_PARTS = ("spdx", "jsf-0.82", "cryptography-defs")
# Every round of repair cuts one level further up; pieces nested deeper than this are cut off whole.
_ROUNDS = 12
_CONTENT = ("components", "vulnerabilities", "dependencies")


@cache
def validator(version: str = "1.6") -> Draft7Validator:
    """The validator of a version of CycloneDX, formats (dates, IRIs) checked as well.

    Args:
        version: one of `VERSIONS`.
    """
    parts = [f"{name}.SNAPSHOT.schema.json" for name in _PARTS]
    registry = Registry([(_BASE + part, _schema(part)) for part in parts])
    strict = "-strict" if version in _LOOSE else ""
    schema = _schema(f"bom-{version}{strict}.SNAPSHOT.schema.json")
    return Draft7Validator(schema, registry=registry, validate_formats=True)


@cache
def license_ids() -> frozenset[str]:
    """The ids that a license may have, of SPDX; the same in all versions."""
    return frozenset(_schema("spdx.SNAPSHOT.schema.json")["enum"])


def mistakes(document: dict[str, Any], most: int = 3) -> list[str]:
    """What is wrong with a whole document that says which version it is of; none when it is valid.

    Args:
        document: of one of `VERSIONS`.
        most: of the mistakes.
    """
    version = str(document.get("specVersion"))
    if version not in VERSIONS:
        return [f"specVersion: {version[:_LONGEST]!r} is not supported; there are {', '.join(VERSIONS)}"]
    try:
        errors = list(islice(validator(version).iter_errors(document), most))
    except (ValueError, RecursionError):
        return ["it is nested too deeply"]
    return [f"{'/'.join(map(str, one.instance_path)) or 'document'}: {one.message[:_LONGEST]}" for one in errors]


def repair(document: dict[str, Any]) -> list[str]:
    """Cut out of a document, in place, whatever makes it invalid, and as little else as can be.

    A component of a type that CycloneDX 1.6 does not know becomes a `library`; any other invalid or unknown property
    goes, then what cannot be without it.

    Returns:
        The places that were changed, as `components/3/licenses`; none when the document was valid.
    """
    if _validity(document):
        return []
    _cut_off_the_deep(document)
    changed: list[str] = []
    for _ in range(_ROUNDS):
        errors = list(validator().iter_errors(document))
        if not errors:
            return changed
        cuts = [cut for error in errors for cut in _cuts(error)]
        # The last of a list first, so that the places of the others stay what they were.
        places = sorted(set(cuts), key=_place_order, reverse=True)
        changed += ["/".join(map(str, place)) for place in places if _cut(document, place)]
    return changed + [key for key in _CONTENT if document.pop(key, None) is not None]


def has_foreign(items: Iterable[Any]) -> bool:
    """Whether any of these pieces is JSON, which may be anybody's, and not of a type of `…bom.pieces`."""
    return any(isinstance(item, dict) for item in items)


def repair_foreign(lists: dict[str, list[Any]]) -> list[str]:
    """Do the same to those lists of a document that hold foreign pieces, in place; what is typed is valid as it is.

    Args:
        lists: by name.

    Returns:
        As `repair`.
    """
    foreign = [name for name, items in lists.items() if has_foreign(items)]
    if not foreign:
        return []
    part: dict[str, Any] = {"bomFormat": "CycloneDX", "specVersion": "1.6"}
    part |= {name: msgspec.to_builtins(lists[name]) for name in foreign}
    changed = repair(part)
    lists |= {name: part.get(name) or [] for name in foreign}
    return changed


def _schema(name: str) -> Any:
    return json.loads((resources.files(cyclonedx.schema) / "_res" / name).read_bytes())


def _cuts(error: ValidationError) -> list[tuple[str | int, ...]]:
    """The places to cut for one error: unknown properties themselves, else where the error is."""
    path = tuple(error.instance_path)
    if isinstance(error.kind, ValidationErrorKind.AdditionalProperties):
        return [(*path, name) for name in error.kind.unexpected]
    return [path]


def _place_order(place: tuple[str | int, ...]) -> tuple[tuple[int, str], ...]:
    return tuple((part, "") if isinstance(part, int) else (-1, part) for part in place)


def _cut(document: dict[str, Any], place: tuple[str | int, ...]) -> bool:
    """Remove one place; False when it is already gone with another, or is the document itself."""
    if not place:
        return False
    holder: Any = document
    try:
        for part in place[:-1]:
            holder = holder[part]
        if place[-1] == "type" and "components" in place[-3:-2]:
            holder["type"] = "library"
        elif isinstance(holder[place[-1]], list) and _deduplicated(holder[place[-1]]):
            pass
        else:
            del holder[place[-1]]
    except (LookupError, TypeError):
        return False
    return True


def _deduplicated(items: list[Any]) -> bool:
    """Remove repeated items of a list of unique ones; False when there were none, so something else is wrong."""
    unique = {json.dumps(item, sort_keys=True): item for item in items}
    removed = len(unique) < len(items)
    items[:] = unique.values()
    return removed


def _cut_off_the_deep(document: dict[str, Any]) -> None:
    """Remove the items that are nested deeper than the validator, and an encoder after it, can follow."""
    if _validity(document) is not None:
        return
    for key, items in document.items():
        if isinstance(items, list):
            document[key] = [item for item in items if _validity({key: [item]}) is not None]


def _validity(document: Any) -> bool | None:
    """Whether a document is valid; None for one that is nested too deeply to tell."""
    try:
        return validator().is_valid(document)
    except (ValueError, RecursionError):
        return None
