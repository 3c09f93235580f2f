"""Scans, as the catalog defines them."""

from typing import Annotated

import msgspec

from orchestrator.model.base import Document
from orchestrator.model.image import TargetKind
from orchestrator.model.signing import Signer
from orchestrator.model.written import Written

_Cpus = Annotated[str, Written("CPUs")]
_Memory = Annotated[str, Written("memory")]
_Variables = dict[Annotated[str, Written("variable")], str]


class Resources(Document, frozen=True):
    """CPU and memory of a scanner, as Kubernetes quantities.

    Attributes:
        cpu: requested
        memory: requested
        memory_limit: limit; on a cluster every retry adds the same amount again
        cpu_limit: limit; default: all CPUs
        pids: local engine: maximum number of processes and threads
    """

    cpu: _Cpus = "500m"
    memory: _Memory = "512Mi"
    memory_limit: _Memory = "2Gi"
    cpu_limit: _Cpus | None = None
    pids: Annotated[int, Written(least=1, most=1_000_000)] = 1024


#: The kind of a database that is in a folder already; see `orchestrator.databases.folder`.
FOLDER = "folder"
#: How long a database is used without asking for a newer one, where nobody says anything else.
MAX_AGE = 24 * 3600
#: Settings of all kinds of databases that say where something is read.
_PLACES = ("repository", "java_repository", "url", "mirror")


class DatabaseFetch(Document, frozen=True):
    """How our own code fetches a scanner's database; see `orchestrator.databases`.

    Attributes:
        kind: name of a module in `orchestrator.databases`.
        settings: of that kind, as `orchestrator.config.databases` names them.
        limit: maximum unpacked size
        given_by: where people set a setting, by its name: `scans.parameters.general.databaseRepository`.
    """

    kind: str
    settings: dict[str, str] = msgspec.field(default_factory=dict)
    limit: Annotated[int, Written("size", least=1)] = 8 * 1024**3
    given_by: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def reads_registry(self) -> bool:
        """Whether it reads a registry, and so may need its credentials."""
        return "repository" in self.settings

    @property
    def places(self) -> tuple[str, ...]:
        """The mirrors and registries that it reads, as they are written."""
        return tuple(self.places_by_setting.values())

    @property
    def places_by_setting(self) -> dict[str, str]:
        """The same by the setting that names each."""
        return {key: self.settings[key] for key in _PLACES if self.settings.get(key)}

    @property
    def folder(self) -> str:
        """The folder with a database that somebody has, which is taken as it is; empty for one that is downloaded."""
        return self.settings["path"] if self.kind == FOLDER else ""


class Database(Document, frozen=True):
    """A scanner's database: versions on the volume, the last of which is refreshed once it is `max_age` old.

    Attributes:
        refresh: instead of `fetch`: command that fills the empty folder `{database}`, in the scan's own image [with a
            network](#a-command-of-the-scanners-own)
        environment: variables of `load` or `refresh`, with placeholders
        timeout: maximum duration
        fetch: how our own code fetches it: one of the three kinds below
        load: command that builds `{database}` from the fetched files in `{fetched}`, in the scan's own image and
            without a network; without it the fetched files are the database
        max_age: a version that was fetched, or found to be the newest, less than this ago is used without asking
            again; `0s` to ask in every run. `databases.maxAge` of the configuration replaces it
        incremental: the command `refresh` starts from a copy of the previous version in `{database}`, not from an empty
            folder
        update: whether anything may be downloaded; otherwise the version that is there is used, whatever its age.
    """

    refresh: tuple[str, ...] = ()
    environment: _Variables = msgspec.field(default_factory=dict)
    timeout: Annotated[int, Written("duration", least=1)] = 1800
    fetch: DatabaseFetch | None = None
    load: tuple[str, ...] = ()
    max_age: Annotated[int, Written("duration", least=0)] = MAX_AGE
    incremental: bool = False
    update: bool = True

    def is_due(self, age: float) -> bool:
        """Whether a newer one is asked for, or would be if anything might be downloaded, when this is its age.

        Args:
            age: seconds since a version was fetched, or found to be the newest.
        """
        return age >= self.max_age and not (self.fetch and self.fetch.folder)  # a folder is looked into in any case

    @property
    def recipe(self) -> "Database":
        """Only what decides what a database becomes: not how long it is used, nor how long fetching it may take."""
        fetch = self.fetch and DatabaseFetch(self.fetch.kind, self.fetch.settings)
        return Database(self.refresh, self.environment, fetch=fetch, load=self.load, incremental=self.incremental)


