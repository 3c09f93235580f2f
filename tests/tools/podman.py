"""A podman that shares nothing with any other of this machine."""

from pathlib import Path
from typing import Literal

Driver = Literal["vfs", "overlay"]
_CONTAINERS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
tmp_dir = "{run}/libpod"
"""


def variables(folder: Path, driver: Driver = "vfs", *, run: Path | None = None, runtime: str = "") -> dict[str, str]:
    """The environment with which podman keeps all it has in a folder.

    Its `tmp_dir` too: `podman system reset` removes that, which is `/run/libpod` for all others, while they start.

    Args:
        folder: there already.
        driver: stacks layers.
        run: folder of what runs, where that of `folder` would have too long a path.
        runtime: runs containers; podman chooses without one.
    """
    run = run or folder / "run"
    storage, containers = folder / "storage.conf", folder / f"{runtime or 'usual'}.conf"
    storage.write_text(f'[storage]\ndriver = "{driver}"\ngraphroot = "{folder / "graph"}"\nrunroot = "{run}"\n')
    containers.write_text(_CONTAINERS.format(run=run) + (f'runtime = "{runtime}"\n' if runtime else ""))
    (folder / "config.json").write_text("{}")  # podman fails where DOCKER_CONFIG names an empty folder
    return {
        "CONTAINERS_STORAGE_CONF": str(storage),
        "CONTAINERS_CONF": str(containers),
        "DOCKER_CONFIG": str(folder),
    }
