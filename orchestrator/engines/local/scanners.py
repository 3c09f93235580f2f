"""How a scan's program is started here: found on PATH, or in its own container; or the reason why it cannot be."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from orchestrator.argo.commands import PROGRAM
from orchestrator.engines.local.confine import Confinement, bound_of
from orchestrator.engines.local.containers import (
    CHECKOUT,
    DATABASE,
    FETCHED,
    TARBALL,
    WORK,
    ImageUnavailable,
    Mount,
    Runtime,
    find_runtime,
    give_away,
    new_name,
)
from orchestrator.engines.local.online import Turns, token
from orchestrator.engines.local.process import Ended, Job, run_job
from orchestrator.engines.local.sandbox import Sandboxing
from orchestrator.engines.local.seal import Seal
from orchestrator.errors import PermanentError
from orchestrator.git.url import project
from orchestrator.kit.masking import mask
from orchestrator.model import Scan, Target
from orchestrator.upkeep.databases import REFRESHING
from orchestrator.volume.layout import MAX_AGE

Preference = Literal["auto", "process", "container"]

#: What of our environment those get too who may use the network: the refresh of a database, and online cells.
_NETWORK_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE")
#: Those of them that name a file.
_NETWORK_FILES = {"SSL_CERT_FILE"}


class ScannerMissing(PermanentError):  # noqa: N818 - the name says what happened
    """A scan's program is not to be had here; the message tells how to get it."""


class RefreshFailed(PermanentError):  # noqa: N818 - the name says what happened
    """A database's refresh command failed."""


@dataclass(frozen=True)
class Attempt:
    """What one attempt at a cell works with.

    Attributes:
        work: folder for this attempt alone; its HOME, TMPDIR and working directory.
        target: of the cell.
        tarball: the cell's `image.tar`.
        database: folder of the database version it was given; None for scans without.
        checkout: folder with the files of a repository; None for an image.
        online: whether it asks the API of the repository's host.
    """

    work: Path
    target: Target
    tarball: Path
    database: Path | None = None
    checkout: Path | None = None
    online: bool = False


