"""A row of a difference: one name of a target and one key of a merged finding."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import Annotated

import msgspec

from orchestrator.model import Document, Severity

NO_COLUMN = msgspec.Meta(extra={"column": ""})
"""Of a field that is no column of a DataFrame."""


class Difference(Document, frozen=True, gc=False):
    """What was, and what is, of one finding of one name.

    The fields up to `why` are the columns of a difference in a DataFrame.

    Attributes:
        status: one of `STATUSES`.
        reference: the name, as `platform`; the newer one where two are compared.
        key: as in `merged.parquet`, `kind` and `id` likewise.
        severity: as the newer side has it, or else the older, as `package`, `fixed_version`, `found_by` and `owners`.
        version_before: versions of the package joined by `, `; empty where it is not there, as `version_after`.
        count_before: how many of it there were (`MergedFinding.count`); None where nobody counted.
        count_after: how many there are; of `changed`, as counted by scans that counted on both sides.
        suppressed_before: `ignored`, `not_affected`, `fixed` or `scanner` when it was suppressed, else empty.
        suppressed_after: likewise.
        run_before: the run that says what was; empty when nobody does.
        run_after: the run that says what is.
        why: in words; empty for what is still there.
        target: id of the target that the newer side has it in, or else the older.
        at: when the run ended that says what is; None when nobody does.
        altered: whether it is on both sides, and anything else is said of it than before: how many, its severity, its
            fix, its title, its aliases, or whether it is suppressed.
    """

    status: str
    reference: str
    platform: str
    key: str
    kind: str
    id: str
    severity: Severity
    package: str
    version_before: str
    version_after: str
    count_before: int | None
    count_after: int | None
    fixed_version: str
    found_by: tuple[str, ...]
    owners: tuple[str, ...]
    suppressed_before: str
    suppressed_after: str
    run_before: str
    run_after: str
    why: str
    target: Annotated[str, NO_COLUMN]
    at: Annotated[datetime | None, NO_COLUMN] = None
    altered: Annotated[bool, NO_COLUMN] = False
