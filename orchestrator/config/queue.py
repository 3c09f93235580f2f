"""The section `queue`: how the engine `queue` hands cells to workers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orchestrator.config.kinds import Duration
from orchestrator.config.section import Section


class QueueSection(Section):
    """How the engine `queue` hands cells to workers.

    Attributes:
        kind: what carries them: `store`, the database of all results, so that there is nothing else to run
        lease: a cell is handed to another worker when the one that has it is silent for one and a half times as long
        attempts: workers that may be lost with a cell; then it fails, and is handed to nobody
    """

    kind: Literal["store"] = "store"
    lease: Annotated[Duration, Field(ge=2, le=3600)] = 60
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
