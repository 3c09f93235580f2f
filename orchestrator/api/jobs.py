"""Plugins that tasks of jobs may name: the shipped ones, and those that the configuration adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.jobs.plugins import find_plugin, load_plugins

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.config.loading import Config
    from orchestrator.jobs.plugin_model import JobPlugin


def plugins_of(config: Config | None = None) -> dict[str, JobPlugin]:
    """Every plugin there is, by name.

    Args:
        config: adds plugins; None for the shipped ones.

    Raises:
        UsageError: a plugin has mistakes.
    """
    return load_plugins(_places(config))


def plugin_file(name: str, config: Config | None = None) -> Path:
    """The file of a plugin, as `lint` accepts it.

    Raises:
        UsageError: there is no such plugin, or a plugin has mistakes.
    """
    return find_plugin(name, _places(config))


def _places(config: Config | None) -> tuple[Path, ...]:
    jobs = config.events.jobs if config else None
    return tuple(config.base / place for place in jobs.plugins) if config and jobs else ()
