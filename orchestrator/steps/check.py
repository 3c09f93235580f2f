"""The scans this project itself implements; they read nothing but the tarball and never unpack it.

`image-lifetime` compares the image's build time with the allowed age; `root-user` looks whether its process runs as
root; `distroless` looks for shells and package managers. `docs/workflows.md` tells what each counts and why, under "The
built-in scans". They write the project's own report format (`orchestrator.findings.scanmatrix`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import UsageError
from orchestrator.findings.scanmatrix import encode_report
from orchestrator.images.content.filesystem import FileKind, merge
from orchestrator.images.content.users import Runs, judge_user
from orchestrator.images.tarball.archive import open_tarball
from orchestrator.kit.own import own_version
from orchestrator.kit.quantities import parse_duration
from orchestrator.model import Finding, Severity
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from orchestrator.images.content.filesystem import Filesystem
    from orchestrator.images.schemas import ConfigFields
    from orchestrator.images.tarball.archive import Tarball

SHELLS = frozenset({"ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "sh", "tcsh", "toybox", "zsh"})
#: Managers of system packages. Those of a language (pip, npm, gem) belong to its runtime and are not counted.
PACKAGE_MANAGERS = frozenset(
    {"apk", "apt", "apt-get", "aptitude", "dnf", "dpkg", "microdnf", "opkg", "pacman", "rpm", "tdnf", "yum", "zypper"}
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Docker's first release. An image cannot be older; build tools that want the same bytes every time write 1970 or 1980.
_FIRST_IMAGE = datetime(2013, 3, 20, tzinfo=UTC)
_DAY = 86400


def check(
    name: str,
    tarball: Path,
    report: Path,
    *,
    parameters: Mapping[str, str] | None = None,
    now: datetime | None = None,
    watch: Callable[[int], None] | None = None,
) -> int:
    """Run one built-in scan and write its report.

    Args:
        name: of the scan, a key of `CHECKS`.
        tarball: the cell's `image.tar`.
        report: the file to write.
        parameters: `maxAge` of `image-lifetime`, such as `180d`.
        now: instead of the clock.
        watch: as a `Tarball` has it; what it raises ends the check.

    Returns:
        The number of findings.

    Raises:
        UsageError: there is no such check, or a parameter is missing or wrong.
        ArchiveError: the tarball is not whole.
        Unsupported: its configuration could be read in two ways.
    """
    if name not in CHECKS:
        raise UsageError(f"there is no built-in scan {name!r}; there are {', '.join(sorted(CHECKS))}")
    with open_tarball(tarball) as image:
        image.watch = watch
        findings = CHECKS[name](image, image.settings, parameters or {}, now or datetime.now(UTC))
    write_atomic(report, encode_report(name, own_version(), findings))
    return len(findings)


def _lifetime(_: Tarball, config: ConfigFields, parameters: Mapping[str, str], now: datetime) -> list[Finding]:
    """A finding when the image was built longer ago than `maxAge`, or when nobody can tell when it was."""
    allowed = _days(parameters.get("maxAge", ""))
    created = _moment(config.created or "")
    if created is None or created < _FIRST_IMAGE or (created - now).total_seconds() > _DAY:
        said = f"its configuration says {config.created}" if config.created else "its configuration does not say"
        return [_finding("image-lifetime-unknown", Severity.UNKNOWN, f"Age unknown: {said}")]
    age = (now - created).total_seconds() / _DAY
    if age <= allowed:
        return []
    title = f"Built {int(age)} days ago ({created:%Y-%m-%d}), {allowed:g} days are allowed"
    return [_finding("image-lifetime", Severity.MEDIUM, title)]


def _root_user(image: Tarball, config: ConfigFields, _: Mapping[str, str], __: datetime) -> list[Finding]:
    """A finding when the process may run as user id 0 in any runtime, or when its user's id cannot be found."""
    user = config.config.user if config.config else ""
    runs, why = judge_user(user, lambda: merge(image, contents=("/etc/passwd",)).read("/etc/passwd"))
    if runs is Runs.AS_ROOT:
        return [_finding("root-user", Severity.MEDIUM, f"Runs as root: {why}")]
    if runs is Runs.UNKNOWN:
        return [_finding("root-user-unknown", Severity.UNKNOWN, why)]
    return []


def _distroless(image: Tarball, config: ConfigFields, _: Mapping[str, str], __: datetime) -> list[Finding]:
    """A finding for each shell and each package manager in a folder of the PATH."""
    filesystem = merge(image)
    found = []
    for folder in _folders(filesystem, config):
        for name in filesystem.names(folder):
            if name not in SHELLS | PACKAGE_MANAGERS:
                continue
            node = filesystem.lookup(f"{folder}/{name}")
            if node is None or node.kind is not FileKind.FILE or not node.executable:
                continue
            kind = "shell" if name in SHELLS else "package-manager"
            title = f"{'Shell' if name in SHELLS else 'Package manager'} {name} in the image"
            found.append(
                _finding(kind, Severity.LOW, title, package=name, location=f"{folder}/{name}".replace("//", "/"))
            )
    return found


#: The built-in scans by name.
CHECKS: dict[str, Callable[[Tarball, ConfigFields, Mapping[str, str], datetime], list[Finding]]] = {
    "image-lifetime": _lifetime,
    "root-user": _root_user,
    "distroless": _distroless,
}


def _folders(filesystem: Filesystem, config: ConfigFields) -> list[str]:
    """Folders of the image's own PATH and the usual ones; `/bin` and `/usr/bin` once when they are the same."""
    environment = (config.config and config.config.env) or ()
    # Of several PATHs, runtimes and shells differ in which of them counts.
    own = ":".join(entry.removeprefix("PATH=") for entry in environment if entry.startswith("PATH="))
    real = (filesystem.real(folder) for folder in f"{own}:{_PATH}".split(":") if folder.startswith("/"))
    return list(dict.fromkeys(folder for folder in real if folder))


def _moment(text: str) -> datetime | None:
    """An RFC 3339 time, which has a time zone; None when it is not one."""
    try:
        moment = msgspec.convert(text, datetime)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None


def _days(text: str) -> float:
    try:
        return parse_duration(text) / _DAY
    except ValueError as error:
        raise UsageError(f"image-lifetime: parameter maxAge: {error}") from error


def _finding(id_: str, severity: Severity, title: str, *, package: str = "", location: str = "") -> Finding:
    return Finding(id=id_, kind="check", severity=severity, title=title, package=package, location=location)
