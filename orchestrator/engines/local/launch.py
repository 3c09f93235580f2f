"""How a job is started: as a process of this machine, kept in a sandbox, or in its scanner's own container."""

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from orchestrator.argo.agreed import PROGRAM
from orchestrator.catalog.placeholders import fill_words
from orchestrator.engines.local.confine import Confinement
from orchestrator.engines.local.containers import ImageUnavailable, Mount, Runtime, find_runtime, give_away, new_name
from orchestrator.engines.local.own import run_here
from orchestrator.engines.local.process import Ended, Job, run_job
from orchestrator.engines.local.programs import ScannerMissing, find_program, local_command, not_found, search_path
from orchestrator.engines.local.sandbox import Sandboxing
from orchestrator.engines.local.seal import Seal
from orchestrator.model import Scan
from orchestrator.volume.layout import MAX_AGE

Preference = Literal["auto", "process", "container"]

#: What of our environment those get too who may use the network: the refresh of a database, and online cells.
_NETWORK_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")
#: Those of them that name a file.
_NETWORK_FILES = {"SSL_CERT_FILE"}


@dataclass(frozen=True)
class Binding:
    """A file or folder of ours that a command names by a placeholder.

    Attributes:
        name: of the placeholder.
        path: where it lies here.
        inside: where a container sees it.
        read_only: whether a container may only read it.
    """

    name: str
    path: Path
    inside: str
    read_only: bool = True


@dataclass(frozen=True)
class StandingJob:
    """What there is to a job that stays for many cells.

    Attributes:
        words: of the commands that it will run; the paths they name are shown.
        started: told what the job is kept in, in words, when it starts.
    """

    words: tuple[str, ...]
    started: Callable[[str], None]


