"""Which cells read a stored SBOM in place of their image, and which SBOMs are to be made for that.

A scan whose template has `sbom` is answered from the SBOM that its cataloguer made of the very same image, where that
was shown to give the same findings; whatever speaks against it has the image scanned itself, and the plan says why.
What an SBOM cannot answer (secrets, malware, files) is asked by scans without `sbom`, and so never from one.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.catalog.question import question_of
from orchestrator.kit.quantities import spell_duration
from orchestrator.model import Decision, TargetKind
from orchestrator.volume.sboms import StoredSbomError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.config.sboms import SbomsSection
    from orchestrator.model import Cell, Name, OnSbom, Scan, StoredSbom, Target
    from orchestrator.planning.inputs import SbomLookup

NOT_STORED = "no SBOM of it is stored yet"


class _Answer(NamedTuple):
    """What there is of one cataloguer for one image.

    Attributes:
        sbom: what is stored; None for nothing.
        wrong: why it is not used, by any scan; empty for one that can be.
        again: whether it is to be made, or made again.
    """

    sbom: StoredSbom | None
    wrong: str
    again: bool


class FromSboms:
    """Decides it for the cells of one plan.

    Args:
        config: the section `sboms`.
        catalog: the scans there are, by name.
        lookup: finds stored SBOMs.
        now: with a time zone.
    """

    def __init__(self, config: SbomsSection, catalog: Mapping[str, Scan], lookup: SbomLookup, now: datetime) -> None:
        self._config = config
        self._catalog = catalog
        self._lookup = lookup
        self._now = now
        self._asked = {name: question_of(scan, TargetKind.IMAGE) for name, scan in catalog.items() if scan.stored}

    def wanted(self, scans: Mapping[str, list[Name]], kind: TargetKind) -> dict[str, list[Name]]:
        """The cataloguers whose SBOMs the scans of a target could read, each under the names that ask for those."""
        found: dict[str, list[Name]] = {}
        for name, names in scans.items() if kind is TargetKind.IMAGE else ():
            way = self._catalog[name].sbom
            if way is not None and way.scan not in scans:
                known = found.setdefault(way.scan, [])
                known += [each for each in names if each not in known]
        return found

    def decide(self, target: Target, cells: Sequence[Cell], added: Iterable[Cell]) -> list[Cell]:
        """The cells of a target, each with what it reads, in the order of their scans.

        Args:
            target: the target.
            cells: those that somebody asked for, as decided.
            added: those of the cataloguers that nobody asked for; the ones that are not needed are left out.
        """
        makers = {cell.scan: cell for cell in added}
        answers: dict[str, _Answer] = {}
        found = []
        for cell in cells:
            way = self._catalog[cell.scan].sbom
            if way is None or not cell.runs or target.kind is not TargetKind.IMAGE or not target.digest:
                found.append(cell)
                continue
            answer = answers.get(way.scan)
            if answer is None:
                answer = answers[way.scan] = self._look(target, way.scan)
            found.append(self._decided(cell, answer, way, makers.get(way.scan)))
        for name, answer in answers.items():
            maker = makers.get(name)
            if maker and answer.again and (maker.runs or maker.standing):  # a fresh report is no stored SBOM
                found.append(msgspec.structs.replace(maker, decision=Decision.RUN, reason="", standing=""))
        return sorted(found, key=lambda cell: cell.scan)

    def _look(self, target: Target, cataloguer: str) -> _Answer:
        try:
            sbom = self._lookup(target.digest, self._asked[cataloguer])
        except StoredSbomError as error:
            return _Answer(None, str(error), again=True)
        if sbom is None:
            return _Answer(None, NOT_STORED, again=True)
        age = int((self._now - datetime.fromisoformat(sbom.source.made)).total_seconds())
        if age >= self._config.full_scan_after:
            limit = spell_duration(self._config.full_scan_after)
            old = f"its stored SBOM is {spell_duration(age)} old (sboms.fullScanAfter: {limit})"
            return _Answer(sbom, old, again=True)
        if sbom.gaps:
            return _Answer(sbom, f"its stored SBOM is incomplete: {sbom.gaps[0]}", again=False)
        return _Answer(sbom, "", again=False)

    def _decided(self, cell: Cell, answer: _Answer, way: OnSbom, maker: Cell | None) -> Cell:
        wrong = answer.wrong or (_differs(answer.sbom, way) if answer.sbom else NOT_STORED)
        if wrong and answer.again and maker and not maker.runs and not maker.standing:
            wrong = f"{wrong}, and {way.scan} does not run: {maker.reason}"
        if wrong or answer.sbom is None:
            return msgspec.structs.replace(cell, unmatched=wrong)
        return msgspec.structs.replace(cell, source=answer.sbom.source)


def _differs(sbom: StoredSbom, way: OnSbom) -> str:
    """Why a scan was not shown to find the same from this SBOM as from the image; empty when it was."""
    cataloguer = sbom.source.cataloguer
    if cataloguer.rpartition(" ")[2] not in way.cataloguers:
        shown = ", ".join(way.cataloguers)
        return f"its stored SBOM was made by {cataloguer}, and findings were shown to be the same only with {shown}"
    if apart := sorted(set(sbom.types) & set(way.not_for)):
        return f"it has packages of the type {apart[0]}, for which findings from an SBOM differ"
    return ""
