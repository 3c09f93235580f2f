"""The section `store`: where results are kept beyond the volume."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from orchestrator.config.kinds import Duration, Kind
from orchestrator.config.section import Section


class Store(Section):
    """Where results are kept beyond the volume."""

    url: Annotated[SecretStr, Kind("URL")] | None = None
    keep: Annotated[Duration, Field(ge=86400)] = 180 * 86400
