"""One CycloneDX 1.6 BOM of a whole run, written as a stream: memory holds one target at a time.

    metadata.tools       scanmatrix and every scanner, with the scan it ran for
    components           one `container` per target, everything found in it nested within
    dependencies         who depends on whom, as the scanners' own BOMs said
    vulnerabilities      per target and scan, with the component's references

These are arrays of one document, so each is gathered in a temporary file of its own, and all are joined at the end. The
documents are merged as JSON: every step is linear in their size. The library makes the head only, because it serialises
in quadratic time.
"""

import hashlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self

import msgspec
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6

from orchestrator.model import LedgerRow, Outcome
from orchestrator.results.bom import ARRAYS
from orchestrator.results.bom.target import TargetBom
from orchestrator.results.bom.validity import has_foreign, repair_foreign

_HEAD = ("$schema", "bomFormat", "specVersion", "serialNumber", "version", "metadata")
_ENCODER = msgspec.json.Encoder()
# Of a target without, and with components in it.
_END = (b"}", b"]}")
# Components, and vulnerabilities, of a target that are in memory as JSON: four kilobytes each.
_AT_ONCE = 4096


class BomWriter:
    """Writes the BOM of a run to an open file: `add` each target, then `finish`; a context manager for its temporaries.

    The same input gives the same bytes: the serial number is made from the content.
    """

    def __init__(self, run: str, version: str, file: BinaryIO, folder: Path) -> None:
        """Begin.

        Args:
            run: id of the run.
            version: of scanmatrix.
            file: takes the document when it is finished.
            folder: where the nameless temporary files may lie.
        """
        self._run = run
        self._version = version
        self._file = file
        self._stack = ExitStack()
        self._parts: dict[str, BinaryIO] = {
            name: self._stack.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 - the stack closes it
            for name in ARRAYS
        }
        self._empty = dict.fromkeys(ARRAYS, True)
        self._digest = hashlib.sha256(run.encode())
        self._targets: list[str] = []
        self._uncatalogued: list[str] = []
        self._tools: dict[tuple[str, str, str, str], None] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def add(self, target: TargetBom, rows: Iterable[LedgerRow]) -> list[str]:
        """Write a target whose cells have all been added to it; nothing of one that could not be found.

        Where no cell catalogued it, `compositions` say that what it is made of is unknown.

        Returns:
            Places that had to be changed to make it valid; none, unless its pieces were valid only by themselves.
        """
        if not target.is_known:
            return []
        for row in rows:
            if row.outcome is Outcome.OK:
                self._tools[row.scanner, row.scanner_version, row.scan, row.database_version] = None
        target.join()
        components, vulnerabilities = target.components(_AT_ONCE), target.vulnerabilities(_AT_ONCE)
        container, inside = target.component(), next(components, [])
        typed = not has_foreign(inside)
        if inside and not typed:
            container["components"] = inside
        lists: dict[str, list[Any]] = {
            "components": [container],
            "dependencies": target.dependencies(),
            "vulnerabilities": next(vulnerabilities, []),
        }
        changed = repair_foreign(lists)
        container = (lists["components"] or [target.bare()])[0]
        if inside and typed:
            container["components"] = inside
        self._targets.append(target.ref)
        if not target.is_catalogued:
            self._uncatalogued.append(target.ref)
            self._digest.update(b"?" + target.ref.encode())
        changed += self._append_container(container, components)
        for name in ARRAYS[1:]:
            self._append(name, lists[name])
        for part in vulnerabilities:
            lists = {"vulnerabilities": part}
            changed += repair_foreign(lists)
            self._append("vulnerabilities", lists["vulnerabilities"])
        return changed

    def finish(self, timestamp: str) -> None:
        """Join everything to the document.

        Args:
            timestamp: when the run ended, RFC 3339.
        """
        root = f"run:{self._run}"
        self._append("dependencies", [{"ref": root, "dependsOn": self._targets}])
        bom = Bom(serial_number=uuid.UUID(bytes=self._digest.digest()[:16], version=5))
        bom.metadata.timestamp = datetime.fromisoformat(timestamp)
        bom.metadata.tools.components = [_tool("scanmatrix", self._version), *self._scanners()]
        bom.metadata.component = Component(
            type=ComponentType.APPLICATION, bom_ref=root, name=f"scanmatrix run {self._run}"
        )
        made = json.loads(JsonV1Dot6(bom).output_as_string())
        head = {key: made[key] for key in _HEAD}
        if self._uncatalogued:
            head["compositions"] = [{"aggregate": "unknown", "assemblies": self._uncatalogued}]
        self._file.write(msgspec.json.encode(head)[:-1])
        for name, part in self._parts.items():
            self._file.write(b',\n"%s":[' % name.encode())
            part.seek(0)
            shutil.copyfileobj(part, self._file, 1024 * 1024)
            self._file.write(b"\n]")
        self._file.write(b"}\n")

    def _append_container(self, container: dict[str, Any], others: Iterator[list[Any]]) -> list[str]:
        """Append a target with the first of its components in it, and all others; gives what was changed of these."""
        data, inside, begun = _ENCODER.encode(container), "components" in container, bool(container.get("components"))
        # The components are the last of what a target has: they and it end when all are written.
        self._begin("components", data[: -len(_END[inside])])
        changed: list[str] = []
        for part in others:
            lists = {"components": part}
            changed += repair_foreign(lists)
            if valid := lists["components"]:
                opening = b"" if inside else b',"components":['
                self._write("components", (b"," if begun else opening) + _ENCODER.encode(valid)[1:-1])
                inside = begun = True
        self._write("components", _END[inside])
        return changed

    def _append(self, name: str, items: list[Any]) -> None:
        """Append to one of the arrays, one item a line."""
        if not items:
            return
        # JSON has no line break within a text, so each one is between two items.
        self._begin(name, _ENCODER.encode_lines(items)[:-1].replace(b"\n", b",\n"))

    def _begin(self, name: str, data: bytes) -> None:
        """Append what begins with a new item."""
        separator = b"\n" if self._empty[name] else b",\n"
        self._empty[name] = False
        self._write(name, separator + data)

    def _write(self, name: str, data: bytes) -> None:
        self._digest.update(data)
        self._parts[name].write(data)

    def _scanners(self) -> list[Component]:
        found = []
        for scanner, version, scan, database in sorted(self._tools):
            properties = [Property(name="scanmatrix:scan", value=scan)]
            properties += [Property(name="scanmatrix:database", value=database)] if database else []
            found.append(_tool(scanner, version, properties))
        return found


def _tool(name: str, version: str, properties: Iterable[Property] = ()) -> Component:
    return Component(type=ComponentType.APPLICATION, name=name, version=version or None, properties=properties)
