"""Scans, as the catalog defines them."""

from typing import Annotated

import msgspec

from orchestrator.model.base import Document
from orchestrator.model.image import TargetKind
from orchestrator.model.written import Written

_Quantity = Annotated[str, Written("quantity")]
_Variables = dict[Annotated[str, Written("variable")], str]


class Resources(Document, frozen=True):
    """CPU and memory of a scanner, as Kubernetes quantities.

    Attributes:
        cpu: requested; its share where there are not enough for all.
        memory: requested.
        memory_limit: most it may take.
        cpu_limit: most it may use at a time; None for all there are.
        pids: most processes and threads at a time, on this machine; a cluster's nodes have their own limit.
    """

    cpu: _Quantity = "500m"
    memory: _Quantity = "512Mi"
    memory_limit: _Quantity = "2Gi"
    cpu_limit: _Quantity | None = None
    pids: Annotated[int, Written(least=1, most=1_000_000)] = 1024


#: Settings of all kinds of databases that say where something is read.
_PLACES = ("repository", "java_repository", "url", "mirror")


class Fetch(Document, frozen=True):
    """How our own code fetches a scanner's database; see `orchestrator.databases`.

    Attributes:
        kind: name of a module in `orchestrator.databases`.
        settings: of that kind, as `orchestrator.config.databases` names them.
        limit: most bytes that it may unpack to.
    """

    kind: str
    settings: dict[str, str] = msgspec.field(default_factory=dict)
    limit: Annotated[int, Written("size", least=1)] = 8 * 1024**3

    @property
    def reads_registry(self) -> bool:
        """Whether it reads a registry, and so may need its credentials."""
        return "repository" in self.settings

    @property
    def places(self) -> tuple[str, ...]:
        """The mirrors and registries that it reads, as they are written."""
        return tuple(self.settings[key] for key in _PLACES if self.settings.get(key))


class Database(Document, frozen=True):
    """A scanner's database, refreshed once per run into a new versioned folder on the volume.

    Attributes:
        refresh: command that fills the folder `{database}`; runs in the scan's own image, which therefore has a
            network. Empty where our own code fetches the database.
        environment: variables for `refresh` or `load`; may hold placeholders.
        timeout: seconds.
        fetch: how our own code fetches it; None where `refresh` does.
        load: command that makes the folder `{database}` of the fetched files in `{fetched}`; runs in the scan's own
            image, without a network. Empty where the fetched files are the database.
    """

    refresh: tuple[str, ...] = ()
    environment: _Variables = msgspec.field(default_factory=dict)
    timeout: Annotated[int, Written("duration", least=1)] = 1800
    fetch: Fetch | None = None
    load: tuple[str, ...] = ()


class Online(Document, frozen=True):
    """How a scan asks the API of the host of a repository; the one kind of cell that may use the network.

    Attributes:
        command: instead of the scan's own, with the placeholders `{repository}` (`github.com/ossf/scorecard`),
            `{commit}`, `{report}`, `{workdir}` and the scan's parameters.
        tokens: the variable in which the scanner wants its token, by host; hosts that are not here have no API for it.
        at_once: most such cells at the same time, of all runs in a cluster; of one run locally.
    """

    command: Annotated[tuple[str, ...], Written(length=1)]
    tokens: Annotated[dict[Annotated[str, Written("DNS name")], Annotated[str, Written("variable")]], Written(length=1)]
    at_once: Annotated[int, Written(least=1, most=1000)] = 2


class OnRepository(Document, frozen=True):
    """How a scan reads a source repository.

    Attributes:
        command: instead of the scan's own; reads the folder `{checkout}`, which holds the files of the commit.
        online: how it asks the host instead, where there is a token for that.
    """

    command: Annotated[tuple[str, ...], Written(length=1)]
    online: Online | None = None


class Scan(Document, frozen=True):
    """One kind of check, defined by one file in `templates/`.

    Attributes:
        name: lower-case DNS label; names the cell, its folder and its task.
        image: scanner image pinned by version or digest; by digest where `scanmatrix.lock` has it.
        named: the image as its template names it, where it is locked; that is what stood for the digest then.
        digests: every digest by which that image is known (its index, its platforms), where it is locked.
        command: arguments with the placeholders `{tarball}`, `{report}`, `{database}`, `{workdir}`, and
            `{parameter.<name>}` for the scan's parameters (the catalog fills those in). The first is the program: a
            name on PATH, or an absolute path within the image, whose last part is then the name to look for on PATH.
            Empty for a scan that reads no images.
        format: name of a report format in `orchestrator.findings`.
        kinds: the kinds of findings that it looks for; None for all that its format can hold.
        report: file name of the report in the cell's folder.
        success_codes: exit codes that mean "the scan ran", findings or not.
        timeout: seconds one attempt may take.
        retries: further attempts after the first.
        platforms: platforms of images it can read (`os` or `os/architecture`); empty means all.
        compressions: layer compressions it can read.
        report_limit: largest report accepted, bytes.
        scratch_limit: most bytes that one attempt may keep in its working folder, on this machine.
        parameters: defaults of its parameters, overridden in the configuration.
        builtin: True for scans that this project itself implements and that need only the tarball.
        install: how a person gets the scanner onto PATH for the local engine.
        report_from_stdout: True when the scanner prints its report instead of writing the file.
        repository: how it reads source repositories; None when it cannot.
    """

    name: Annotated[str, Written(pattern=r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$")]
    image: str
    command: tuple[str, ...]
    format: Annotated[str, Written("name")]
    named: str = ""
    digests: tuple[str, ...] = ()
    kinds: tuple[Annotated[str, Written("kind of finding")], ...] | None = None
    description: Annotated[str, Written("text")] = ""
    report: Annotated[str, Written(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = "report.json"
    environment: _Variables = msgspec.field(default_factory=dict)
    database: Database | None = None
    resources: Resources = Resources()
    success_codes: Annotated[tuple[Annotated[int, Written(least=0, most=255)], ...], Written(length=1)] = (0,)
    timeout: Annotated[int, Written("duration", least=1)] = 1800
    retries: Annotated[int, Written(least=0, most=10)] = 1
    platforms: tuple[Annotated[str, Written(pattern=r"^[a-z0-9]+(/[a-z0-9_]+)?$")], ...] = ()
    compressions: Annotated[tuple[Annotated[str, Written("compression")], ...], Written(length=1)] = (
        "gzip",
        "zstd",
        "none",
    )
    report_limit: Annotated[int, Written("size", least=1)] = 100 * 1024 * 1024
    scratch_limit: Annotated[int, Written("size", least=1)] = 20 * 1024**3
    parameters: dict[str, str] = msgspec.field(default_factory=dict)
    builtin: bool = False
    install: str = ""
    report_from_stdout: bool = False
    repository: OnRepository | None = None

    def reads(self, kind: TargetKind) -> bool:
        """Whether it can read such targets at all."""
        return bool(self.command) if kind is TargetKind.IMAGE else self.repository is not None

    def command_for(self, kind: TargetKind, *, online: bool = False) -> tuple[str, ...]:
        """Its command for such a target, which it `reads`; empty for one that it does not."""
        if kind is TargetKind.IMAGE:
            return self.command
        way = self.repository and (self.repository.online if online else self.repository)
        return way.command if way else ()

    @property
    def program(self) -> str:
        """What its commands start: the same program, whatever it reads."""
        return (self.command or self.command_for(TargetKind.REPOSITORY))[0]
