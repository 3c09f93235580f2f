"""The section `databases`: how long a scanner's database is used, and who has one already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BeforeValidator, Field

from orchestrator.config.described import ValueKind
from orchestrator.config.kinds import DURATION_SCHEMA, Duration, PathText, one_for_all
from orchestrator.config.section import Section
from orchestrator.model.ages import age_of

if TYPE_CHECKING:
    from orchestrator.config.loading import Config

_DURATIONS = {"type": "object", "additionalProperties": DURATION_SCHEMA}


class DatabasesSection(Section):
    """Scanners' databases.

    Attributes:
        max_age: a database that was downloaded, or found to be the newest, less than this ago is used without asking
            for a newer one; `0s` to ask in every run. One duration for all scans, or a mapping with one per scan and
            `default` for the others. Default: what the scan's template says, `24h` if nothing
        update: with `false` nothing is downloaded, like `--skip-db-update`; the databases on the volume are used,
            whatever their age
        paths: folders with a database that you have, by scan; each is copied to the volume, and again when it changes;
            nothing is downloaded for that scan. Relative paths start from the configuration's folder. In a cluster the
            folder must be on the volume: `/volume/…`
    """

    max_age: Annotated[
        dict[str, Duration],
        BeforeValidator(one_for_all),
        ValueKind("duration, or mapping of durations", {"anyOf": [DURATION_SCHEMA, _DURATIONS]}),
    ] = Field(default_factory=dict)
    update: bool = True
    paths: dict[str, PathText] = Field(default_factory=dict)

    def age_for(self, scan: str, otherwise: int) -> int:
        """Seconds that a database of this scan is used."""
        age = age_of(scan, self.max_age)
        return otherwise if age is None else age


def without_downloads(config: Config) -> Config:
    """The configuration, with databases used as they are on the volume."""
    return config.model_copy(update={"databases": config.databases.model_copy(update={"update": False})})
