"""SPDX 2.3 JSON: the merged BOM of a run as one document, or one document for each target.

to                      what is written
(nothing)               the run's document, as `bom.spdx.json` in its results folder
<path>                  the run's document
<folder>, or <path>/    `<target>.spdx.json` for each target

The elements are made by the SPDX project's own library (the extra `spdx`), one after the other, because it holds whole
documents in memory and checks them in quadratic time. https://spdx.github.io/spdx-spec/v2.3/
"""

from __future__ import annotations

import shutil
import tempfile
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from orchestrator.exports.files import place, writing
from orchestrator.exports.interface import ExportRefusedError, NothingToExportError
from orchestrator.kit.extras import needing
from orchestrator.results.bom.split import TargetDocument, target_boms
from orchestrator.results.ledger import suspects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, BinaryIO

    from orchestrator.config.loading import Config
    from orchestrator.results.run import RunResults

name = "spdx"
description = "SPDX 2.3 JSON of the whole run, or, into a folder, of each target; needs the extra spdx"
text = True

_FILE = "bom.spdx.json"
_NAMESPACE = "https://spdx.org/spdxdocs/scanmatrix"


def export(results: RunResults, config: Config, to: str = "") -> str:  # noqa: ARG001 - needs no configuration
    """Write the document of a run, or those of its targets; see `orchestrator.exports.interface.Export`.

    Raises:
        NothingToExportError: the BOM has no target.
        MissingExtraError: the library is not installed.
        NoResultsError: the run has no BOM, or it is damaged.
        ExportRefusedError: it cannot be written there.
    """
    with needing("spdx", f"the export {name}"):
        import orchestrator.exports.spdx_elements  # noqa: F401, PLC0415 - for its library
    targets = target_boms(results.bom, vulnerabilities=False)
    if (begin := next(targets, None)) is None:
        raise NothingToExportError(f"run {results.run}: its BOM has no target, and SPDX no document without a package")
    targets = chain([begin], targets)
    if not (to.endswith("/") or (to and Path(to).is_dir())):
        path = place(results, to, _FILE)
        with writing(path) as file:
            _write(file, results, results.run, targets)
        return str(path)
    folder = Path(to).expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportRefusedError(f"{folder}: the folder cannot be made: {error}") from error
    for document in targets:
        with writing(folder / f"{document.target}.spdx.json") as file:
            _write(file, results, f"{results.run}/{document.target}", [document])
    return str(folder)


def _write(file: BinaryIO, results: RunResults, document: str, targets: Iterable[TargetDocument]) -> None:
    """A document, element by element: packages at once, relationships after them."""
    from orchestrator.exports.spdx_elements import Elements, creation  # noqa: PLC0415 - imports the library

    doubtful: dict[str, list[str]] = {}
    for (target, scan), why in suspects(results.volume, results.run).items():
        doubtful.setdefault(target, []).append(f"{scan}: {why}")
    head = creation(document, f"{_NAMESPACE}-{document}", results.ledger.finished)
    elements = Elements()
    with tempfile.TemporaryFile() as rest:
        _array(rest, "relationships", _noted(elements, targets, doubtful, file, head))
        rest.seek(0)
        file.write(b"\n],\n")
        shutil.copyfileobj(rest, file)
    file.write(b"\n]}\n")


def _noted(
    elements: Any, targets: Iterable[TargetDocument], doubtful: dict[str, list[str]], file: BinaryIO, head: Any
) -> Iterator[Any]:
    """Write the packages of every target, and give its relationships."""
    file.write(msgspec.json.encode(head)[:-1] + b',\n"packages":[')
    first = True
    for target in targets:
        packages, relationships = elements.of(msgspec.json.decode(target.data), doubtful.get(target.target, ()))
        for package in packages:
            file.write((b"\n" if first else b",\n") + msgspec.json.encode(package))
            first = False
        yield from relationships


def _array(file: BinaryIO, key: str, items: Iterable[Any]) -> None:
    file.write(f'"{key}":['.encode())
    file.writelines((b",\n" if number else b"\n") + msgspec.json.encode(item) for number, item in enumerate(items))
