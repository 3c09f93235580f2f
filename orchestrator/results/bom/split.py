"""The BOMs of single targets, taken out of the merged BOM of their run; each stands for itself.

`bom.cdx.json` holds one item a line in each of its arrays (see `orchestrator.results.bom.whole`), so one pass over its
lines says where those of each target are: no item but the target itself is decoded, and memory holds one target at a
time. The places of the last few files are remembered, so that the BOMs of many targets of a run cost one pass. The
target becomes the subject (`metadata.component`) of its document, what is nested in it the document's components.
"""

from __future__ import annotations

import hashlib
import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import msgspec

from orchestrator.kit.advice import ours, resuming
from orchestrator.results.bom import ARRAYS
from orchestrator.results.errors import NoResultsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


class TargetDocument(NamedTuple):
    """A CycloneDX 1.6 document about one target.

    Attributes:
        target: its id.
        data: the document, JSON.
    """

    target: str
    data: bytes


class _Ref(msgspec.Struct, gc=False, rename={"bom_ref": "bom-ref"}):
    """Of an item, what says whose it is; the rest is skipped unread."""

    bom_ref: str = ""
    ref: str = ""


_read_ref = msgspec.json.Decoder(_Ref).decode


class _Span(NamedTuple):
    """Lines that follow each other: where they begin, and where they end."""

    begin: int
    end: int


class _Places(NamedTuple):
    """Where everything is in a run's BOM.

    Attributes:
        head: the document without its arrays.
        unknown: the targets that no scan catalogued.
        arrays: of each array, the lines of each target.
    """

    head: dict[str, Any]
    unknown: frozenset[str]
    arrays: tuple[dict[str, list[_Span]], ...]


def target_bom(path: Path, target: str) -> bytes:
    """The BOM of one target.

    Args:
        path: of the run's BOM, as `RunResults.bom` has it.
        target: its id.

    Returns:
        A CycloneDX 1.6 document, JSON.

    Raises:
        NoResultsError: the run has no BOM, or none of such a target.
    """
    for document in _documents(path, lambda places: [target] if target in places.arrays[0] else []):
        return document.data
    raise NoResultsError(f"{path}: no target {target} in it; {ours('results', 'list')} names what there is")


def target_boms(path: Path, *, vulnerabilities: bool = True) -> Iterator[TargetDocument]:
    """The BOMs of all targets, in the plan's order.

    Args:
        path: of the run's BOM, as `RunResults.bom` has it.
        vulnerabilities: whether they are in the documents, besides components and dependencies.

    Raises:
        NoResultsError: the run has no BOM, or it is damaged.
    """
    return _documents(path, lambda places: places.arrays[0], len(ARRAYS) if vulnerabilities else len(ARRAYS) - 1)


def _documents(
    path: Path, choose: Callable[[_Places], Iterable[str]], arrays: int = len(ARRAYS)
) -> Iterator[TargetDocument]:
    if not path.exists():
        raise NoResultsError(f"{path}: no such file; {resuming(path.parent.name)} makes it")
    try:
        with path.open("rb") as file:
            stat = path.stat()
            places = _places(path, stat.st_mtime_ns, stat.st_size)
            for target in choose(places):
                component, *lists = (_lines(file, spans.get(target, ())) for spans in places.arrays[:arrays])
                subject: dict[str, Any] = msgspec.json.decode(component)
                own = {"compositions": [_unknown(target)]} if target in places.unknown else {}
                yield TargetDocument(target, _document(places.head | own, subject, lists))
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, OSError) as error:
        raise NoResultsError(f"{path}: damaged: {error!r}; {resuming(path.parent.name)} makes it again") from error


def _unknown(target: str) -> dict[str, Any]:
    return {"aggregate": "unknown", "assemblies": [target]}


def _of_unknown_content(compositions: Iterable[dict[str, Any]]) -> frozenset[str]:
    """The targets that no scan catalogued."""
    return frozenset(ref for each in compositions if each["aggregate"] == "unknown" for ref in each["assemblies"])


@lru_cache(maxsize=4)
def _places(path: Path, modified: int, size: int) -> _Places:  # noqa: ARG001 - what it says holds for this very file
    arrays: dict[str, dict[str, list[_Span]]] = {}
    begins = {f'"{name}":['.encode(): name for name in ARRAYS}
    with path.open("rb") as file:
        head: dict[str, Any] = msgspec.json.decode(file.readline().rstrip(b",\n") + b"}")
        at, line = file.tell(), b""
        spans: dict[str, list[_Span]] = {}
        for line in file:
            if line.startswith(b"{"):
                _note(spans, line, at)
            elif line.startswith(b'"'):
                spans = arrays[begins[line.strip()]] = {}
            at += len(line)
    if line.strip() != b"]}":
        raise LookupError("its end is missing")
    unknown = _of_unknown_content(head.pop("compositions", ()))
    return _Places(head, unknown, tuple(arrays[name] for name in ARRAYS))


def _note(spans: dict[str, list[_Span]], line: bytes, begin: int) -> None:
    """Write down whose line it is; what says of no target whose it is, is passed over."""
    item = _read_ref(line.rstrip(b",\n"))
    if owner := (item.bom_ref or item.ref).partition("/")[0]:
        of_target, end = spans.setdefault(owner, []), begin + len(line)
        if of_target and of_target[-1].end == begin:
            begin = of_target.pop().begin
        of_target.append(_Span(begin, end))


def _lines(file: BinaryIO, spans: Iterable[_Span]) -> bytes:
    """What stands there, with commas in between."""
    found = []
    for span in spans:
        file.seek(span.begin)
        found.append(file.read(span.end - span.begin).rstrip(b",\n"))
    return b",\n".join(found)


def _document(head: dict[str, Any], subject: dict[str, Any], lists: list[bytes]) -> bytes:
    """The document of one target; `lists` are its dependencies and, where they are wanted, its vulnerabilities."""
    components = b",\n".join(msgspec.json.encode(each) for each in subject.pop("components", ()))
    parts = zip(ARRAYS[: 1 + len(lists)], (components, *lists), strict=True)
    body = b"".join([b',\n"%s":[\n%s\n]' % (name.encode(), items) for name, items in parts]) + b"}\n"
    metadata = head["metadata"] | {"component": subject}
    digest = hashlib.sha256(msgspec.json.encode(metadata) + body).digest()
    serial = uuid.UUID(bytes=digest[:16], version=5)
    return msgspec.json.encode(head | {"serialNumber": f"urn:uuid:{serial}", "metadata": metadata})[:-1] + body