@dataclass(frozen=True)
class Place:
    """Something of ours that a command names by a placeholder.

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


class Scanners:
    """Starts scanners the one way or the other.

    Args:
        preference: `process`: only programs on PATH. `container`: only containers, but for the built-in scans, which
            are our own code. `auto`: on PATH, otherwise a container.
        label: marks containers as those of this run.
        sandbox: whether processes are kept in a sandbox.
        hidden: folders of ours that no sandbox shows: the volume.
    """

    def __init__(
        self, preference: Preference, label: str, *, sandbox: Sandboxing = "auto", hidden: Sequence[Path] = ()
    ) -> None:
        self._preference = preference
        self._label = label
        self._turns = Turns()
        self._confinement = Confinement(sandbox, hidden)

    @cached_property
    def runtime(self) -> Runtime | None:
        """The container runtime; looked for once, and only when there is need of one."""
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
            return f"{name} shall run in a container, but neither podman nor docker works here: start one of them"
        return _not_found(scan) + ("" if self._preference == "process" else ", or start podman or docker")

    def warning(self, scans: Iterable[Scan]) -> str:
        """What to know of how these run, before they do; empty when there is nothing."""
        return self._confinement.warning() if any(map(self.is_process, scans)) else ""

    def run(self, scan: Scan, attempt: Attempt, stopped: Callable[[], str]) -> Ended:
        """Run a scan once; it writes its report into the attempt's folder, as `scan.report`.

        Raises:
            ScannerMissing: its program is not to be had.
            ImageUnavailable: nor is its image.
            TokenMissing: it shall ask an API, and there is no token for that.
        """
        places = [Place("workdir", attempt.work, WORK, read_only=False), Place("tarball", attempt.tarball, TARBALL)]
        if attempt.checkout:
            places.append(Place("checkout", attempt.checkout, CHECKOUT))
        if attempt.database:
            places.append(Place("database", attempt.database, DATABASE))
        job = Job(
            argv=scan.command_for(attempt.target.kind, online=attempt.online),
            folder=attempt.work,
            environment=scan.environment,
            report=attempt.work / scan.report,
            report_limit=scan.report_limit,
            timeout=scan.timeout,
            from_stdout=scan.report_from_stdout,
            success_codes=scan.success_codes,
            bound=bound_of(scan),
        )
        if attempt.online:
            return self._run_online(scan, job, places, attempt.target, stopped)
        ended = self._launch(scan, job, places, stopped)
        return replace(ended, error=mask(ended.error), log=mask(ended.log))

    def _run_online(
        self, scan: Scan, job: Job, places: Sequence[Place], target: Target, stopped: Callable[[], str]
    ) -> Ended:
        """One of the few cells that may use the network, with the token for its own host and no other."""
        online = scan.repository and scan.repository.online
        if not online:
            raise ScannerMissing(f"{scan.name} cannot ask the host of {target.reference}; plan a new run")
        secret = token(online, target)
        values = {"repository": project(target.pull), "commit": target.commit}
        with self._turns.taken(scan.name, online.at_once, stopped) as reason:
            if reason:
                return Ended(error=reason)
            ended = self._launch(scan, job, places, stopped, network=True, secrets=secret, values=values)
        return replace(ended, error=mask(ended.error, *secret.values()), log=mask(ended.log, *secret.values()))

    def refresh(self, scan: Scan, folder: Path, fetched: Path | None, stopped: Callable[[], str]) -> None:
        """Run the command that fills a database's folder.

        One that `load`s what our own code fetched has no network. A `refresh` command has one: it is the way of scans
        whose database our own code cannot fetch.

        Args:
            scan: whose database it is.
            folder: to fill.
            fetched: what to load; None for a refresh.
            stopped: as for `run_job`.

        Raises:
            ScannerMissing: its program is not to be had.
            ImageUnavailable: nor is its image.
            RefreshFailed: it ended badly, or took too long.
        """
        database = scan.database
        if database is None:
            raise RefreshFailed(f"{scan.name} has no database to refresh")
        with tempfile.TemporaryDirectory(prefix=REFRESHING, dir=folder.parent) as name:
            work = Path(name)
            job = Job(
                argv=database.load if fetched else database.refresh,
                folder=work,
                environment=database.environment,
                report=work / scan.report,
                report_limit=sys.maxsize,
                timeout=database.timeout,
                bound=bound_of(scan),
                folders=(work, folder),
            )
            places = [
                Place("workdir", work, WORK, read_only=False),
                Place("database", folder, DATABASE, read_only=False),
                *([Place("fetched", fetched, FETCHED)] if fetched else []),
            ]
            ended = self._launch(scan, job, places, stopped, network=fetched is None)
        if ended.error:
            raise RefreshFailed(f"refresh of the database of {scan.name}: {mask(ended.error)}")

    def _launch(
        self,
        scan: Scan,
        job: Job,
        places: Sequence[Place],
        stopped: Callable[[], str],
        *,
        network: bool = False,
        secrets: Mapping[str, str] | None = None,
        values: Mapping[str, str] | None = None,
    ) -> Ended:
        """Start a job whose command and environment still hold placeholders, the one way or the other.

        Args:
            scan: whose job it is.
            job: its start.
            places: what the placeholders of folders and files stand for.
            stopped: as for `run_job`.
            network: whether it may use the network.
            secrets: further variables, which no command line shows.
            values: what further placeholders stand for.
        """
        process = self.is_process(scan)
        where = {place.name: str(place.path) if process else place.inside for place in places}
        where |= {"report": f"{where['workdir']}/{scan.report}", **(values or {})}
        argv = fill(job.argv, scan, where)
        environment = {"HOME": where["workdir"], "TMPDIR": where["workdir"], "LANG": "C.UTF-8"}
        if network:
            environment |= {name: os.environ[name] for name in _NETWORK_VARIABLES if name in os.environ}
        environment |= dict(zip(job.environment, fill(tuple(job.environment.values()), scan, where), strict=True))
        if process:
            environment = {"PATH": search_path(), **environment, **(secrets or {})}
            files = (environment[name] for name in _NETWORK_FILES & environment.keys())
            words = (*job.argv[1:], *job.environment.values(), *files)
            local = replace(job, argv=_local_command(argv), environment=environment)
            return self._run_process(scan, local, words, places, stopped, network=network)
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
                give_away(place.path)
        ended = run_job(replace(job, argv=command, environment=os.environ), stopped)
        if ended.exit_code is None:  # the client's death alone does not end the container
            runtime.remove(name)
        return replace(ended, isolation=runtime.isolation())

    def _run_process(
        self,
        scan: Scan,
        job: Job,
        words: Sequence[str],
        places: Sequence[Place],
        stopped: Callable[[], str],
        *,
        network: bool,
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
                refresh=any(place.name == "database" and not place.read_only for place in places),
            ) as (guard, isolation),
            ExitStack() as stack,
        ):
            seals = [
                stack.enter_context(Seal(place.path, linked=place.name == "tarball"))
                for place in read_only
                if not guard.sandbox and place.name != "checkout"
            ]

            def told() -> str:
                return stopped() or next(filter(None, (seal.touched() for seal in seals)), "")

            ended = run_job(replace(job, guard=guard), told)
            if touched := next(filter(None, (seal.touched() for seal in seals)), ""):
                ended = replace(
                    ended, error=touched, temporary=True
                )  # whoever did it does it again; the others do well
            elif not ended.error:
                ended = replace(ended, error=next(filter(None, (seal.broken() for seal in seals)), ""))
            return replace(ended, isolation=isolation)

    @staticmethod
    def _allowance(scan: Scan, places: Sequence[Place]) -> list[Path]:
        """The file beside the tarball that says how old an image may be; our own checks alone read it."""
        found = [place.path.with_name(MAX_AGE) for place in places if place.name == "tarball"]
        return [path for path in found if scan.program == PROGRAM and path.is_file()]

    def _pull_image(self, runtime: Runtime, scan: Scan, folder: Path, stopped: Callable[[], str]) -> None:
        """Make sure of the scanner's image; where a process would have done as well, trouble tells of that way too."""
        try:
            runtime.pull(scan.image, folder, stopped)
        except ImageUnavailable as error:
            if self._preference == "container":
                raise
            raise ImageUnavailable(f"{_not_found(scan)}; or let it run in its container: {error}") from error

    def is_process(self, scan: Scan) -> bool:
        """Whether the scan runs as a process: our own code always, any other when its program is found.

        The scan's own program decides for its database, too, whatever the refresh command begins with (`sh -c …`):
        scanner and database shall be of the same version.
        """
        if scan.program == PROGRAM:
            return True
        return self._preference != "container" and find_program(scan.program) is not None


