"""The section `store`: where results are kept beyond the volume."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from orchestrator.config.described import ValueKind
from orchestrator.config.kinds import Duration
from orchestrator.config.section import Section


class StoreSection(Section):
    """Where results are kept beyond the volume.

    Attributes:
        url: of the database: `postgresql://`, `mysql://`, `mariadb://` or `sqlite:///`; may contain a password and is
            masked wherever it is shown. Without one, the file `store.sqlite3` on the volume
        keep: how long findings that are gone, and the cells of old runs, are kept by `scanmatrix store prune`; at least
            `1d`
    """

    url: Annotated[SecretStr, ValueKind("URL")] | None = None
    keep: Annotated[Duration, Field(ge=86400)] = 180 * 86400
