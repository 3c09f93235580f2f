"""How a run stands, in words that every engine uses."""

from collections import Counter
from enum import StrEnum

from orchestrator.model.base import SCHEMA_VERSION, Document


class CellState(StrEnum):
    """What a cell is doing."""

    WAITING = "waiting"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class CellStatus(Document, frozen=True):
    """One cell of a run, as far as it is known by now.

    Attributes:
        target: id of its target.
        reference: a name of its image; empty while nobody knows.
        state: what it does; `ok` means that its scanner ended well, the ledger says whether its report is sound.
        message: why, in the engine's words.
        attempts: begun so far.
    """

    target: str
    scan: str
    reference: str = ""
    state: CellState = CellState.WAITING
    message: str = ""
    attempts: int = 0
    started: str = ""
    finished: str = ""

    @property
    def id(self) -> str:
        """As in the plan and the ledger."""
        return f"{self.target}/{self.scan}"


class PullStatus(Document, frozen=True):
    """One image of a run."""

    target: str
    reference: str = ""
    state: CellState = CellState.WAITING
    message: str = ""


class RunStatus(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """A run at one moment.

    Attributes:
        state: `pending`, `running`, `succeeded`, `failed` or `cancelled`.
        message: why, when it is neither pending, running nor succeeded.
        progress: pods ended and pods known, in Argo's words; empty for other engines.
        workflows: names of those that work on it; none for other engines.
    """

    run: str
    state: str
    message: str = ""
    started: str = ""
    finished: str = ""
    progress: str = ""
    workflows: tuple[str, ...] = ()
    cells: tuple[CellStatus, ...] = ()
    pulls: tuple[PullStatus, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state not in {"pending", "running"}

    def counts(self) -> dict[CellState, int]:
        """Cells by state, those of each state there is."""
        found = Counter(cell.state for cell in self.cells)
        return {state: found[state] for state in CellState if found[state]}
