"""Scanners in their own containers, by podman or docker, where one of them really works.

The container has no network, a read-only root, no capabilities, a user that is not root, and sees three things of ours:
the attempt's folder, the target (its tarball; of a repository its files, too) and the database, both read-only. The
client itself runs with the caller's environment: it pulls the scanner's image, with the caller's credentials, which the
container never sees. Only what refreshes a database, or asks the API of a repository's host, has a network.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.engines.local.process import Job, run_job
from orchestrator.errors import TemporaryError
from orchestrator.images.reference import InvalidReference, parse
from orchestrator.kit.programs import ask
from orchestrator.kit.quantities import parse_cpus, parse_size
from orchestrator.kit.trees import walk
from orchestrator.model import Resources

#: Where things lie in a scanner's container.
WORK = "/work"
TARBALL = "/image.tar"
CHECKOUT = "/checkout"
LAYERS = "/layers"
SBOM = "/sbom.json"
DATABASE = "/database"
FETCHED = "/fetched"
#: User and group for scanners when we are root ourselves: "nonroot" of the distroless images.
NOBODY = 65532

_TIMEOUT = 30
#: Seconds for a runtime to say that it works.
_PROMPT = 10
_PULL_TIMEOUT = 1800
#: Most bytes in a container's /tmp, which is memory; its TMPDIR is its working folder.
_TMP_BYTES = 256 * 1024**2
_INFO = {"podman": "json", "docker": "{{json .}}"}


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

    @cached_property
    def limited(self) -> frozenset[str]:
        """What it can limit here: `memory`, `cpu`, `pids`; podman without root on cgroups v1, for one, nothing."""
        try:
            said = json.loads(self._call("info", "--format", _INFO[self.name]).stdout)
        except (KeyError, ValueError):
            return frozenset()
        return _limited(said if isinstance(said, dict) else {})

    def isolation(self) -> str:
        """What a container of it means, in words."""
        without = [name for name in ("memory", "cpu", "pids") if name not in self.limited]
        return f"{self.name} container" + (f", no limit of {', '.join(without)}" if without else "")

    def pull(self, image: str, folder: Path, stopped: Callable[[], str]) -> None:
        """Make sure of a scanner's image, so that no scan's time is spent on it.

        Args:
            image: its name; short ones are Docker Hub's, whatever podman is configured to search.
            folder: working directory for the client.
            stopped: as for `run_job`.

        Raises:
            ImageUnavailable: it is not here, and cannot be pulled.
        """
        image = _full_name(image)
        with self._lock:
            if image in self._present:
                return
            if self._call("image", "inspect", image).returncode != 0:
                command = (self.program, "pull", "--quiet", image)
                job = Job(command, folder, os.environ, folder / ".none", sys.maxsize, timeout=_PULL_TIMEOUT)
                ended = run_job(job, stopped)
                if ended.error:
                    raise ImageUnavailable(f"scanner image {image} cannot be pulled by {self.name}: {ended.error}")
            self._present.add(image)

    def command(
        self,
        *,
        image: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        mounts: Sequence[Mount],
        name: str,
        limits: Resources | None = None,
        network: bool = False,
        inherited: Sequence[str] = (),
    ) -> tuple[str, ...]:
        """The command line that runs a program in a container of its own.

        Args:
            image: the scanner's image.
            argv: program and arguments, paths as the container sees them.
            environment: all variables the container gets.
            mounts: what it sees of ours; the first is its working directory.
            name: of the container; see `new_name`.
            limits: what it may take of this machine, as far as the runtime can see to it.
            network: True only for database refreshes and cells that ask an API.
            inherited: variables that it gets as the client has them, so that no command line shows their values.
        """
        program, *arguments = argv
        options = [
            "--rm",
            f"--name={name}",
            f"--label={self.label}",
            "--pull=never",
            "--read-only",
            f"--tmpfs=/tmp:rw,nosuid,nodev,mode=1777,size={_TMP_BYTES}",
            *(_limits(limits, self.limited) if limits else ()),
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--security-opt=label=disable",  # SELinux would hide our folders, or have them relabelled
            "--log-driver=none",
            *(self._user()),
            *([] if network else ["--network=none"]),
            f"--workdir={mounts[0].target}",
            *(f"--mount={mount.argument()}" for mount in mounts),
            *(f"--env={key}={value}" for key, value in environment.items()),
            *(f"--env={key}" for key in inherited),
            f"--entrypoint={program}",
        ]
        return (self.program, "run", *options, _full_name(image), *arguments)

    def remove(self, name: str) -> None:
        """Remove a container that was asked to end; the client's death alone does not end it."""
        self._call("kill", name)  # at once; podman's `rm --force` alone first waits ten seconds for its good will
        self._call("rm", "--force", name)

    def remove_leftovers(self) -> None:
        """Remove containers that an engine of the same run, since killed, left behind."""
        listed = self._call("ps", "--all", "--quiet", f"--filter=label={self.label}")
        for name in listed.stdout.decode(errors="replace").split():
            self.remove(name)

    def _user(self) -> list[str]:
        """Whom the scanner runs as: ourselves, so that its files are ours; nobody where we are root."""
        if os.getuid() == 0:
            return [f"--user={NOBODY}:{NOBODY}"]
        keep = ["--userns=keep-id"] if self.name == "podman" else []
        return [*keep, f"--user={os.getuid()}:{os.getgid()}"]

    def works(self) -> bool:
        """Whether it answers, and is not merely installed."""
        return self._call("info", timeout=_PROMPT).returncode == 0

    def _call(self, *arguments: str, timeout: float = _TIMEOUT) -> subprocess.CompletedProcess[bytes]:
        """Something that takes no time; what cannot be asked has failed."""
        command = [self.program, *arguments]
        try:
            return ask(command, timeout)
        except (OSError, subprocess.TimeoutExpired) as error:
            return subprocess.CompletedProcess(command, 1, b"", str(error).encode())


