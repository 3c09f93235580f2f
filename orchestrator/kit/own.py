"""What is known of the installed program itself."""

from functools import cache
from pathlib import Path


@cache
def own_version() -> str:
    """Its version; `0` in a source tree that was never installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - takes longer than most that asks

    try:
        return version("scanmatrix")
    except PackageNotFoundError:
        return "0"


def templates_folder() -> Path:
    """The folder of the shipped scan templates; that of the shipped plugins is in it."""
    inside = Path(__file__).parents[1] / "templates"  # of an installed wheel
    return inside if inside.is_dir() else Path(__file__).parents[2] / "templates"
