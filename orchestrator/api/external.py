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

from orchestrator.errors import NotKnownError
from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.config.loading import Config
    from orchestrator.store.put_results import PutResult
    from orchestrator.volume.layout import Volume

_log = logging.getLogger(__name__)


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


class StoredReport(NamedTuple):
    """A result that was put, and its report as it was put."""

    result: PutResult
    report: bytes


def put_result(config: Config, image: str, report: bytes, *, by: str, owner: str = "") -> Put:
    """Make a CycloneDX document the result of an image; the same one again changes nothing.

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
    from orchestrator.results.reports import parse_report
    from orchestrator.steps.aggregate import aggregate
    from orchestrator.upkeep.plans import write_plan
    from orchestrator.volume.layout import write_atomic
    from orchestrator.volume.records import Records, now

    target = target_of(config, image, owner=owner)
    parse_report(EXTERNAL.format, report)
    _validate(report)
    volume, moment = volume_of(config), datetime.now(UTC)
    digest = f"sha256:{hashlib.sha256(report).hexdigest()}"
    with asking(volume, config) as store:
        target = _known(store.targets(target.digest) if target.digest else (), target)
        known = store.put_result(EXTERNAL.name, target.id)
        if known is not None and (known.digest, known.image) == (digest, image):
            return Put(target.id, known.run, changed=False)
        # Sorts by time, and after what an earlier second brought.
        run = f"put-{moment:%Y%m%d-%H%M%S-%f}-{secrets.token_hex(3)}"
        plan = external_plan(config, target, run=run, now=moment)
        write_plan(plan, volume)
        write_atomic(volume.cell(run, target.id, EXTERNAL.name) / EXTERNAL.report, report)
        records = Records(volume, run)
        records.write(target.id, EXTERNAL.name, records.attempt(target.id, EXTERNAL.name), finished=now(), put_by=by)
        aggregate(plan, volume)
        store.take_in(volume, run)
    return Put(target.id, run, changed=True)


def get_result(config: Config, image: str) -> StoredReport:
    """The result that was put for an image.

    Raises:
        NotKnownError: there is none.
        UsageError: it is no name of an image.
    """
    from orchestrator.queries.opening import asking

    volume = volume_of(config)
    with asking(volume, config) as store:
        found = _find(store, config, image)
    report = read_put(volume, found)
    if report is None:
        raise NotKnownError(f"{image}: its report is not on the volume any more; put it again")
    return StoredReport(found, report)


def each_result(config: Config, *, after: int = 0, limit: int = 100) -> tuple[PutResult, ...]:
    """The results that were put, by number of their targets.

    Args:
        config: names the volume and the store.
        after: number of the target before the first.
        limit: most of them.
    """
    from orchestrator.planning.external import EXTERNAL
    from orchestrator.queries.opening import asking

    with asking(volume_of(config), config) as store:
        return store.put_results(EXTERNAL.name, after=after, limit=limit)


def reports_of(config: Config, found: tuple[PutResult, ...]) -> Iterator[tuple[PutResult, bytes]]:
    """The reports of results, read one at a time; one that is not on the volume any more is left out, and logged."""
    volume = volume_of(config)
    for one in found:
        if (report := read_put(volume, one)) is not None:
            yield one, report


def delete_result(config: Config, image: str) -> tuple[str, ...]:
    """Delete what was put for an image, of now and earlier, from the volume and from the store.

    Returns:
        The runs that are gone.

    Raises:
        NotKnownError: nothing was put for it.
        UsageError: it is no name of an image.
    """
    from orchestrator.queries.opening import asking

    volume = volume_of(config)
    with asking(volume, config) as store:
        return _delete(store, volume, _find(store, config, image))


def delete_results_of(config: Config, target: str) -> tuple[str, ...]:
    """The same for a target by its id: its names may be those of other targets, too.

    Raises:
        NotKnownError: nothing was put for it.
    """
    from orchestrator.planning.external import EXTERNAL
    from orchestrator.queries.opening import asking

    volume = volume_of(config)
    with asking(volume, config) as store:
        found = store.put_result(EXTERNAL.name, target)
        if found is None:
            raise NotKnownError(f"no result of {target} was put")
        return _delete(store, volume, found)


def _delete(store: Any, volume: Volume, found: PutResult) -> tuple[str, ...]:
    from orchestrator.kit.removal import remove
    from orchestrator.planning.external import EXTERNAL

    runs: tuple[str, ...] = store.runs_that_put(EXTERNAL.name, found.target)
    for run in runs:
        # The ledger goes first: without it nothing is imported again.
        for path in (volume.results(run), volume.plan(run), volume.run(run)):
            if path.exists():
                remove(path)
    store.forget(runs)
    return runs


def read_put(volume: Volume, found: PutResult) -> bytes | None:
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


def _find(store: Any, config: Config, image: str) -> PutResult:
    from orchestrator.planning.external import EXTERNAL, target_of

    target = target_of(config, image)
    target = _known(store.targets(target.digest) if target.digest else (), target)
    found: PutResult | None = store.put_result(EXTERNAL.name, target.id)
    if found is None:
        raise NotKnownError(f"no result of {image} was put")
    return found


def _known(known: tuple[str, ...], target: Any) -> Any:
    """The target that has this digest, or is under the index with it, where exactly one is known."""
    import msgspec

    return msgspec.structs.replace(target, id=known[0]) if len(known) == 1 else target


def _validate(report: bytes) -> None:
    """Refuse what the schema of its version of CycloneDX refuses.

    Raises:
        ReportError: it is not valid; the message has the first places.
    """
    from typing import Any as Json

    from orchestrator.findings.decoding import decode_json
    from orchestrator.findings.interface import ReportError
    from orchestrator.results.bom.validity import mistakes

    document = decode_json(report, dict[str, Json], what="a CycloneDX document")
    if wrong := mistakes(document):
        raise ReportError(f"the document is not valid CycloneDX {document.get('specVersion')}: {'; '.join(wrong)}")
