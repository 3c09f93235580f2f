"""Scans, as the catalog defines them."""

import msgspec

from orchestrator.model.base import Document


class Resources(Document, frozen=True):
    """CPU and memory of a scanner, as Kubernetes quantities."""

    cpu: str = "500m"
    memory: str = "512Mi"
    memory_limit: str = "2Gi"


class Database(Document, frozen=True):
    """A scanner's database, refreshed once per run into a new versioned folder on the volume.

    Attributes:
        refresh: command that fills the folder `{database}`; runs in the scan's own image.
        environment: variables for it; may hold placeholders.
        timeout: seconds.
    """

    refresh: tuple[str, ...]
    environment: dict[str, str] = msgspec.field(default_factory=dict)
    timeout: int = 1800


class Scan(Document, frozen=True):
    """One kind of check, defined by one file in `templates/`.

    Attributes:
        name: lower-case DNS label; names the cell, its folder and its task.
        image: scanner image pinned by version or digest.
        command: arguments with the placeholders `{tarball}`, `{report}`, `{database}`, `{workdir}`, and
            `{parameter.<name>}` for the scan's parameters (the catalog fills those in). The first is the program: a
            name on PATH, or an absolute path within the image, whose last part is then the name to look for on PATH.
        format: name of a report format in `orchestrator.findings`.
        report: file name of the report in the cell's folder.
        success_codes: exit codes that mean "the scan ran", findings or not.
        timeout: seconds one attempt may take.
        retries: further attempts after the first.
        platforms: platforms of images it can read (`os` or `os/architecture`); empty means all.
        compressions: layer compressions it can read.
        report_limit: largest report accepted, bytes.
        parameters: defaults of its parameters, overridden in the configuration.
        builtin: True for scans that this project itself implements and that need only the tarball.
        install: how a person gets the scanner onto PATH for the local engine.
        report_from_stdout: True when the scanner prints its report instead of writing the file.
    """

    name: str
    image: str
    command: tuple[str, ...]
    format: str
    description: str = ""
    report: str = "report.json"
    environment: dict[str, str] = msgspec.field(default_factory=dict)
    database: Database | None = None
    resources: Resources = Resources()
    success_codes: tuple[int, ...] = (0,)
    timeout: int = 1800
    retries: int = 1
    platforms: tuple[str, ...] = ()
    compressions: tuple[str, ...] = ("gzip", "zstd", "none")
    report_limit: int = 100 * 1024 * 1024
    parameters: dict[str, str] = msgspec.field(default_factory=dict)
    builtin: bool = False
    install: str = ""
    report_from_stdout: bool = False