class Online(Document, frozen=True):
    """How a scan asks the API of the host of a repository; the one kind of cell that may use the network.

    Attributes:
        command: uses `{repository}`; the only command of a scan with a network
        tokens: the variable in which the scanner expects its token, by host. Other hosts are not asked
        at_once: maximum number of such cells at a time: in a cluster over all runs in the namespace, locally in one run
    """

    command: Annotated[tuple[str, ...], Written(length=1)]
    tokens: Annotated[dict[Annotated[str, Written("DNS name")], Annotated[str, Written("variable")]], Written(length=1)]
    at_once: Annotated[int, Written(least=1, most=1000)] = 2


class OnRepository(Document, frozen=True):
    """How a scan reads a source repository.

    Attributes:
        command: instead of `command`, with the same program; reads the folder `{checkout}`
        online: how it asks the API of the repository's host instead, if there is a token for it
    """

    command: Annotated[tuple[str, ...], Written(length=1)]
    online: Online | None = None


class OnSbom(Document, frozen=True):
    """How a scan reads the stored SBOM of an image instead of the image.

    Attributes:
        scan: which scan makes that SBOM; its template says `stored: true`
        command: instead of `command`, with the same program; reads the file `{sbom}`
        cataloguers: versions of the program that made the SBOM with which the findings were shown to be those of the
            image itself; with an SBOM of any other the image is scanned
        not_for: types of packages, as purls name them (`maven`, `golang`), for which they were shown to differ; an
            image that has one is scanned itself
    """

    scan: Annotated[str, Written("name")]
    command: Annotated[tuple[str, ...], Written(length=1)]
    cataloguers: Annotated[
        tuple[Annotated[str, Written(pattern=r"^[0-9][0-9A-Za-z.+-]{0,39}$")], ...], Written(length=1)
    ]
    not_for: tuple[Annotated[str, Written(pattern=r"^[a-z][a-z0-9.+-]{0,31}$")], ...] = ()


