"""What is known of the installed program itself."""

from functools import cache


@cache
def own_version() -> str:
    """Its version; `0` in a source tree that was never installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - takes longer than most that asks

    try:
        return version("scanmatrix")
    except PackageNotFoundError:
        return "0"
