"""What people ask of the results of runs that have ended: to read, compare and search them.

results = open_results(config)                    # of the latest run
results.merged                                    # a pandas DataFrame
differences(config, results.run)                  # what is new, what is fixed
who_has(config, "CVE-2021-44228")
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from orchestrator.errors import NotKnownError, UsageError
from orchestrator.kit.advice import ours
from orchestrator.kit.ids import folded
from orchestrator.kit.sources import suggest
from orchestrator.results.coverage import coverage_in
from orchestrator.scanners.rules import volume_of

_log = logging.getLogger(__name__)
#: How ids begin that only vulnerabilities have.
_OF_VULNERABILITIES = ("CVE-", "GHSA-")

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime

    import pandas as pd

    from orchestrator.analysis.highlights import Highlights
    from orchestrator.config.loading import Config
    from orchestrator.model import Ledger, MergedRow, Severity
    from orchestrator.queries.choice import Choice
    from orchestrator.queries.difference import Difference
    from orchestrator.queries.store import Store
    from orchestrator.results.coverage import Coverage
    from orchestrator.results.overview import RunSummary
    from orchestrator.results.run import RunResults
    from orchestrator.store.documents import Holders


def open_results(config: Config, run: str | None = None) -> RunResults:
    """The results of a run; nothing is read before it is asked for.

    Args:
        config: names the volume.
        run: id of the run; None for the one that finished last.

    Raises:
        UsageError: no run has finished on this volume.
        NotKnownError: others have, but not this one.
    """
    from orchestrator.results.finished import finished_runs
    from orchestrator.results.run import RunResults

    volume = volume_of(config)
    finished = finished_runs(volume)
    if run is None and not finished:
        raise UsageError(
            f"no run has finished on {volume.root}: {ours('run')} makes one,"
            f" {ours('fetch', 'RUN')} brings one from a cluster"
        )
    if run is not None and run not in finished:
        shown = ", ".join(finished[:3]) or "none"
        near = suggest(run, finished)
        raise NotKnownError(f"run {run} has not finished on {volume.root}{near} (the latest that did: {shown})")
    return RunResults(volume, finished[0] if run is None else run)


def list_results(config: Config, *, most: int | None = None) -> tuple[RunSummary, ...]:
    """The runs that have finished, each in numbers, the latest first.

    Args:
        config: names the volume and the store.
        most: of them; None for all.
    """
    with asking_store(config) as store:
        return store.overview(most)


def read_merged(config: Config, run: str | None = None) -> pd.DataFrame:
    """The merged findings of a run, a row per target and thing found; `docs/results.md` documents columns and dtypes.

    Raises:
        UsageError: there is no such run.
        NoResultsError: it left no merged findings.
    """
    return open_results(config, run).merged


def findings_now(config: Config, choice: Choice | None = None) -> tuple[list[MergedRow], Coverage]:
    """What every target has now, by its latest results whichever runs made them, and what that answer rests on.

    Args:
        config: names the volume, the store and the scans.
        choice: what is wanted; None for all that is not suppressed.

    Raises:
        UsageError: no run has finished, or there is no such kind of finding.
        NotKnownError: no target, owner or scan has such a name.
    """
    from orchestrator.queries.choice import Choice as Wanted

    with asking_store(config) as store:
        if not store.overview(1):
            open_results(config)  # says what to do
        return store.findings_now(choice or Wanted(), looks_for=looks_for(config))


def differences(
    config: Config,
    run: str | None = None,
    *,
    since: datetime | None = None,
    between: tuple[str, str] | None = None,
) -> pd.DataFrame:
    """What is new, fixed, still there and no longer scanned; `docs/differences.md` has columns and dtypes.

    Args:
        config: names the volume.
        run: against what its targets were before it; None for the latest run.
        since: instead: all targets now against all then; with a time zone.
        between: instead: two names of images, the older first.

    Raises:
        UsageError: there is no such run.
        NotKnownError: no run has such an image.
    """
    from orchestrator.queries.frames import differences_frame

    return differences_frame(list_differences(config, run, since=since, between=between))


def list_differences(
    config: Config,
    run: str | None = None,
    *,
    since: datetime | None = None,
    between: tuple[str, str] | None = None,
) -> list[Difference]:
    """The same as `differences`, as typed rows, without pandas."""
    with asking_store(config) as store:
        if since is None and between is None:
            run = open_results(config, run).run
        return store.differences(run, since=since, between=between)


def compared(
    config: Config,
    run: str | None = None,
    *,
    since: datetime | None = None,
    between: tuple[str, str] | None = None,
) -> Coverage:
    """Of how many targets the newer side of `differences` could tell, and of which it could not, each with the reason.

    Args:
        config: names the volume, the store and the scans.
        run: as for `differences`.
        since: as for `differences`.
        between: as for `differences`; of these names both sides.
    """
    if since is None and between is None:
        return coverage_in(open_results(config, run).ledger.rows)
    with asking_store(config) as store:
        return store.coverage(between=between)


def who_has(config: Config, id_: str = "", *, package: str = "") -> pd.DataFrame:
    """Every target that has this vulnerability, or any in this package, as far as runs know, suppressed or not.

    Args:
        config: names the volume and the store.
        id_: its id, or any alias, in any case, or a glob of such; empty for any.
        package: glob for the package's name, as any scanner calls it, or for its package URL; empty for any.

    Returns:
        Rows of merged findings, one per target and package, the worst first, of the latest results of each target.

    Raises:
        UsageError: neither is given, or no run has finished.
    """
    from orchestrator.queries.frames import holders_frame

    return holders_frame(find_holders(config, id_, package=package))


def find_holders(config: Config, id_: str = "", *, package: str = "", most: int = sys.maxsize) -> Holders:
    """The same as `who_has`, as typed rows, without pandas; `most` of them, the worst first."""
    with asking_store(config) as store:
        return store.who_has(id_, most, package=package)


def holders_now(config: Config, id_: str = "", *, package: str = "") -> tuple[list[MergedRow], Coverage]:
    """The same as `who_has`, as typed rows of merged findings, and what that answer rests on."""
    from orchestrator.queries.holders import merged_rows

    found = merged_rows(find_holders(config, id_, package=package))
    return found, coverage(config, id_, package=package)


def coverage(config: Config, id_: str = "", *, package: str = "") -> Coverage:
    """Of how many targets an answer of `who_has` could tell, and of which it could not, each with the reason.

    Args:
        config: names the volume, the store and the scans.
        id_: as for `who_has`.
        package: as for `who_has`.
    """
    with asking_store(config) as store:
        return store.coverage(kinds_asked(id_, package), looks_for=looks_for(config))


def kinds_asked(id_: str, package: str) -> tuple[str, ...]:
    """The kinds of findings that an answer of `who_has` can have; none for any, the arguments are its own."""
    about_packages = bool(package) or folded(id_).startswith(_OF_VULNERABILITIES)
    return ("vulnerability",) if about_packages else ()


def looks_for(config: Config) -> dict[str, frozenset[str]]:
    """The kinds of findings that each scan looks for."""
    from orchestrator.catalog.loading import load_catalog
    from orchestrator.findings import kinds_of

    scans = load_catalog(config)
    return {name: kinds for name, scan in scans.items() if (kinds := kinds_of(scan)) is not None}


def asking_store(config: Config) -> AbstractContextManager[Store]:
    """The store of a configuration, with what its volume has."""
    from orchestrator.queries.opening import asking

    return asking(volume_of(config), config)


def judge(config: Config, ledger: Ledger, severity: Severity | None) -> Ledger:
    """The ledger of a run, judged as if its policy's `severity` were this one.

    Args:
        config: names the volume, which has the results of the run.
        ledger: of the run.
        severity: a finding of this severity or above breaks the policy; None for what the run's own policy says.
    """
    from orchestrator.analysis.policy.again import judged_by
    from orchestrator.results.run import RunResults

    return judged_by(severity, ledger, RunResults(volume_of(config), ledger.run)) if severity else ledger


def highlights(config: Config, run: str, *, most: int = 10) -> Highlights | None:
    """The findings of a run in short: how many of each severity, and the worst.

    Args:
        config: names the volume.
        run: id of a run that has ended.
        most: how many of the worst.

    Returns:
        None where its merged findings cannot be read.
    """
    from orchestrator.analysis.highlights import highlights_of
    from orchestrator.results.errors import NoResultsError
    from orchestrator.results.run import RunResults

    try:
        with RunResults(volume_of(config), run).open_merged() as merged:
            return highlights_of(merged, most)
    except NoResultsError as error:
        _log.warning("%s", error)
        return None