class Warm(Document, frozen=True):
    """How a scan's images are read with a server that is started once for many of them.

    Attributes:
        start: the server, in the foreground; `{server}` is the folder for its own files, and its HOME and TMPDIR
        command: instead of `command`, for each image; finds the server by what is in `{server}`
        ready: command that ends with 0 once the server answers; until then it is run again and again
        files: text of files, by name, that are put into the read-only folder `{files}` before the server starts
        ready_within: how long the server may take; after that images are read by `command`, without it
    """

    start: Annotated[tuple[str, ...], Written(length=1)]
    command: Annotated[tuple[str, ...], Written(length=1)]
    ready: Annotated[tuple[str, ...], Written(length=1)]
    files: dict[Annotated[str, Written(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")], str] = msgspec.field(
        default_factory=dict
    )
    ready_within: Annotated[int, Written("duration", least=1)] = 300


class Scan(Document, frozen=True):
    """One kind of check, defined by one file in `templates/`.

    Attributes:
        name: the file's own name without `.yaml`: lower-case letters, digits and `-`, 40 at most. For Argo it must not
            start with a digit or be `pull`
        image: the scanner's image, with a version tag (not `latest`) or a digest; required unless `builtin`
        command: program and arguments for images, with placeholders; required unless there is `repository`. The program
            is a name on the image's PATH or an absolute path; outside a container its last part is searched on `PATH`.
            There is no shell unless you call one
        format: of the report: `clamav`, `cyclonedx`, `dockle`, `grype`, `osv`, `sarif`, `scanmatrix`, `scorecard`,
            `syft` or `trivy` ([report-formats.md](report-formats.md))
        named: the image as its template names it, where it is locked; that is what stood for the digest then.
        digests: every digest by which that image is known (its index, its platforms), where it is locked.
        kinds: what it looks for; default: everything that its format can contain: `vulnerability`, `malware`, `secret`,
            `misconfiguration`, `license`, `check`; used to decide which scans could have found a finding and did not
        description: one line for people
        report: name of the report in the cell's folder; not `image.tar`, `checkout`, `layers`,
            `sbom.json` or `max-age`
        environment: variables, with placeholders; otherwise the scanner only gets `PATH`, and `HOME` and `TMPDIR` in a
            folder it may write to
        database: the scanner's database, see [below](#databases)
        resources: of the scanner's pod, as Kubernetes quantities
        success_codes: exit codes that mean "the scan ran", with or without findings. With any other code the cell
            fails, even if there is a report
        timeout: maximum duration of one attempt
        retries: retries after the first attempt
        platforms: platforms of images that it can read, `os` or `os/architecture`; empty for all. Others are skipped
        compressions: layer compressions that it can read. Images with others are skipped, because many scanners
            silently find nothing in such a layer
        report_limit: a larger report fails its cell
        scratch_limit: a scanner that keeps more on disk is ended, as by `limits.cellDisk`, which holds for every scan;
            `0` for no lower limit than that
        parameters: names and defaults of values that the configuration may set. If the default is a duration, the value
            must be one
        builtin: runs in the orchestrator's own image, by `scanmatrix-step check`; `image` is then not allowed
        install: how to install the scanner; shown in the reason of cells without it: `install it with …`
        report_from_stdout: the scanner prints its report instead of writing `{report}`
        repository: how it reads [source repositories](#repositories); without it, their cells are skipped
        sbom: how it reads [stored SBOMs](sboms.md) instead of images; without it, it always reads the image
        stored: its report is an SBOM that is kept on the volume for other scans; it runs of itself where one of them
            needs it, and `*` does not mean it
        warm: how workers that [stay running](queue.md#warm-scanners) read images; without it, and everywhere else, by
            `command`
        signers: one of these must have signed its image, or `scanmatrix lock` does not lock it
            ([supply-chain.md](supply-chain.md#who-signed-a-scanner))
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
    scratch_limit: Annotated[int, Written("size", least=0)] = 0
    parameters: dict[str, str] = msgspec.field(default_factory=dict)
    builtin: bool = False
    install: str = ""
    report_from_stdout: bool = False
    repository: OnRepository | None = None
    sbom: OnSbom | None = None
    stored: bool = False
    warm: Warm | None = None
    signers: tuple[Signer, ...] = ()

    def reads(self, kind: TargetKind) -> bool:
        """Whether it can read such targets at all."""
        return bool(self.command) if kind is TargetKind.IMAGE else self.repository is not None

    def command_for(self, kind: TargetKind, *, online: bool = False, sbom: bool = False) -> tuple[str, ...]:
        """Its command for such a target, which it `reads`; empty for one that it does not.

        Args:
            kind: of the target.
            online: whether the API of a repository's host is asked.
            sbom: whether a stored SBOM is read in place of an image.
        """
        if sbom:
            return self.sbom.command if self.sbom else ()
        if kind is TargetKind.IMAGE:
            return self.command
        way = self.repository and (self.repository.online if online else self.repository)
        return way.command if way else ()

    @property
    def reads_layers(self) -> bool:
        """Whether it reads the files of an image's layers, unpacked (`{layers}`)."""
        return any("{layers}" in word for word in (*self.command, *self.environment.values()))

    @property
    def limits_age(self) -> bool:
        """Whether it has a parameter for how old an image may be, which an image's source may lower."""
        return "maxAge" in self.parameters

    @property
    def program(self) -> str:
        """What its commands start: the same program, whatever it reads."""
        return (self.command or self.command_for(TargetKind.REPOSITORY))[0]
