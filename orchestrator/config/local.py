"""The section `local`: the local engine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from orchestrator.config.described import ValueKind
from orchestrator.config.section import Section


def _word(value: object) -> object:
    """`off` without quotes, of which YAML makes a truth value."""
    return "off" if value is False else value


class Local(Section):
    """What the local engine needs to know.

    Attributes:
        runner: how the local engine starts scanners: those found on `PATH` as processes and others in containers, or
            only the one way; the built-in scans never run in a container
        sandbox: whether processes are kept in a sandbox (bubblewrap): where one works, and otherwise with a warning
            (`auto`), or they do not run without one (`required`), or never ([local-engine.md](local-engine.md))
    """

    runner: Literal["auto", "process", "container"] = "auto"
    sandbox: Annotated[
        Literal["auto", "required", "off"],
        BeforeValidator(_word),
        ValueKind("`auto`, `required` or `off`", {"enum": ["auto", "required", "off", False]}),
    ] = "auto"