def _not_found(scan: Scan) -> str:
    """That the scan's program is not on PATH, and how to get it there."""
    how = f"install it by {scan.install}" if scan.install else f"put it onto PATH, it comes with {scan.image}"
    return f"{Path(scan.program).name} not found; {how}"


def find_program(name: str) -> str | None:
    """Where a program is here; templates name it by its path in the scanner's image, which is only a name for us."""
    return shutil.which(name, path=search_path()) or shutil.which(Path(name).name, path=search_path())


def _local_command(command: Sequence[str]) -> tuple[str, ...]:
    """The command line with the program as it is to be started here."""
    program, *arguments = command
    if program == PROGRAM:
        return (sys.executable, "-I", "-m", "orchestrator.steps", *arguments)
    return (find_program(program) or program, *arguments)


def search_path() -> str:
    """PATH, and after it the folder of our own interpreter: what is installed beside us is found without `activate`."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])


def fill(texts: Sequence[str], scan: Scan, places: Mapping[str, str]) -> tuple[str, ...]:
    """Put values in place of `{tarball}`, `{report}`, …; each occurrence once, so a value is never read again."""
    values = {**places, **{f"parameter.{name}": value for name, value in scan.parameters.items()}}
    return tuple(_fill(text, values) for text in texts)


def _fill(text: str, values: Mapping[str, str]) -> str:
    head, *pieces = text.split("{")
    filled = [head]
    for piece in pieces:
        name, closed, rest = piece.partition("}")
        filled.append(f"{values[name]}{rest}" if closed and name in values else "{" + piece)
    return "".join(filled)
