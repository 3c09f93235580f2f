"""The section of the configuration that only the scheduler reads."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from orchestrator.config.kinds import Duration
from orchestrator.config.section import CelRule, Section, WrongKey

Novelty: TypeAlias = Literal["scanner", "database"]

#: Seconds of a duration, in CEL.
_SECONDS = (
    "int(self.{0}.find('[0-9]+')) * {{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}}[self.{0}.find('[smhdw]')]"
)
#: Seconds a result stays fresh where `rescanAfter` says nothing of its scan.
RESCAN_AFTER = 14 * 86400


class Retry(Section):
    """When what failed is tried again: after `first`, then each time after twice as long, up to `longest`.

    Attributes:
        first: after the first failure; twice as long after each further one
        longest: longest of these pauses
    """

    first: Annotated[Duration, Field(ge=1)] = 300
    longest: Annotated[Duration, Field(ge=1)] = 86400

    across = (CelRule(f"{_SECONDS.format('first')} <= {_SECONDS.format('longest')}", "first is longer than longest"),)

    @model_validator(mode="after")
    def _in_order(self) -> Retry:
        if self.first > self.longest:
            raise WrongKey(("first",), "is longer than schedule.retry.longest")
        return self


class ScheduleSection(Section):
    """How `scanmatrix schedule` keeps results fresh.

    Attributes:
        runs_in_flight: runs at the same time, of all replicas together
        cells_per_run: maximum number of cells in one run; an image with more has a run of its own
        inventory: interval between two reads of all sources of targets; what starts in clusters is known at once
        new_versions: whose new version makes older results stale; `[]` for neither
        new_version_after: minimum age of a result before a new version makes it stale
        retry: of targets and scans that failed
        lease: the runs of a replica that is silent for this long are taken over
    """

    runs_in_flight: Annotated[int, Field(ge=1, le=100)] = 2
    cells_per_run: Annotated[int, Field(ge=1, le=5000)] = 200
    inventory: Annotated[Duration, Field(ge=1)] = 600
    new_versions: tuple[Novelty, ...] = ("scanner", "database")
    new_version_after: Annotated[Duration, Field(ge=60)] = 6 * 3600
    retry: Retry = Retry()
    lease: Annotated[Duration, Field(ge=2)] = 60
