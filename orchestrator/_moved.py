"""What the documentation of 0.1 named and is elsewhere now: it works until 0.3, with a `DeprecationWarning`.

A module that is gone is made again when somebody imports it, by a finder that comes after all others; a package that is
still there asks `moved` for the names it lost. Everything here is deleted with 0.3.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False  # see `orchestrator/__init__.py`
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

#: Where the names of a module are now; for a package that is still there, those that it lost.
MOVED = {
    "orchestrator.aio": "orchestrator.api.aio",
    "orchestrator.follow_up": "orchestrator.api.results",
    "orchestrator.operations": "orchestrator.api.run",
    "orchestrator.results.bom_split": "orchestrator.results.bom.split",
    "orchestrator.results.difference": "orchestrator.api.older",
    "orchestrator.results.frames": "orchestrator.results.tables.reading",
    "orchestrator.results.merge": "orchestrator.analysis.merge.merge",
    "orchestrator.results.store": "orchestrator.queries",
    "orchestrator.results.suppression": "orchestrator.analysis.suppression",
    "orchestrator.sdk": "orchestrator.api.plan",
    "orchestrator.trust": "orchestrator.api.trust",
    "orchestrator.volume": "orchestrator.volume.layout",
}
#: Those of them that are in another module than the rest.
_FURTHER = {
    (module, name): home
    for module, home, names in (
        ("orchestrator.sdk", "orchestrator.api.install", ("install", "update_images", "write_install")),
        ("orchestrator.follow_up", "orchestrator.api.delivering", ("deliver", "export", "notify")),
    )
    for name in names
}
#: What to use instead, where that is neither a public name nor in the module above.
_INSTEAD = {
    **dict.fromkeys(("between", "since", "since_last"), "scanmatrix.differences"),
    "Volume": "the functions of `scanmatrix`, which take a configuration",
}


def moved(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module of `MOVED`."""

    def load(name: str) -> Any:
        lost = AttributeError(f"module {module!r} has no attribute {name!r}", name=name)
        if name == "__all__":  # of `from … import *`
            further = [each for old, each in _FURTHER if old == module]
            return [*further, *(each for each in vars(import_module(MOVED[module])) if not each.startswith("_"))]
        if name.startswith("_"):
            raise lost
        now = import_module(_home(module, name))
        if name not in vars(now) and name not in getattr(now, "__all__", ()):
            raise lost
        _warn(module, name)
        return getattr(now, name)

    return load


def _home(module: str, name: str) -> str:
    return _FURTHER.get((module, name), MOVED[module])


def _warn(module: str, name: str) -> None:
    """Warn the caller of `load`, above."""
    import warnings  # noqa: PLC0415 - not for those who use no old name

    import orchestrator  # noqa: PLC0415 - it imports this module

    home = "scanmatrix.aio" if module == "orchestrator.aio" else _home(module, name)
    public = f"scanmatrix.{name}" if home != "scanmatrix.aio" and name in orchestrator.__all__ else f"{home}.{name}"
    new = _INSTEAD.get(name, public)
    warnings.warn(f"{module}.{name} will be removed in 0.3: use {new}", DeprecationWarning, stacklevel=3)


class _Loader:
    """Makes one of them."""

    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """See `importlib.abc.Loader`: the usual module."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """See `importlib.abc.Loader`: it holds nothing, and asks for each name where it is now."""
        module.__doc__ = f"Moved to `{MOVED[module.__name__]}`; removed in 0.3."
        module.__getattr__ = moved(module.__name__)  # type: ignore[method-assign]


#: Not a subclass of `importlib.abc.Loader`, whose module takes long to import.
_LOADER: Any = _Loader()


class _Finder:
    """Finds the modules that are gone."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG004
        """See `importlib.abc.MetaPathFinder`."""
        return ModuleSpec(name, _LOADER) if name in MOVED else None


def install() -> None:
    """Have the modules found; once in a process."""
    if _Finder not in sys.meta_path:
        sys.meta_path.append(_Finder)
