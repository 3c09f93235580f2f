"""The columns of a CSV of targets that mean something; `csv_file` reads them."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from orchestrator.config.kinds import GitUrl, Reference, Text
from orchestrator.config.section import OneOf


class CsvRow(OneOf):
    """A row as an object: exactly one of `image` and `repository`; every column that is not here is a label.

    Attributes:
        image: as `docker pull` takes it; may have its tag or digest in a column `tag` or `digest`
        repository: URL of a source repository
        ref: its branch, tag or commit; `HEAD` without it
        scans: names of scans with `;` between them, `*` for all; empty for the default
        owner: who answers for it
    """

    model_config = ConfigDict(extra="allow")
    choices = ("image", "repository")

    image: Reference | None = None
    repository: GitUrl | None = None
    ref: Text | None = None
    scans: str = ""
    owner: str = ""
    __pydantic_extra__: dict[str, str] = Field(init=False)
