"""Looks at many things side by side, each in a thread that nobody waits for longer than for the others."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.api.doctor.diagnosis import Check, CheckState
from orchestrator.errors import ScanmatrixError
from orchestrator.kit.guarding import guarded
from orchestrator.kit.masking import mask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Seen(NamedTuple):
    """What a look found; see `Check`."""

    state: CheckState
    found: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Probe:
    """One look.

    Attributes:
        area: see `Check`.
        name: likewise.
        needed: likewise.
        look: does it; called in a thread of its own, which may never end.
        advice: what to do where it fails by an error, or does not answer.
        patience: seconds for it, where that is less than for all.
    """

    area: str
    name: str
    needed: bool
    look: Callable[[], Seen]
    advice: str = ""
    patience: float = math.inf


def run_probes(probes: Sequence[Probe], patience: float) -> list[Check]:
    """Do all looks at once.

    Args:
        probes: the looks.
        patience: seconds for all of them together.

    Returns:
        A check for each, in the same order. A look that has not ended is left behind: it keeps neither us nor the end
        of the process waiting.
    """
    seen: list[Seen | None] = [None] * len(probes)

    def work(place: int, probe: Probe) -> None:
        try:
            with guarded(f"looking at {probe.area} {probe.name}"):
                seen[place] = probe.look()
        except (ScanmatrixError, OSError) as error:
            seen[place] = Seen(CheckState.BROKEN, str(error), probe.advice)

    began = time.monotonic()
    threads = [threading.Thread(target=work, args=each, daemon=True) for each in enumerate(probes)]
    for thread in threads:
        thread.start()
    for thread, probe in zip(threads, probes, strict=True):
        thread.join(max(0.0, began + min(patience, probe.patience) - time.monotonic()))
    return [
        _check(probe, answer, min(patience, probe.patience)) for probe, answer in zip(probes, list(seen), strict=True)
    ]


def _check(probe: Probe, answer: Seen | None, patience: float) -> Check:
    if answer is None:
        answer = Seen(CheckState.BROKEN, f"did not answer within {patience:g} seconds", probe.advice)
    return Check(
        area=probe.area,
        name=mask(probe.name),
        state=answer.state,
        needed=probe.needed,
        found=mask(answer.found),
        advice="" if answer.state is CheckState.OK else mask(answer.advice),
    )
