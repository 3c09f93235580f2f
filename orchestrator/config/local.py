"""The section `local`: the local engine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from orchestrator.config.kinds import Kind
from orchestrator.config.section import Section


def _word(value: object) -> object:
    """`off` without quotes, of which YAML makes a truth value."""
    return "off" if value is False else value


class Local(Section):
    """What the local engine needs to know."""

    runner: Literal["auto", "process", "container"] = "auto"
    sandbox: Annotated[
        Literal["auto", "required", "off"],
        BeforeValidator(_word),
        Kind("`auto`, `required` or `off`", {"enum": ["auto", "required", "off", False]}),
    ] = "auto"
