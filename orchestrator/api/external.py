"""Results of other tools: a CycloneDX document for an image, which becomes the result of an external scan.

put_result(config, "docker.io/library/alpine@sha256:…", report, by="ci")
get_result(config, "docker.io/library/alpine@sha256:…").report

Each is a run of one cell on the volume, like any other run: it is in searches, the matrix, the policy and exports.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.errors import NotKnownError, NotTheirsError
from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from orchestrator.config.loading import Config
    from orchestrator.queries.store import Store
    from orchestrator.results.errors import NoResultsError
    from orchestrator.store.put_results import ImageResult
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)
_NEVER = datetime.min.replace(tzinfo=UTC)


class Put(NamedTuple):
    """What putting a result did.

    Attributes:
        target: id of the image's target.
        run: that holds the result.
        changed: False where the very same report was its result already.
    """

    target: str
    run: str
    changed: bool


class ImageReport(NamedTuple):
    """The result of an image: a CycloneDX document, as it was put, or the merged BOM of our own scans."""

    image: str
    report: bytes


def put_result(config: Config, image: str, report: bytes, *, by: str, owner: str = "") -> Put:
    """Make a CycloneDX document the result of an image; the same one again changes nothing.

    Its run has the files of any other but the BOM and `report.html`, which are made when somebody asks for them, and
    the CSV, which `export csv` makes.

    Args:
        config: names the volume and the store.
        image: its name or digest.
        report: the document, JSON.
        by: who put it.
        owner: who answers for the image; empty where nobody says.

    Raises:
        UsageError: it is no name of an image.
        ReportError: the document is not valid CycloneDX, or cannot be believed.
    """
    from orchestrator.planning.external import EXTERNAL, external_plan, target_of
    from orchestrator.queries.opening import asking
    from orchestrator.results.cells import ReadReport
    from orchestrator.results.reports import parse_valid_bom
    from orchestrator.steps.aggregate import aggregate_put
    from orchestrator.upkeep.plans import write_plan
    from orchestrator.volume.layout import write_atomic
    from orchestrator.volume.records import Records, now

    target = target_of(config, image, owner=owner)
    volume, moment = volume_of(config), datetime.now(UTC)
    digest = f"sha256:{hashlib.sha256(report).hexdigest()}"
    with asking(volume, config) as store:
        target = _known(store.targets(target.digest) if target.digest else (), target)
        known = store.put_result(EXTERNAL.name, target.id)
        same = known is not None and (known.digest, known.image) == (digest, image)
        # Put again by who answers for the image: else they would not see what somebody without an owner had put. It was
        # found valid then.
        if known is not None and same and (not owner or owner in store.owners_of_targets([target.id])):
            return Put(target.id, known.run, changed=False)
        read = parse_valid_bom(report)
        # Sorts by time, and after what an earlier second brought.
        run = f"put-{moment:%Y%m%d-%H%M%S-%f}-{secrets.token_hex(3)}"
        plan = external_plan(config, target, run=run, now=moment)
        write_plan(plan, volume)
        path = volume.cell(run, target.id, EXTERNAL.name) / EXTERNAL.report
        write_atomic(path, report)
        records = Records(volume, run)
        records.write(target.id, EXTERNAL.name, records.attempt(target.id, EXTERNAL.name), finished=now(), put_by=by)
        written = ReadReport(read, digest, len(report), path.stat().st_mtime)
        store.take_in(volume, run, aggregate_put(plan, volume, {(target.id, EXTERNAL.name): written}).merged)
    return Put(target.id, run, changed=True)


def get_result(config: Config, image: str) -> ImageReport:
    """The result that an image has: what was put for it, as it was put, or else the merged BOM of our own scans.

    Raises:
        NotKnownError: there is none.
        NoResultsError: our own is not on the volume any more, or damaged.
        UsageError: it is no name of an image.
    """
    from orchestrator.planning.external import EXTERNAL
    from orchestrator.queries.opening import asking

    with asking(volume_of(config), config) as store:
        found = [store.image_result(EXTERNAL.name, target) for target in _meant(store, config, image)]
    results = sorted((each for each in found if each), key=lambda each: (each.put, each.at or _NEVER, each.target))
    if not results:
        raise NotKnownError(f"there is no result of {image}")
    if (report := _report(config, results[-1], {})) is None:
        raise NotKnownError(f"{image}: its report is not on the volume any more; put it again")
    return ImageReport(results[-1].image if results[-1].put else image, report)


def each_result(
    config: Config, *, after: int = 0, limit: int = 100
) -> tuple[tuple[tuple[int, ImageResult], ...], int | None]:
    """A page of the results that images have, by the numbers of their targets.

    Args:
        config: names the volume and the store.
        after: number of the target before the first.
        limit: most of them.

    Returns:
        The results, each with that number; and the number after which the next page begins, None where none does.
    """
    from orchestrator.planning.external import EXTERNAL
    from orchestrator.queries.opening import asking

    with asking(volume_of(config), config) as store:
        page = store.image_results(EXTERNAL.name, after=after, limit=limit)
    return page.rows, page.last


def reports_of(config: Config, found: Iterable[tuple[int, ImageResult]]) -> Iterator[tuple[int, ImageReport]]:
    """The reports of results, read one at a time; one that is not on the volume any more is left out, and logged.

    A run without a BOM is asked for it once, however many of the results are of it: making it may take long.
    """
    from orchestrator.results.errors import NoResultsError

    boms: dict[str, Path | NoResultsError | NotKnownError] = {}
    for number, one in found:
        try:
            report = _report(config, one, boms)
        except (NoResultsError, NotKnownError) as error:
            _log.warning("the BOM of %s is left out of the results: %s", one.image, error)
            continue
        if report is not None:
            yield number, ImageReport(one.image, report)


def _report(config: Config, found: ImageResult, boms: dict[str, Path | NoResultsError | NotKnownError]) -> bytes | None:
    """The report of a result; the BOMs of our own runs, or why there is none, are kept by run."""
    from orchestrator.api.files import run_bom
    from orchestrator.results.bom.split import target_bom
    from orchestrator.results.errors import NoResultsError

    if found.put:
        return _read_put(volume_of(config), found)
    if found.run not in boms:
        try:
            boms[found.run] = run_bom(config, found.run)
        except (NoResultsError, NotKnownError) as error:
            boms[found.run] = error
    bom = boms[found.run]
    if isinstance(bom, Exception):
        raise bom
    return target_bom(bom, found.target)


def delete_result(
    config: Config, image: str, *, by: str, owners: Collection[str] | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Delete every result that there is of an image: what was put for it, and what our own scans found.

    See `delete_results_of`, which does that for each target that the name or digest means.

    Args:
        config: names the volume and the store.
        image: its name or digest.
        by: who wants it.
        owners: whose targets the caller may act on; None for everybody's.

    Returns:
        The targets, and the runs that are gone with what was put.

    Raises:
        NotKnownError: there is no result of it.
        NotTheirsError: it is of other owners, too.
        UsageError: it is no name of an image.
    """
    from orchestrator.queries.opening import asking

    volume = volume_of(config)
    with asking(volume, config) as store:
        targets = tuple(each for each in _meant(store, config, image) if _has_results(store, each))
        if not targets:
            raise NotKnownError(f"there is no result of {image}")
        _require_theirs(store, targets, owners)
        gone = [run for target in targets for run in _delete(store, volume, target, by=by, image=image)]
    return targets, tuple(gone)


