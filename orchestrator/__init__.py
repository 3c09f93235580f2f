"""scanmatrix: a matrix of images × scans, planned, run and accounted for.

The public surface, which people import as `scanmatrix`; everything else may change between versions. Names are loaded
when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module

from orchestrator import _moved

TYPE_CHECKING = False  # as type checkers know it; importing it from `typing` takes longer than all else here
if TYPE_CHECKING:
    import typing

    __version__: str
    from orchestrator.analysis.suppression import Suppressor
    from orchestrator.api import aio as aio
    from orchestrator.api.delivering import export, notify
    from orchestrator.api.plan import (
        ledger_frame,
        lint,
        load_catalog,
        load_config,
        make_plan,
        read_findings,
        read_ledger,
        read_plan,
        render,
    )
    from orchestrator.api.results import differences, list_results, open_results, read_merged, who_has
    from orchestrator.api.run import cancel, delete, fetch, follow, list_runs, logs, retry, run, status, submit
    from orchestrator.client.clients import AsyncServiceClient, ServiceClient
    from orchestrator.client.connection import ServiceLimits
    from orchestrator.config.loading import Config
    from orchestrator.engines.interface import EngineError, Observer
    from orchestrator.errors import PermanentError, ScanmatrixError, TemporaryError, UsageError
    from orchestrator.kit.sources import Problem
    from orchestrator.model import (
        IgnoreRule,
        Ledger,
        MergedFinding,
        Outcome,
        Plan,
        RunStatus,
        Scan,
        Severity,
        Suppression,
    )
    from orchestrator.notifications.interface import Delivery
    from orchestrator.queries import Store
    from orchestrator.results.overview import RunSummary
    from orchestrator.results.run import RunResults
    from orchestrator.workflows import ManifestKind

__all__ = [
    "AsyncServiceClient",
    "Config",
    "Delivery",
    "EngineError",
    "IgnoreRule",
    "Ledger",
    "ManifestKind",
    "MergedFinding",
    "Observer",
    "Outcome",
    "PermanentError",
    "Plan",
    "Problem",
    "RunResults",
    "RunStatus",
    "RunSummary",
    "Scan",
    "ScanmatrixError",
    "ServiceClient",
    "ServiceLimits",
    "Severity",
    "Store",
    "Suppression",
    "Suppressor",
    "TemporaryError",
    "UsageError",
    "__version__",
    "aio",
    "cancel",
    "delete",
    "differences",
    "export",
    "fetch",
    "follow",
    "ledger_frame",
    "lint",
    "list_results",
    "list_runs",
    "load_catalog",
    "load_config",
    "logs",
    "make_plan",
    "notify",
    "open_results",
    "read_findings",
    "read_ledger",
    "read_merged",
    "read_plan",
    "render",
    "retry",
    "run",
    "status",
    "submit",
    "who_has",
]

_HOMES = (
    dict.fromkeys(
        ("cancel", "delete", "fetch", "follow", "list_runs", "logs", "retry", "run", "status", "submit"), "api.run"
    )
    | dict.fromkeys(("differences", "list_results", "open_results", "read_merged", "who_has"), "api.results")
    | dict.fromkeys(("export", "notify"), "api.delivering")
    | dict.fromkeys(
        ("IgnoreRule", "Ledger", "MergedFinding", "Outcome", "Plan", "RunStatus", "Scan", "Severity", "Suppression"),
        "model",
    )
    | dict.fromkeys(("PermanentError", "ScanmatrixError", "TemporaryError", "UsageError"), "errors")
    | dict.fromkeys(("EngineError", "Observer"), "engines.interface")
    | dict.fromkeys(("AsyncServiceClient", "ServiceClient"), "client.clients")
    | {
        "Config": "config.loading",
        "Delivery": "notifications.interface",
        "ManifestKind": "workflows",
        "Problem": "kit.sources",
        "RunResults": "results.run",
        "RunSummary": "results.overview",
        "ServiceLimits": "client.connection",
        "Store": "queries",
        "Suppressor": "analysis.suppression",
    }
)


def public(name: str, *, module: str = __name__) -> typing.Any:
    """What a public name stands for.

    Args:
        name: one of `__all__`.
        module: that is asked, for messages.

    Raises:
        AttributeError: there is no such name.
    """
    if name == "__version__":
        from orchestrator.kit.own import own_version  # noqa: PLC0415 - for those who ask

        return own_version()
    if name == "aio":
        return import_module(f"{__name__}.api.aio")
    if name not in __all__:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'api.plan')}"), name)


def __getattr__(name: str) -> typing.Any:
    return public(name)


def __dir__() -> list[str]:
    return sorted(__all__)


_moved.install()
