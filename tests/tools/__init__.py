"""Helpers of the tests: real tools and servers, images made on the spot, and a proxy that misbehaves as told.

`python -m tests.tools` makes the tools available; `find` and `require` are how a test gets at them.
"""

import os
import shutil
import sys
from pathlib import Path

from tests.tools import _catalog

__all__ = ["find", "require"]


def find(name: str) -> Path | None:
    """Where the tool (or artefact, such as `log4j-core`) is, None when it is missing; never installs anything."""
    built = _catalog.cached(name)
    if built is not None:
        return built
    # The interpreter's own folder holds what came with the environment (syft), the last ones what Debian keeps from
    # users' PATH.
    servers = map(str, Path("/usr/lib/postgresql").glob("*/bin"))
    places = os.pathsep.join(
        [
            str(Path(sys.executable).parent),
            os.environ.get("PATH", ""),
            "/usr/local/sbin:/usr/sbin:/usr/lib/cni",
            *servers,
        ]
    )
    for command in _catalog.commands(name):
        if found := shutil.which(command, path=places):
            return Path(found)
    return None


def require(name: str) -> Path:
    """The tool, or the running test is skipped (failed when SCANMATRIX_REQUIRE_TOOLS is set, as in CI)."""
    import pytest  # noqa: PLC0415 - the installer imports this package before anything is installed

    found = find(name)
    if found is not None:
        return found
    reason = f"{name} is missing; get it by: {_catalog.how(name)}"
    required = os.environ.get("SCANMATRIX_REQUIRE_TOOLS", "") not in {"", "0"}
    raise (pytest.fail.Exception(reason, pytrace=False) if required else pytest.skip.Exception(reason))
