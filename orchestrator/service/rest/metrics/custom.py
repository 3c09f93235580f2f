"""Gauges that an operator defines: findings that targets have now, counted by some of what they are."""

from __future__ import annotations

from collections import Counter
from itertools import product
from typing import TYPE_CHECKING

from orchestrator.api import lists
from orchestrator.errors import NotKnownError
from orchestrator.queries.choice import Choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.config.loading import Config
    from orchestrator.config.metrics import MetricSection
    from orchestrator.model import MergedRow
    from orchestrator.queries.pages import FindingKey

_PAGE = 1000
#: The values of a row for each label; a row with several is counted under each of them.
_VALUES: dict[str, Callable[[MergedRow], Sequence[str]]] = {
    "severity": lambda row: (row.finding.severity.value,),
    "kind": lambda row: (row.finding.kind,),
    "fixable": lambda row: ("true" if row.finding.fixed_version else "false",),
    "owner": lambda row: row.owners or ("",),
    "scan": lambda row: row.finding.found_by or ("",),
    "ecosystem": lambda row: (row.finding.ecosystem,),
    "platform": lambda row: (row.platform,),
    "reference": lambda row: row.references[:1] or (row.target,),
    "package": lambda row: (row.finding.package,),
    "id": lambda row: (row.finding.id,),
}


def counted(config: Config, metric: MetricSection) -> list[tuple[tuple[str, ...], float]]:
    """How many findings there are, by the values of the metric's labels; none where nothing has such names (yet).

    Args:
        config: names volume and store.
        metric: what is counted, and by what.
    """
    choice = Choice(
        target=metric.target or "",
        owner=metric.owner or "",
        scan=metric.scan or "",
        id=metric.id or "",
        package=metric.package or "",
        kinds=metric.kinds,
        severity=metric.severity,
        fixable=metric.fixable,
        suppressed=metric.suppressed,
    )
    found: Counter[tuple[str, ...]] = Counter()
    after: FindingKey | None = None
    try:
        while True:
            page = lists.findings_page(config, choice, after, _PAGE)
            for row in page.rows:
                found.update(product(*(_VALUES[label](row) for label in metric.labels)))
            after = page.last
            if after is None:
                break
    except NotKnownError:  # a filter for what has not been scanned yet
        return []
    return [(labels, float(count)) for labels, count in found.items()]
