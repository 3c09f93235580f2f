"""Who works on which run, as the volume says: one file in `running/` for each run, or part of one, that has not ended.

A Workflow claims its run before it writes anything of it, and gives the claim back when the results are written. A
claim whose holder is gone is that of a run which ended without its last step: `orchestrator.steps.ending` finishes it.
All that is decided about a claim is decided while its run's lock is held.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from orchestrator.argo.names import REAPER
from orchestrator.errors import PermanentError, UsageError
from orchestrator.kit.advice import ours
from orchestrator.model import Document
from orchestrator.model.documents import decode, encode
from orchestrator.results.provisional import LEDGER
from orchestrator.volume.layout import write_atomic
from orchestrator.volume.locks import held
from orchestrator.volume.records import read_small

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from orchestrator.volume.layout import Volume

#: Seconds after its deadline for which a run may still be ending: its exit handler, and the attempts of that.
MARGIN = 86_400
#: Seconds to wait for somebody who begins or ends the same run; to end one may take long.
_PATIENCE = 900.0


class RunTakenError(UsageError):
    """Somebody else works on the run."""


class RunClaim(Document, frozen=True):
    """Who works on a run, or a part of one.

    Attributes:
        run: its id.
        part: number of the part, of a run that was rendered as several Workflows; empty for the whole.
        workflow: name of the Workflow; empty for a process of the local engine, and where nobody claimed the run.
        uid: of the Workflow.
        namespace: of the Workflow.
        cluster: uid of that namespace, which tells one cluster from another; empty where nobody could read it.
        since: RFC 3339 in UTC.
        deadline: seconds that it may take, by its own limit.
        queued: whether its cells are in a queue, from which workers take them.
    """

    run: str
    part: str = ""
    workflow: str = ""
    uid: str = ""
    namespace: str = ""
    cluster: str = ""
    since: str = ""
    deadline: int = 0
    queued: bool = False

    @property
    def holder(self) -> str:
        """Who works on it, in words."""
        if self.queued:
            return "the workers of a queue"
        return f"Workflow {self.workflow}" if self.workflow else "a process of the local engine"


def deciding(run: str, volume: Volume, *, patience: float = _PATIENCE) -> AbstractContextManager[None]:
    """Hold the lock of a run, under which its claim is taken, judged and given back.

    Raises:
        LockedError: somebody else does; another try may help.
    """
    return held(volume.lock(run), patience=patience, required=False)


def take(claim: RunClaim, volume: Volume, why_over: Callable[[RunClaim], str]) -> None:
    """Claim a run, within `deciding`; the same holder may do it again.

    Args:
        claim: what is to stand on the volume.
        volume: where it stands.
        why_over: why the work of another holder is over; empty while it is not.

    Raises:
        RunTakenError: another holder works on it.
    """
    there = read_claim(claim.run, claim.part, volume)
    ours = there is not None and (there.workflow, there.uid, there.queued) == (claim.workflow, claim.uid, claim.queued)
    if there is not None and not ours and not why_over(there):
        raise RunTakenError(taken(there))
    write_atomic(volume.claim(claim.run, claim.part), encode(claim))


def taken(claim: RunClaim) -> str:
    """That somebody else works on a run, and what to do."""
    return (
        f"run {claim.run} is the work of {claim.holder}{f' since {claim.since}' if claim.since else ''}, which has not"
        f" ended: wait for its end, end it with {ours('cancel', claim.run)}, or choose another run id"
    )


def why_no_results(run: str, volume: Volume) -> str:
    """Why a run has no results, and what to do."""
    active = [claim for claim in claims(volume) if claim.run == run]
    if active:
        return (
            f"run {run} has no results yet: it is the work of {active[0].holder} since {active[0].since}; wait for its"
            " end. If it was deleted or terminated, the reaper makes its results:"
            f" `argo submit --from cronwf/{REAPER}` does so at once"
        )
    if volume.plan(run).exists():
        return f"run {run} has a plan but no results, and nobody works on it: {ours('retry', run)} runs it"
    return f"run {run} is unknown here: it has neither plan nor results in {volume.root}"


def give_back(claim: RunClaim, volume: Volume) -> None:
    """Say that nobody works on a run any more."""
    volume.claim(claim.run, claim.part).unlink(missing_ok=True)


def read_claim(run: str, part: str, volume: Volume) -> RunClaim | None:
    """Who works on a run; None where nobody does. One that cannot be read is a claim without a holder."""
    path = volume.claim(run, part)
    try:
        return msgspec.structs.replace(decode(read_small(path), RunClaim, origin=str(path)), run=run, part=part)
    except FileNotFoundError:
        return None
    except (PermanentError, OSError):
        return RunClaim(run=run, part=part)


def claims(volume: Volume) -> tuple[RunClaim, ...]:
    """Everything that somebody works on, or did without saying that it is over; by name of the run."""
    found = []
    for path in _files(volume):
        run, _, part = path.stem.partition("@")
        with suppress(PermanentError):  # a name that no run has
            if (claim := read_claim(run, part, volume)) is not None:
                found.append(claim)
    return tuple(found)


def _files(volume: Volume) -> list[Path]:
    return sorted(volume.running.glob("[!.]*.json"))


def unclaimed(volume: Volume) -> tuple[RunClaim, ...]:
    """Runs with neither claim nor ledger whose plan is older than `MARGIN`: those of versions without claims."""
    found, claimed = [], {path.stem.partition("@")[0] for path in _files(volume)}
    for path in sorted((volume.root / "plans").glob("[!.]*.json")):
        with suppress(PermanentError, OSError):
            if path.stem not in claimed and _is_left(path.stem, volume):
                found.append(RunClaim(run=path.stem))
    return tuple(found)


def is_unclaimed(run: str, volume: Volume) -> bool:
    """Whether a run is one of `unclaimed`."""
    if os.path.lexists(volume.claim(run)) or any(volume.running.glob(f"{run}@*.json")):
        return False
    with suppress(OSError):
        return _is_left(run, volume)
    return False


def age(claim: RunClaim, volume: Volume) -> float:
    """Seconds since a run was claimed, or since its plan was written, by the clock of the volume and no other."""
    path = volume.claim(claim.run, claim.part)
    lock = volume.lock(claim.run)
    os.utime(lock)  # to the present, as who keeps the files sees it
    claimed = path if os.path.lexists(path) else volume.plan(claim.run)
    return lock.stat().st_mtime - claimed.lstat().st_mtime


def _is_left(run: str, volume: Volume) -> bool:
    return not (volume.results(run) / LEDGER).exists() and _age(volume.plan(run)) > MARGIN


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime
