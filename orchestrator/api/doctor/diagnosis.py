"""What an examination says, and what one look at something says."""

from __future__ import annotations

from enum import StrEnum

from orchestrator.model import Document
from orchestrator.model.base import SCHEMA_VERSION


class CheckState(StrEnum):
    """What was found."""

    OK = "ok"
    #: It is not here.
    MISSING = "missing"
    #: It is here and does not work, or it did not answer.
    BROKEN = "broken"


class Check(Document, frozen=True):
    """One thing that was looked for.

    Attributes:
        area: `scanner`, `runtime`, `program`, `volume`, `database`, `store`, `registry`, `cluster` or `targets`.
        name: of the thing.
        state: what was found.
        needed: whether runs of this configuration need it.
        found: where it is, which version, how old; or what is wrong.
        advice: what to do where it is missing or broken: the line to run, where there is one.
    """

    area: str
    name: str
    state: CheckState
    needed: bool = False
    found: str = ""
    advice: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether runs of this configuration will fail, or be less than asked for, because of it."""
        return self.needed and self.state is not CheckState.OK


class Diagnosis(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """Everything that was looked for.

    Attributes:
        version: of this program.
        config: path of the configuration; empty where there is none.
        engine: which runs the plans.
        checks: in the order in which people read them.
    """

    version: str
    config: str
    engine: str
    checks: tuple[Check, ...] = ()

    @property
    def faults(self) -> tuple[Check, ...]:
        """What is needed, and missing or broken."""
        return tuple(check for check in self.checks if check.is_fault)