def delete_results_of(
    config: Config, target: str, *, by: str, owners: Collection[str] | None = None
) -> tuple[str, ...]:
    """Delete every result that there is of a target, from the store and, of what was put, from the volume.

    What our own runs wrote stays as it is, and a deletion is written down beside it: no question, list or export shows
    these results any more, until there is a newer one.

    Args:
        config: names the volume and the store.
        target: its id; its names may be those of other targets, too.
        by: who wants it.
        owners: as for `delete_result`.

    Returns:
        The runs that are gone with what was put.

    Raises:
        NotKnownError: there is no result of it.
        NotTheirsError: it is of other owners, too.
    """
    from orchestrator.queries.opening import asking

    volume = volume_of(config)
    with asking(volume, config) as store:
        if not _has_results(store, target):
            raise NotKnownError(f"there is no result of {target}")
        _require_theirs(store, (target,), owners)
        return _delete(store, volume, target, by=by, image="")


def _delete(store: Store, volume: Volume, target: str, *, by: str, image: str) -> tuple[str, ...]:
    from orchestrator.kit.removal import remove
    from orchestrator.planning.external import EXTERNAL
    from orchestrator.results import deletions

    now = datetime.now(UTC)
    # First of all: what is interrupted after this is not seen again, and is deleted by the next call.
    deletions.delete(volume, target, by=by, image=image, runs=store.runs_since(target, now), now=now)
    put = store.runs_that_put(EXTERNAL.name, target)
    for run in put:
        # The ledger goes first: without it nothing is imported again.
        for path in (volume.results(run), volume.plan(run), volume.run(run)):
            if path.exists():
                remove(path)
    store.forget(put)
    store.forget_results([target])
    return put


def _meant(store: Store, config: Config, image: str) -> tuple[str, ...]:
    """The targets that somebody means by the name or digest of an image."""
    from orchestrator.planning.external import target_of

    target = target_of(config, image)
    if target.digest:
        asked = {target.id, *store.targets(target.digest)}
    else:
        called = {target.id, *store.targets_called(target.reference)}
        meant = {one.target: one.references for one in store.targets_by_id(called)}
        # Those too that it meant earlier, or it would mean them again; but not what another name means now.
        asked = {one for one in called if one not in meant or target.reference in meant[one]}
    return tuple(sorted(asked))


def _has_results(store: Store, target: str) -> bool:
    view = store.target(target)
    return view is not None and bool(view.states)


def _require_theirs(store: Store, targets: Collection[str], owners: Collection[str] | None) -> None:
    """See that some targets are of no others than these owners.

    Raises:
        NotKnownError: they are of none of these.
        NotTheirsError: they are of others, too.
    """
    if owners is None:
        return
    of_all = store.owners_of_targets(targets)
    if not of_all & set(owners):
        raise NotKnownError("there is no such result")
    if of_all - set(owners):
        raise NotTheirsError("the image is of other owners, too, who would lose their results; ask one who may do that")


def _read_put(volume: Volume, found: ImageResult) -> bytes | None:
    """The report of a result as it was put; None where it is not on the volume any more."""
    from orchestrator.findings.interface import ReportError
    from orchestrator.findings.reading import read_report
    from orchestrator.planning.external import EXTERNAL

    folder = volume.cell(found.run, found.target, EXTERNAL.name)
    try:
        return read_report(folder / EXTERNAL.report, EXTERNAL.report_limit, root=folder)
    except ReportError as error:
        _log.warning("the report of %s in run %s cannot be read: %s", found.target, found.run, error)
        return None


def _known(known: tuple[str, ...], target: Any) -> Any:
    """The target that has this digest, or is under the index with it, where exactly one is known."""
    import msgspec

    return msgspec.structs.replace(target, id=known[0]) if len(known) == 1 else target
