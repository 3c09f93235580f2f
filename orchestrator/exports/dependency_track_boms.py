"""The merged BOM of a run taken apart again: a BOM for each target, linear in its size."""

from __future__ import annotations

import hashlib
import mmap
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from orchestrator.results.interface import NoResultsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class _Bom(msgspec.Struct):
    """As much of the merged BOM as is needed; its parts stay the bytes they are."""

    metadata: msgspec.Raw
    components: list[msgspec.Raw] = []
    dependencies: list[msgspec.Raw] = []


class _Dependency(msgspec.Struct):
    ref: str


def target_boms(path: Path) -> Iterator[tuple[str, bytes]]:
    """Each target's id and its CycloneDX 1.6 BOM: itself, what was found in it, and who depends on whom.

    Args:
        path: the merged BOM, in which a target is a component whose reference is its id, everything found in it is
            nested within, and every reference within begins with the target's id.

    Raises:
        NoResultsError: there is none, or it is damaged.
    """
    try:
        with path.open("rb") as file:
            # Not closed by hand: it goes when the last of the parts does, which are bytes of it.
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        bom = msgspec.json.decode(memoryview(data), type=_Bom)
        metadata = msgspec.json.decode(bom.metadata, type=dict[str, Any])
    except FileNotFoundError as error:
        raise NoResultsError(f"{path}: not there; aggregate the run again") from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise NoResultsError(f"{path}: damaged: {error}; aggregate the run again") from error
    depends: dict[str, list[msgspec.Raw]] = {}
    for raw in bom.dependencies:
        ref = msgspec.json.decode(raw, type=_Dependency).ref
        depends.setdefault(ref.partition("/")[0], []).append(raw)
    for raw in bom.components:
        component = msgspec.json.decode(raw, type=dict[str, Any])
        target = str(component["bom-ref"])
        yield target, _document(metadata, component, depends.get(target, []))


def _document(metadata: dict[str, Any], component: dict[str, Any], dependencies: list[msgspec.Raw]) -> bytes:
    """The BOM of one target; the same content has the same serial number."""
    inner = component.pop("components", [])
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {**metadata, "component": component},
        "components": inner,
        "dependencies": dependencies,
    }
    digest = hashlib.sha256(msgspec.json.encode(document)).digest()
    document["serialNumber"] = f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=5)}"
    return msgspec.json.encode(document)
