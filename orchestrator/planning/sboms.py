"""Which cells read a stored SBOM in place of their image, and which SBOMs are to be made for that.

A scan whose template has `sbom` is answered from the SBOM that its cataloguer made of the very same image, where that
was shown to give the same findings; whatever speaks against it has the image scanned itself, and the plan says why.
What an SBOM cannot answer (secrets, malware, files) is asked by scans without `sbom`, and so never from one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.catalog.question import question_of
from orchestrator.kit.quantities import spell_duration
from orchestrator.model import Decision, TargetKind
from orchestrator.volume.sboms import StoredSbomError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from orchestrator.config.sboms import SbomsSection
    from orchestrator.model import Cell, Name, OnSbom, Scan, StoredSbom, Target
    from orchestrator.planning.inputs import SbomLookup, TakesAttached

NOT_STORED = "no SBOM of it is stored yet"
#: Images of which attached SBOMs are looked for at the same time: one can take 200 MB while it is read.
_PARALLEL = 4


class OfTarget(NamedTuple):
    """The cells of one target, before it is decided what they read.

    Attributes:
        target: the target.
        cells: those that somebody asked for, as decided.
        added: those of the cataloguers that nobody asked for; the ones that are not needed are left out.
    """

    target: Target
    cells: Sequence[Cell]
    added: Sequence[Cell]


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
        attached: takes those that came with images; None to look for none.
    """

    def __init__(
        self,
        config: SbomsSection,
        catalog: Mapping[str, Scan],
        lookup: SbomLookup,
        now: datetime,
        attached: TakesAttached | None = None,
    ) -> None:
        self._config = config
        self._attached = attached
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

    def decide(self, targets: Iterable[OfTarget]) -> Iterator[Cell]:
        """The cells of targets, each with what it reads; of a target in the order of their scans.

        Args:
            targets: in the order in which their cells come.
        """
        if self._attached is None:
            for each in targets:
                yield from self._decide(*each)
            return
        pool = ThreadPoolExecutor(max_workers=_PARALLEL, thread_name_prefix="attached")
        try:
            for cells in pool.map(lambda each: self._decide(*each), targets):
                yield from cells
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _decide(self, target: Target, cells: Sequence[Cell], added: Iterable[Cell]) -> list[Cell]:
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
                answer = answers[way.scan] = self._look(target, way)
            found.append(self._decided(cell, answer, way, makers.get(way.scan)))
        for name, answer in answers.items():
            maker = makers.get(name)
            if maker and answer.again and (maker.runs or maker.standing):  # a fresh report is no stored SBOM
                found.append(msgspec.structs.replace(maker, decision=Decision.RUN, reason="", standing=""))
        return sorted(found, key=lambda cell: cell.scan)

    def _look(self, target: Target, way: OnSbom) -> _Answer:
        asked = self._asked[way.scan]
        try:
            sbom = self._lookup(target.digest, asked)
        except StoredSbomError as error:
            return self._take(target, way, str(error))
        if sbom is None:
            return self._take(target, way, NOT_STORED)
        age = int((self._now - datetime.fromisoformat(sbom.source.made)).total_seconds())
        if age >= self._config.full_scan_after:
            limit = spell_duration(self._config.full_scan_after)
            old = f"its stored SBOM is {spell_duration(age)} old (sboms.fullScanAfter: {limit})"
            return _Answer(sbom, old, again=True)
        if sbom.gaps:
            return _Answer(sbom, f"its stored SBOM is incomplete: {sbom.gaps[0]}", again=False)
        return _Answer(sbom, "", again=False)

    def _take(self, target: Target, way: OnSbom, lacking: str) -> _Answer:
        """What came with an image for which there is nothing of our own."""
        cataloguer = self._catalog[way.scan]
        found = self._attached(target, cataloguer, way, self._asked[way.scan]) if self._attached else ""
        if isinstance(found, str):
            why = f"{lacking}, and none that came with it is used: {found}" if found else lacking
            return _Answer(None, why, again=True)
        return _Answer(found, "", again=False)

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
