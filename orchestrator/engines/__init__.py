"""What runs a plan: one folder an engine.

To add one: a folder here whose package has `make`, as `orchestrator.engines.interface.EngineFolder` says. Its name is
that of the folder; no list has to be changed.
"""

from __future__ import annotations

from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING

from orchestrator.errors import UsageError
from orchestrator.kit.sources import no_such

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import Engine, EngineFolder
    from orchestrator.model import Scan
    from orchestrator.planning.venue import Venue

#: Given each engine that is made in this context and whose runs end with this process, so that it can be interrupted.
NOTE_LOCAL: ContextVar[Callable[[Engine], None]] = ContextVar("NOTE_LOCAL", default=lambda engine: None)  # noqa: ARG005


def names() -> tuple[str, ...]:
    """Names of every engine, sorted."""
    from pkgutil import iter_modules  # noqa: PLC0415 - the command line imports us

    return tuple(sorted(found.name for found in iter_modules(__path__) if found.ispkg))


def unknown(name: str) -> str:
    """Why there is no engine of that name; empty when there is one."""
    if name in names():
        return ""
    return no_such("engine", name, names())


def check(name: str) -> str:
    """The name again.

    Raises:
        UsageError: there is no such engine.
    """
    if wrong := unknown(name):
        raise UsageError(wrong)
    return name


def make(config: Config, *, mounted: bool = False) -> Engine:
    """The engine that the configuration names; what it needs is imported only here.

    Args:
        config: names it.
        mounted: whether `volume.path` is the cluster's own volume, so that results need not be fetched from there.

    Raises:
        UsageError: there is no such engine.
    """
    folder = _folder(config)
    engine = folder.make(config, mounted=mounted)
    if not folder.remote:
        NOTE_LOCAL.get()(engine)
    return engine


def is_remote(config: Config) -> bool:
    """Whether a run of the configured engine continues when the process that started or follows it ends.

    Raises:
        UsageError: there is no such engine.
    """
    return _folder(config).remote


def venue(config: Config) -> Venue:
    """What a plan must know of where the configured engine will run it.

    Raises:
        UsageError: there is no such engine.
    """
    return _folder(config).venue


def in_cluster(config: Config) -> bool:
    """Whether pods scan what the configured engine runs.

    Raises:
        UsageError: there is no such engine.
    """
    place: Venue | None = getattr(_folder(config), "venue", None)  # one that plans nothing itself may have none
    return place is not None and place.in_cluster


def missing(config: Config, scans: Iterable[Scan]) -> dict[str, str]:
    """Why scans cannot run where the configured engine runs them, by their names; nothing of those that can.

    An engine whose package does not have this function runs scanners in their images, and lacks none.

    Raises:
        UsageError: there is no such engine.
    """
    look: Callable[[Config, Iterable[Scan]], dict[str, str]] | None = getattr(_folder(config), "missing", None)
    return look(config, scans) if look else {}


def at_hand(config: Config, scans: Iterable[Scan]) -> tuple[str, ...]:
    """Names of the scans whose scanners are installed where the configured engine runs them.

    An engine whose package does not have this function has none: its scanners come in images.

    Raises:
        UsageError: there is no such engine.
    """
    look: Callable[[Config, Iterable[Scan]], tuple[str, ...]] | None = getattr(_folder(config), "at_hand", None)
    return look(config, scans) if look else ()


def _folder(config: Config) -> EngineFolder:
    found: EngineFolder = import_module(f"{__name__}.{check(config.engine)}")
    return found
