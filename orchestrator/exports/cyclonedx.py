"""CycloneDX 1.6: the merged BOM of the whole run as one document, or one document for each target.

to                      what is written
(nothing)               nothing: the run's BOM is there already
<path>                  the run's BOM
<folder>, or <path>/    `<target>.cdx.json` for each target
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from orchestrator.exports.interface import ExportRefusedError
from orchestrator.kit.advice import resuming
from orchestrator.results.bom.split import target_boms
from orchestrator.results.deletions import DELETED
from orchestrator.results.errors import NoResultsError
from orchestrator.results.ledger import suspects
from orchestrator.volume.layout import atomic_file, write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.loading import Config
    from orchestrator.results.run import RunResults

name = "cyclonedx"
description = "CycloneDX 1.6 JSON of the whole run, or, into a folder, of each target"
text = True


def export(results: RunResults, config: Config, to: str = "") -> str:  # noqa: ARG001 - every export is given it
    """Write the BOM of a run, or those of its targets; `metadata.properties` names the results that are suspect.

    Args:
        results: of a run that has ended.
        config: not needed.
        to: path of a file; of a folder, or of one to be made when it ends with `/`, for one file per target; empty for
            the run's own file.

    Returns:
        Path of the file or folder.

    Raises:
        NoResultsError: the run has no BOM, or it is damaged.
        ExportRefusedError: it cannot be written there.
    """
    bom = results.bom
    if not bom.exists():
        raise NoResultsError(f"{bom}: no BOM of run {results.run}; {resuming(results.run)} makes it again")
    if not to:
        return str(bom)
    path = Path(to)
    doubtful = suspects(results.volume, results.run)
    try:
        if to.endswith("/") or path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            deleted = {target for (target, _), why in doubtful.items() if why.startswith(DELETED)}
            for document in target_boms(bom):
                if document.target in deleted:
                    continue
                data = _mark(document.data, {cell: why for cell, why in doubtful.items() if cell[0] == document.target})
                write_atomic(path / f"{document.target}.cdx.json", data)
        else:
            with bom.open("rb") as source, atomic_file(path) as file:
                if doubtful:
                    file.write(_mark(source.readline(), doubtful))
                shutil.copyfileobj(source, file, 1024 * 1024)
    except OSError as error:
        raise ExportRefusedError(f"{to}: the BOM of run {results.run} cannot be written there: {error}") from error
    return str(path)


def _mark(data: bytes, doubtful: Mapping[tuple[str, str], str]) -> bytes:
    """A document, or its first line, whose metadata say which results are suspect.

    Everything but the arrays stands in the first line (`orchestrator.results.bom.whole`).
    """
    if not doubtful:
        return data
    line, newline, rest = data.partition(b"\n")
    head = msgspec.json.decode(line.rstrip(b",") + b"}")
    said = [
        {"name": "scanmatrix:suspect", "value": f"{target}/{scan}: {why}"} for (target, scan), why in doubtful.items()
    ]
    head["metadata"]["properties"] = [*head["metadata"].get("properties", ()), *said]
    return b"".join((msgspec.json.encode(head)[:-1], b",", newline, rest))
