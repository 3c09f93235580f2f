"""What podman makes of an image's layers, with each of its ways to stack them."""

import os
import stat
import subprocess
from pathlib import Path

from tests.tools import podman, require
from tests.tools.podman import Driver

#: Path → what it is: `folder`, `other`, `file`, `program`, or `→` and where a symbolic link leads.
Listing = dict[str, str]


class Podman:
    """A podman with storage of its own."""

    def __init__(self, folder: Path, driver: Driver) -> None:
        self._program, self._folder = require("podman"), folder
        self.driver = driver
        folder.mkdir()
        self._environment = {**os.environ, **podman.variables(folder, driver)}

    def close(self) -> None:
        """Give back all mounts, and the one that overlayfs needs for itself."""
        self.run("image", "unmount", "--all", "--force")
        subprocess.run(["umount", str(self._folder / "graph" / "overlay")], capture_output=True, check=False)

    def run(self, *arguments: str) -> str:
        """What it prints.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        return subprocess.run(
            [self._program, *arguments], env=self._environment, capture_output=True, text=True, check=True, timeout=120
        ).stdout.strip()

    def root(self, archive: Path, config: str) -> Path:
        """The root of an image, mounted until `close`.

        Args:
            archive: with that image alone.
            config: digest of its config, by which podman calls it.

        Raises:
            subprocess.CalledProcessError: podman does not read it.
        """
        self.run("load", "--quiet", "--input", str(archive))
        return Path(self.run("image", "mount", config.removeprefix("sha256:")))


def works(folder: Path, driver: Driver, archive: Path, config: str) -> Podman | str:
    """A podman that can show an image of this archive; or why none can."""
    if os.geteuid() != 0:
        return "it needs root"
    found = Podman(folder, driver)
    try:
        root = found.root(archive, config)
    except subprocess.CalledProcessError as error:
        found.close()
        return f"podman does not work with {driver} here: {error.stderr.strip()[-200:]}"
    return found if any(root.iterdir()) else "podman shows an empty image"


def listing(root: Path) -> Listing:
    """Everything below a folder."""
    found: Listing = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in (*folders, *files):
            path = Path(os.fsdecode(os.path.join(folder, name)))  # noqa: PTH118 - of bytes
            if not _is_whiteout(path):
                found["/" + str(path.relative_to(root))] = _kind(path)
    return found


def _is_whiteout(path: Path) -> bool:
    """Overlayfs shows its own marks where no lower layer has the folder."""
    try:
        status = path.stat(follow_symlinks=False)
    except FileNotFoundError:  # named, but not there
        return True
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _kind(path: Path) -> str:
    if path.is_symlink():
        return f"→{os.readlink(path)}"  # noqa: PTH115 - which would tidy it up
    if path.is_dir():
        return "folder"
    if not path.is_file():
        return "other"
    return "program" if path.stat().st_mode & 0o111 else "file"
