"""Which of the ages under `rescanAfter` is that of a scan: the one rule of configuration, plans and store."""

from collections.abc import Mapping

#: The age of scans that have none of their own, among ages by scan.
DEFAULT = "default"


def age_of(scan: str, ages: Mapping[str, int]) -> int | None:
    """Seconds that a result of a scan stays fresh; None when it is always scanned again."""
    return ages.get(scan, ages.get(DEFAULT))
