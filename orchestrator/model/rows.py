"""A finding with what it was found in: a row of a run's tables, and the one description of their columns.

`orchestrator.results.tables.columns` derives names, types, defaults and documentation of the columns from these types:
a field is a column, a finding's fields are columns of their own, those of a rating (`cvss_score`) and of a suppression
likewise.
"""

from typing import Annotated

import msgspec

from orchestrator.model.base import Document
from orchestrator.model.finding import Finding
from orchestrator.model.merged import MergedFinding

# A finding's columns have the names of its fields.
_AS_ITSELF = msgspec.Meta(extra={"prefix": ""})


class FindingRow(Document, frozen=True, gc=False):
    """A row of `findings.parquet`: what one scan reported.

    Attributes:
        run: id of the run.
        cell: id of the cell, `<target>/<scan>`.
        target: id of the target.
        references: every name under which the target was asked for; an image with several is scanned once and has one
            row.
        digest: of the image's manifest; `git:<hash>` of a repository's commit.
        indexes: digests of the indexes that led to the image, the one that `docker pull` prints among them; empty where
            there was none, and in runs of earlier versions.
        platform: `os/architecture[/variant]`; empty for a repository.
        scan: name of the scan.
        scanner: the scanner's own name, lower-case.
        scanner_version: as its report states it.
        database_version: as its report states it, else the folder of the database it was given.
        suspect: why the result that it is of is not believed any more (supply-chain.md); empty when it is. Worked out
            whenever findings are read or exported.
    """

    run: str
    cell: str
    target: str
    references: tuple[str, ...]
    digest: str
    indexes: tuple[str, ...]
    platform: str
    scan: str
    scanner: str
    scanner_version: str
    database_version: str
    finding: Annotated[Finding, _AS_ITSELF]
    suspect: str = ""


class MergedRow(Document, frozen=True, gc=False):
    """A row of `merged.parquet`: what people act on.

    Attributes:
        run: id of the run.
        target: id of the target.
        references: every name under which the target was asked for.
        owners: who answers for it.
        digest: of the image's manifest; `git:<hash>` of a repository's commit.
        indexes: digests of the indexes that led to the image, the one that `docker pull` prints among them; empty where
            there was none, and in runs of earlier versions.
        platform: `os/architecture[/variant]`; empty for a repository.
        suspect: where none of the scans that found it is believed any more (supply-chain.md): each with the reason.
            Worked out whenever findings are read or exported.
    """

    run: str
    target: str
    references: tuple[str, ...]
    owners: tuple[str, ...]
    digest: str
    indexes: tuple[str, ...]
    platform: str
    finding: Annotated[MergedFinding, _AS_ITSELF]
    suspect: str = ""
