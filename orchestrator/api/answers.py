"""What questions across runs answer to programs: documents with a version and what they rest on; see `docs/json.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.model import Document
from orchestrator.model.base import SCHEMA_VERSION
from orchestrator.queries.due import DueScan  # noqa: TC001 - msgspec reads the annotations
from orchestrator.queries.finding_history import FindingSpan  # noqa: TC001 - likewise
from orchestrator.queries.known_targets import KnownTarget  # noqa: TC001 - likewise
from orchestrator.queries.overview import StoreOverview  # noqa: TC001 - likewise
from orchestrator.results.coverage import NotCovered  # noqa: TC001 - likewise

if TYPE_CHECKING:
    from orchestrator.results.coverage import Coverage


class CoveredTargets(Document, frozen=True):
    """Targets that were asked about, and those of them with a result that could tell.

    Attributes:
        targets: that were asked about.
        covered: those of them with a result that could tell.
    """

    targets: int
    covered: int


class StaleAnswer(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """What should be scanned again.

    Attributes:
        unknown: the targets without a result that could tell.
        due: what never ended ok first, then the oldest.
    """

    coverage: CoveredTargets
    unknown: tuple[NotCovered, ...]
    due: tuple[DueScan, ...]


class TargetsAnswer(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """The targets that are known.

    Attributes:
        unknown: those without a result that could tell.
    """

    coverage: CoveredTargets
    unknown: tuple[NotCovered, ...]
    targets: tuple[KnownTarget, ...]


class OverviewAnswer(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """How every scan stands, and what there is, in numbers.

    Attributes:
        unknown: the targets without a result that could tell.
    """

    coverage: CoveredTargets
    unknown: tuple[NotCovered, ...]
    overview: StoreOverview


class HistoryAnswer(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """When findings came to each name, and when they went.

    Attributes:
        unknown: the targets without a result that could tell.
        history: the first first.
    """

    coverage: CoveredTargets
    unknown: tuple[NotCovered, ...]
    history: tuple[FindingSpan, ...]


def rests_on(coverage: Coverage) -> tuple[CoveredTargets, tuple[NotCovered, ...]]:
    """The first two fields of every answer."""
    return CoveredTargets(coverage.targets, coverage.covered), coverage.unknown
