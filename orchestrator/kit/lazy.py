"""Names of a package that are loaded when they are first used, because their modules import what takes long."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package (PEP 562).

    Args:
        package: its name, for messages.
        homes: full names of modules by the name that each holds.

    Returns:
        A function that loads one of these names, and raises `AttributeError` for any other.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return load
