"""Scanners in their own containers, by podman or docker, where one of them really works.

The container has no network, a read-only root, no capabilities, a user that is not root, and sees three things of ours:
the attempt's folder, the tarball and the database (both read-only). The client itself runs with the caller's
environment: it pulls the scanner's image, with the caller's credentials, which the container never sees.
"""

import os
import secrets
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import TemporaryError

#: Where things lie in a scanner's container.
WORK = "/work"
TARBALL = "/image.tar"
DATABASE = "/database"
#: User and group for scanners when we are root ourselves: "nonroot" of the distroless images.
NOBODY = 65532

_INFO_TIMEOUT = 30
_PULL_TIMEOUT = 1800


class ImageUnavailable(TemporaryError):  # noqa: N818 - the name says what happened
    """A scanner's image could not be pulled."""


@dataclass(frozen=True)
class Mount:
    """A file or folder of ours in the container."""

    source: Path
    target: str
    read_only: bool = True

    def argument(self) -> str:
        """The value of `--mount`; a field with a comma is quoted as in CSV."""
        fields = [
            "type=bind",
            f"source={self.source}",
            f"target={self.target}",
            *(["readonly"] if self.read_only else []),
        ]
        return ",".join(f'"{field}"' if "," in field else field for field in fields)


class Runtime:
    """A container runtime that works here.

    Attributes:
        program: path of podman or docker.
        label: marks the containers of one run, so that those of a killed engine can be found.
    """

    def __init__(self, program: str, label: str) -> None:
        self.program = program
        self.label = f"scanmatrix.run={label}"
        self._lock = threading.Lock()
        self._present: set[str] = set()

    @property
    def name(self) -> str:
        """`podman` or `docker`."""
        return Path(self.program).name

    def pull(self, image: str) -> None:
        """Make sure of a scanner's image, so that no scan's time is spent on it.

        Raises:
            ImageUnavailable: it is not here, and cannot be pulled.
        """
        with self._lock:
            if image in self._present:
                return
            if self._call(["image", "inspect", image], _INFO_TIMEOUT).returncode != 0:
                pulled = self._call(["pull", "--quiet", image], _PULL_TIMEOUT)
                if pulled.returncode != 0:
                    last = pulled.stderr.decode(errors="replace").strip().rpartition("\n")[2]
                    raise ImageUnavailable(f"scanner image {image} cannot be pulled by {self.name}: {last}")
            self._present.add(image)

    def command(
        self,
        *,
        image: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        mounts: Sequence[Mount],
        name: str,
        network: bool = False,
    ) -> tuple[str, ...]:
        """The command line that runs a program in a container of its own.

        Args:
            image: the scanner's image.
            argv: program and arguments, paths as the container sees them.
            environment: all variables the container gets.
            mounts: what it sees of ours; the first is its working directory.
            name: of the container; see `new_name`.
            network: True only for database refreshes.
        """
        program, *arguments = argv
        options = [
            "--rm",
            f"--name={name}",
            f"--label={self.label}",
            "--pull=never",
            "--read-only",
            "--tmpfs=/tmp",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--security-opt=label=disable",  # SELinux would hide our folders, or have them relabelled
            "--log-driver=none",
            *(self._user()),
            *([] if network else ["--network=none"]),
            f"--workdir={mounts[0].target}",
            *(f"--mount={mount.argument()}" for mount in mounts),
            *(f"--env={key}={value}" for key, value in environment.items()),
            f"--entrypoint={program}",
        ]
        return (self.program, "run", *options, image, *arguments)

    def remove(self, name: str) -> None:
        """Remove a container that was told to end; the client's death alone does not end it."""
        self._call(["rm", "--force", name], _INFO_TIMEOUT)

    def remove_leftovers(self) -> None:
        """Remove containers that an engine of the same run, since killed, left behind."""
        listed = self._call(["ps", "--all", "--quiet", f"--filter=label={self.label}"], _INFO_TIMEOUT)
        for name in listed.stdout.decode(errors="replace").split():
            self.remove(name)

    def _user(self) -> list[str]:
        """Whom the scanner runs as: ourselves, so that its files are ours; nobody where we are root."""
        if os.getuid() == 0:
            return [f"--user={NOBODY}:{NOBODY}"]
        keep = ["--userns=keep-id"] if self.name == "podman" else []
        return [*keep, f"--user={os.getuid()}:{os.getgid()}"]

    def _call(self, arguments: Sequence[str], timeout: float) -> "subprocess.CompletedProcess[bytes]":
        command = [self.program, *arguments]
        try:
            return subprocess.run(
                command, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False,
                start_new_session=True,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return subprocess.CompletedProcess(command, 1, b"", str(error).encode())


def new_name() -> str:
    """A name for a container that nobody else has."""
    return f"scanmatrix-{secrets.token_hex(8)}"


def give_away(folder: Path) -> None:
    """Let the container's user write into the attempt's folder, when that user is not us."""
    if os.getuid() == 0:
        os.chown(folder, NOBODY, NOBODY)


def find_runtime(label: str) -> Runtime | None:
    """The first of podman and docker that answers, not merely is installed; None when there is none."""
    for name in ("podman", "docker"):
        program = shutil.which(name)
        if program and Runtime(program, label)._call(["info"], _INFO_TIMEOUT).returncode == 0:  # noqa: SLF001 - own module
            return Runtime(program, label)
    return None