def _limited(said: dict[str, Any]) -> frozenset[str]:
    """What a runtime says that it can limit: podman by its controllers, docker by what it asked the kernel."""
    host = said.get("host")
    controllers = host.get("cgroupControllers") if isinstance(host, dict) else None
    if isinstance(controllers, list):
        return frozenset(controllers) & {"memory", "cpu", "pids"}
    keys = {"memory": "MemoryLimit", "cpu": "CpuCfsQuota", "pids": "PidsLimit"}
    return frozenset(name for name, key in keys.items() if said.get(key) is True)


def _limits(wanted: Resources, limited: frozenset[str]) -> Iterator[str]:
    """The template's limits as options. Its memory holds what lies in /tmp, too, and there is no swap beside it."""
    if "memory" in limited:
        memory = parse_size(wanted.memory_limit)
        yield from (f"--memory={memory}", f"--memory-swap={memory}")
    if "cpu" in limited:
        most = os.cpu_count() or 1
        cpus = min(parse_cpus(wanted.cpu_limit), most) if wanted.cpu_limit else most
        yield from (f"--cpus={cpus:g}", f"--cpu-shares={max(2, round(1024 * parse_cpus(wanted.cpu)))}")
    if "pids" in limited:
        yield f"--pids-limit={wanted.pids}"


def new_name() -> str:
    """A name for a container that nobody else has."""
    return f"scanmatrix-{secrets.token_hex(8)}"


def give_away(folder: Path, *, whole: bool = False) -> None:
    """Let the container's user write into the attempt's folder, when that user is not us.

    Args:
        folder: of the attempt.
        whole: whether also to what is in it, none of which may have another name elsewhere.
    """
    if os.getuid() != 0:
        return
    os.chown(folder, NOBODY, NOBODY)
    for entry in walk(folder) if whole else ():
        os.chown(entry.name, NOBODY, NOBODY, dir_fd=entry.trail.descriptor, follow_symlinks=False)


def find_runtime(label: str) -> Runtime | None:
    """The first of podman and docker that works here; None when neither does."""
    found = [program for name in ("podman", "docker") if (program := shutil.which(name))]
    return next((runtime for program in found if (runtime := Runtime(program, label)).works()), None)


def _full_name(image: str) -> str:
    """The image with its registry, and of tag and digest the digest alone, which decides: podman refused both before 4.

    One that cannot be read stays as it is, for the runtime to refuse.
    """
    try:
        reference = parse(image)
        return str(msgspec.structs.replace(reference, tag="") if reference.digest else reference)
    except InvalidReference:
        return image
