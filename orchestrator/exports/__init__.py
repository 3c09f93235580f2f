"""Results of a run to files and to other systems: one module per export, found by name.

To add one: a module with `name`, `description` and `export` (see `orchestrator.exports.interface`), and its line here.
"""

from importlib import import_module

from orchestrator.errors import UsageError
from orchestrator.exports.interface import Export
from orchestrator.kit.sources import no_such

#: Modules of this folder that are exports, by the name that the command line gives them; `ExportName` has them, too.
_MODULES: dict[str, str] = {
    "csv": "csv",
    "cyclonedx": "cyclonedx",
    "cyclonedx-vex": "cyclonedx_vex",
    "defectdojo": "defectdojo",
    "dependency-track": "dependency_track",
    "html": "html",
    "junit": "junit",
    "markdown": "markdown",
    "openvex": "openvex",
    "parquet": "parquet",
    "s3": "s3",
    "sarif": "sarif",
    "spdx": "spdx",
}


def names() -> tuple[str, ...]:
    """Names of every export, sorted."""
    return tuple(sorted(_MODULES))


def load(name: str) -> Export:
    """One export by its name; what it needs is imported when it is used.

    Raises:
        UsageError: there is no such export.
    """
    if name not in _MODULES:
        raise UsageError(no_such("export", name, names()))
    found: Export = import_module(f"{__name__}.{_MODULES[name]}")
    return found
