"""The configuration of a command: the file, the environment, and what the command line says instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from orchestrator.config.loading import Config
    from orchestrator.model import Severity


def settings_of(
    config: Path | None,
    volume: Path | None = None,
    *,
    engine: str | None = None,
    references: Sequence[str] = (),
    targets: Sequence[str] = (),
    strict: bool = False,
    fail_on: Severity | None = None,
    downloads: bool = True,
) -> Config:
    """The configuration that holds; where nobody named its file, a line on stderr does.

    Args:
        config: the file, from `--config`.
        volume: the folder, from `--volume`.
        engine: its name, from `--engine`.
        references: images, archives and repositories of the command line.
        targets: globs, from `--target`, for some of the configured targets.
        strict: from `--strict`.
        fail_on: from `--fail-on`.
        downloads: False from `--offline` and `--skip-db-update`.

    Raises:
        UsageError: the configuration has mistakes, or the command line has.
    """
    from orchestrator import engines
    from orchestrator.api import plan as plan_api
    from orchestrator.kit.advice import remember

    remember(config=str(config or ""), volume=str(volume or ""), engine=engine or "")
    settings = plan_api.load_config(
        config,
        references=references,
        targets=targets,
        volume=volume,
        strict=strict,
        fail_on=fail_on,
        downloads=downloads,
    )
    tell_which(config, settings.path)
    return settings if engine is None else settings.model_copy(update={"engine": engines.check(engine)})


def settings_to_plan(
    config: Path | None,
    volume: Path | None,
    references: Sequence[str] | None,
    targets: Sequence[str] | None,
    *,
    strict: bool,
    offline: bool,
    skip_db_update: bool,
    engine: str | None = None,
    fail_on: Severity | None = None,
) -> Config:
    """The same for commands that make a plan, by the values of their options as these are."""
    return settings_of(
        config,
        volume,
        engine=engine,
        references=references or (),
        targets=targets or (),
        strict=strict,
        fail_on=fail_on,
        downloads=not (offline or skip_db_update),
    )


def tell_which(config: Path | None, found: Path | None) -> None:
    """Name the configuration on stderr that nobody named: the one that was found.

    Args:
        config: from `--config`.
        found: the file that holds; None for none.
    """
    from orchestrator.cli.commands import QUIET
    from orchestrator.cli.output import complain

    if config is None and found is not None and not QUIET.get():
        complain(f"scanmatrix: using {found.name}")
