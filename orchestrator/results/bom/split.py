"""The BOMs of single targets, taken out of the merged BOM of their run; each stands for itself.

`bom.cdx.json` holds one item a line in each of its arrays, and the targets in the same order in all of them (see
`orchestrator.results.bom.whole`). So the arrays are read side by side, line by line: memory holds one target at a
time, and dependencies and vulnerabilities are taken over without being decoded. The target becomes the subject
(`metadata.component`) of its document, what is nested in it the document's components.
"""

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from orchestrator.kit.advice import ours, resuming
from orchestrator.results.bom import ARRAYS
from orchestrator.results.errors import NoResultsError


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
    for document in target_boms(path):
        if document.target == target:
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
    if not path.exists():
        raise NoResultsError(f"{path}: no such file; {resuming(path.parent.name)} makes it")
    try:
        with ExitStack() as stack:
            files = [stack.enter_context(path.open("rb")) for _ in ARRAYS]
            head, begins = _scan(files[0])
            unknown = _of_unknown_content(head.pop("compositions", ()))
            components, dependencies, found = map(_Items, files, begins)
            while components.line:
                subject: dict[str, Any] = msgspec.json.decode(components.take())
                target = subject["bom-ref"]
                lists = [dependencies.of(target), *([found.of(target)] if vulnerabilities else ())]
                own = {"compositions": [_unknown(target)]} if target in unknown else {}
                yield TargetDocument(target, _document(head | own, subject, lists))
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError, OSError) as error:
        raise NoResultsError(f"{path}: damaged: {error!r}; {resuming(path.parent.name)} makes it again") from error


def _unknown(target: str) -> dict[str, Any]:
    return {"aggregate": "unknown", "assemblies": [target]}


def _of_unknown_content(compositions: Iterable[dict[str, Any]]) -> frozenset[str]:
    """The targets that no scan catalogued."""
    return frozenset(ref for each in compositions if each["aggregate"] == "unknown" for ref in each["assemblies"])


class _Items:
    """The items of one array, one after the other.

    Attributes:
        line: the next one; empty when there is none.
    """

    def __init__(self, file: BinaryIO, begin: int) -> None:
        self._file = file
        file.seek(begin)
        self.line = b""
        self.take()

    def take(self) -> bytes:
        """Give the next one and read on."""
        taken, read = self.line, self._file.readline().rstrip(b",\n")
        self.line = read if read.startswith(b"{") else b""
        return taken

    def of(self, target: str) -> list[bytes]:
        """All of this target, which are the next ones; what says of no target whose it is, is passed over."""
        found = []
        while self.line:
            item = _read_ref(self.line)
            owner = (item.bom_ref or item.ref).partition("/")[0]
            if owner == target:
                found.append(self.line)
            elif owner:
                break
            self.take()
        return found


def _scan(file: BinaryIO) -> tuple[dict[str, Any], list[int]]:
    """The document without its arrays, and where each of them begins."""
    head: dict[str, Any] = msgspec.json.decode(file.readline().rstrip(b",\n") + b"}")
    names = {f'"{name}":['.encode(): name for name in ARRAYS}
    begins: dict[str, int] = {}
    at, line = file.tell(), b""
    for line in file:
        at += len(line)
        if line[:1] == b'"':
            begins[names[line.strip()]] = at
    if line.strip() != b"]}":
        raise LookupError("its end is missing")
    return head, [begins[name] for name in ARRAYS]


def _document(head: dict[str, Any], subject: dict[str, Any], lists: list[list[bytes]]) -> bytes:
    """The document of one target; `lists` are its dependencies and, where they are wanted, its vulnerabilities."""
    components = [msgspec.json.encode(each) for each in subject.pop("components", ())]
    parts = zip(ARRAYS[: 1 + len(lists)], (components, *lists), strict=True)
    body = b"".join([b',\n"%s":[\n%s\n]' % (name.encode(), b",\n".join(items)) for name, items in parts]) + b"}\n"
    metadata = head["metadata"] | {"component": subject}
    digest = hashlib.sha256(msgspec.json.encode(metadata) + body).digest()
    serial = uuid.UUID(bytes=digest[:16], version=5)
    return msgspec.json.encode(head | {"serialNumber": f"urn:uuid:{serial}", "metadata": metadata})[:-1] + body