class Launcher:
    """Starts jobs, each as a process or in a container.

    Attributes:
        layers: folder for the files of an image's layers; None for one of each cell's own on the volume.

    Args:
        preference: `process`: only programs on PATH. `container`: only containers, but for the built-in scans, which
            are our own code. `auto`: on PATH, otherwise a container.
        label: marks containers as those of this run.
        sandbox: whether processes are kept in a sandbox.
        hidden: folders of ours that no sandbox shows: the volume.
    """

    layers: Path | None = None

    def __init__(
        self, preference: Preference, label: str, *, sandbox: Sandboxing = "auto", hidden: Sequence[Path] = ()
    ) -> None:
        self._preference = preference
        self._label = label
        self._sandboxing = sandbox
        self._confinement = Confinement(sandbox, hidden)

    @cached_property
    def runtime(self) -> Runtime | None:
        """The container runtime; looked for once, when first needed."""
        runtime = None if self._preference == "process" else find_runtime(self._label)
        if runtime:
            runtime.remove_leftovers()
        return runtime

    def missing(self, scan: Scan) -> str:
        """Why the scan cannot run here at all; empty when it can."""
        if self.is_process(scan):
            return self._confinement.missing()
        if self.runtime:
            return ""
        if self._preference == "container":
            name = Path(scan.program).name
            return f"{name} is to run in a container, but neither podman nor docker works here: start one of them"
        return not_found(scan) + ("" if self._preference == "process" else ", or start podman or docker")

    def warning(self, scans: Iterable[Scan]) -> str:
        """What to know of how these run, before they do; empty when there is nothing."""
        return self._confinement.warning() if any(map(self.is_process, scans)) else ""

    def is_process(self, scan: Scan) -> bool:
        """Whether the scan runs as a process: our own code always, any other when its program is found.

        The scan's own program decides for its database, too, whatever the refresh command begins with (`sh -c …`):
        scanner and database must be of the same version.
        """
        if scan.program == PROGRAM:
            return True
        return self._preference != "container" and find_program(scan.program) is not None

    def is_apart(self, scan: Scan) -> bool:
        """Whether the scan's jobs have a PID namespace of their own here: a container, or a sandbox."""
        return self._confinement.sandbox is not None if self.is_process(scan) else self.runtime is not None

    def launch(
        self,
        scan: Scan,
        job: Job,
        places: Sequence[Binding],
        stopped: Callable[[], str],
        *,
        network: bool = False,
        secrets: Mapping[str, str] | None = None,
        values: Mapping[str, str] | None = None,
        standing: StandingJob | None = None,
    ) -> Ended:
        """Start a job whose command and environment still hold placeholders, as a process or in a container.

        Args:
            scan: whose job it is.
            job: its start.
            places: what the placeholders of folders and files stand for.
            stopped: as for `run_job`.
            network: whether it may use the network.
            secrets: further variables, which no command line shows.
            values: what further placeholders stand for.
            standing: of a job that stays for many cells, which needs a PID namespace of its own.
        """
        process = self.is_process(scan)
        where = {place.name: str(place.path) if process and not standing else place.inside for place in places}
        where |= {"report": f"{where['workdir']}/{scan.report}", **(values or {})}
        argv = fill_words(job.argv, scan, where)
        environment = {"HOME": where["workdir"], "TMPDIR": where["workdir"], "LANG": "C.UTF-8"}
        if network:
            environment |= {name: os.environ[name] for name in _NETWORK_VARIABLES if name in os.environ}
        environment |= dict(zip(job.environment, fill_words(tuple(job.environment.values()), scan, where), strict=True))
        if process:
            environment = {"PATH": search_path(), **environment, **(secrets or {})}
            files = (environment[name] for name in _NETWORK_FILES & environment.keys())
            words = (*job.argv[1:], *job.environment.values(), *files, *(standing.words if standing else ()))
            own = self._run_own(scan, job, argv, places, stopped)
            if own is not None:
                return own
            local = replace(job, argv=local_command(argv), environment=environment)
            return self._run_process(scan, local, words, places, stopped, network=network, standing=standing)
        runtime = self.runtime
        if runtime is None:
            raise ScannerMissing(self.missing(scan))
        self._pull_image(runtime, scan, job.folder, stopped)
        name = new_name()
        command = runtime.command(
            image=scan.image,
            argv=argv,
            environment=environment,
            mounts=[Mount(place.path, place.inside, read_only=place.read_only) for place in places],
            name=name,
            limits=scan.resources,
            network=network,
            inherited=tuple(secrets or ()),
        )
        for place in places:
            if not place.read_only:
                give_away(place.path, whole=place.name == "database")  # it may begin as a copy of the one before
        if standing:
            standing.started(runtime.isolation())
        ended = run_job(replace(job, argv=command, environment=os.environ), stopped)
        if ended.exit_code is None:  # the client's death alone does not end the container
            runtime.remove(name)
        return replace(ended, isolation=runtime.isolation())

    def _run_own(
        self, scan: Scan, job: Job, argv: tuple[str, ...], places: Sequence[Binding], stopped: Callable[[], str]
    ) -> Ended | None:
        """Run a built-in scan in this process; None for any other, or where everything is to be in a sandbox."""
        if not scan.builtin or self._sandboxing == "required":
            return None
        tarball = next(place.path for place in places if place.name == "tarball")
        return run_here(argv, tarball, job, stopped)

    def _run_process(
        self,
        scan: Scan,
        job: Job,
        words: Sequence[str],
        places: Sequence[Binding],
        stopped: Callable[[], str],
        *,
        network: bool,
        standing: StandingJob | None = None,
    ) -> Ended:
        """Run a program of this machine, in a sandbox where there is one; else what it may only read is watched."""
        read_only = [place for place in places if place.read_only]
        with (
            self._confinement.guard(
                scan,
                program=job.argv[0],
                path=job.environment["PATH"],
                words=words,
                writable=[place.path for place in places if not place.read_only],
                named=[*(place.path for place in read_only), *self._allowance(scan, read_only)],
                network=network,
                largest=job.bound.size if job.bound else sys.maxsize,
                refresh=any(place.name == "database" and not place.read_only for place in places),
                laid={place.path: place.inside for place in places} if standing else {},
            ) as (guard, isolation),
            ExitStack() as stack,
        ):
            seals = [
                stack.enter_context(Seal(place.path, linked=place.name == "tarball"))
                for place in read_only
                if not guard.sandbox and place.name not in {"checkout", "layers"}
            ]

            def why_stop() -> str:
                return stopped() or next(filter(None, (seal.touched() for seal in seals)), "")

            if standing:
                standing.started(isolation)
            ended = run_job(replace(job, guard=guard), why_stop)
            if touched := next(filter(None, (seal.touched() for seal in seals)), ""):
                ended = replace(ended, error=touched, temporary=True)  # the same failure repeats; the others succeed
            elif not ended.error:
                ended = replace(ended, error=next(filter(None, (seal.broken() for seal in seals)), ""))
            return replace(ended, isolation=isolation)

    @staticmethod
    def _allowance(scan: Scan, places: Sequence[Binding]) -> list[Path]:
        """The file beside the tarball that says how old an image may be; our own checks alone read it."""
        found = [place.path.with_name(MAX_AGE) for place in places if place.name == "tarball"]
        return [path for path in found if scan.program == PROGRAM and path.is_file()]

    def _pull_image(self, runtime: Runtime, scan: Scan, folder: Path, stopped: Callable[[], str]) -> None:
        """Make sure of the scanner's image; where a process would do as well, the error names that way too."""
        try:
            runtime.pull(scan.image, folder, stopped)
        except ImageUnavailable as error:
            if self._preference == "container":
                raise
            raise ImageUnavailable(f"{not_found(scan)}; or let it run in its container: {error}") from error
