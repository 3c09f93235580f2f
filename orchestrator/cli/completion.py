"""What a shell completes: names of scans, runs, exports and targets, as the configuration and the volume have them.

Nothing is asked of a network, and trouble gives no names: a shell has no place for messages.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

import typer  # noqa: TC002 - Typer reads the annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from orchestrator.config.loading import Config

Words: TypeAlias = list[tuple[str, str]]

#: Runs that are offered, the newest first.
_RUNS = 100


def scans(ctx: typer.Context, incomplete: str) -> Words:
    """Scans, each with what it does."""
    return _offer(ctx, incomplete, _scans)


def plugins(ctx: typer.Context, incomplete: str) -> Words:
    """Plugins, each with what it does."""
    return _offer(ctx, incomplete, _plugins)


def keys(ctx: typer.Context, incomplete: str) -> Words:
    """Keys of files, each with what it means."""
    return _offer(ctx, incomplete, _keys)


def runs(ctx: typer.Context, incomplete: str) -> Words:
    """Runs on the volume, the newest first."""
    return _offer(ctx, incomplete, _runs)


def exports(ctx: typer.Context, incomplete: str) -> Words:
    """Exports, each with what it does."""
    return _offer(ctx, incomplete, _exports)


def configured(ctx: typer.Context, incomplete: str) -> Words:
    """Targets of the configuration and of its lists on this machine."""
    return _offer(ctx, incomplete, lambda config: _spelt(_configured(config), incomplete))


def scanned(ctx: typer.Context, incomplete: str) -> Words:
    """Targets of the run that is named, or else of the one that finished last."""
    run = ctx.params.get("run")
    return _offer(ctx, incomplete, lambda config: _spelt(_scanned(config, run), incomplete))


def _offer(ctx: typer.Context, incomplete: str, names: Callable[[Config], Iterable[tuple[str, str]]]) -> Words:
    from orchestrator.api import plan as plan_api
    from orchestrator.errors import ScanmatrixError

    logging.disable()  # the process ends with the answer
    try:
        config = plan_api.load_config(ctx.params.get("config"), volume=ctx.params.get("volume"))
        return [(name, about) for name, about in names(config) if name.startswith(incomplete)]
    except (ScanmatrixError, OSError):
        return []


def _scans(config: Config) -> Words:
    from orchestrator.api import plan as plan_api

    return [(name, scan.description) for name, scan in plan_api.load_catalog(config).items()]


def _plugins(config: Config) -> Words:
    from orchestrator.api.jobs import plugins_of

    return [(name, plugin.description) for name, plugin in plugins_of(config).items()]


def _keys(config: Config) -> Words:  # noqa: ARG001 - they are the same for all
    from orchestrator.api.explain import every_key

    return [(f"{each.file}.{each.key}", each.meaning) for each in every_key()]


def _exports(config: Config) -> Words:  # noqa: ARG001 - they are the same for all
    from orchestrator.exports import load, names

    return [(name, load(name).description) for name in names()]


def _runs(config: Config) -> Words:
    found = [path.stem for path in (config.volume.path / "plans").glob("*.json")]
    return [(run, "") for run in sorted(found, reverse=True)[:_RUNS]]


def _configured(config: Config) -> list[str]:
    from orchestrator.inventory import collect
    from orchestrator.inventory.selection import called

    return [called(entry) for entry in collect(config, here=True)]


def _scanned(config: Config, run: str | None) -> list[str]:
    from orchestrator.api import results as results_api

    rows = results_api.open_results(config, run).ledger.rows
    return [reference for row in rows for reference in row.references]


def _spelt(references: Sequence[str], incomplete: str) -> Words:
    """The names themselves; as they may be shortened, where somebody has begun to write one."""
    from orchestrator.images.names import names_of_target

    if incomplete:
        references = [name for each in dict.fromkeys(references) for name in names_of_target([each], short=True)]
    return [(name, "") for name in dict.fromkeys(references)]
