"""Vulnerability databases of a few real CVEs, written by the scanners' own packages; real ones cannot be fetched."""

import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.tools import _catalog
from tests.tools._golang import COMPILE
from tests.tools.images import Image, Layer, sha256

_HERE = Path(__file__).parent
_CONFIG = "application/vnd.aquasec.trivy.config.v1+json"
_TRIVY_LAYERS = {
    "db": "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip",
    "java-db": "application/vnd.aquasec.trivy.javadb.layer.v1.tar+gzip",
}


@dataclass(frozen=True)
class Further:
    """A package of which every version has a vulnerability of its own, `CVE-2000-<number>`.

    Attributes:
        kind: `deb`, of Debian 12; `npm`, `pypi`, `maven` or `golang`.
        name: as the scanners look for it.
    """

    kind: str
    name: str


def grype(folder: Path, *, known: int | None = None, more: Sequence[Further] = ()) -> Path:
    """What a mirror of Grype's databases serves: `databases/v6/latest.json` and the archive it names.

    Args:
        folder: empty.
        known: how many vulnerabilities it knows; all of them by default.
        more: further ones.
    """
    served = folder / "databases" / "v6"
    served.mkdir(parents=True)
    words = [] if known is None else [str(known)]
    if more:
        words = [f"all:{_further(folder, more, _of_grype)}"]
    _run(_writer("grype"), served, *words)
    return folder


def trivy(folder: Path, *, more: Sequence[Further] = ()) -> dict[str, Image]:
    """Trivy's databases as OCI artifacts, by `repository:tag`; `more` as for Grype's."""
    _run(_writer("trivy"), folder, *([_further(folder, more, _of_trivy)] if more else []))
    return {
        "aquasecurity/trivy-db:2": _artifact(folder / "db", _TRIVY_LAYERS["db"]),
        "aquasecurity/trivy-java-db:1": _artifact(folder / "java-db", _TRIVY_LAYERS["java-db"]),
    }


def _further(folder: Path, more: Sequence[Further], spelt: Callable[[Further], dict[str, str]]) -> Path:
    """A file of further vulnerabilities, as a writer reads it."""
    numbered = [{"ID": f"CVE-2000-{number:05}", "Name": each.name, **spelt(each)} for number, each in enumerate(more)]
    file = folder / "more.json"
    file.write_text(json.dumps(numbered))
    return file


def _of_grype(each: Further) -> dict[str, str]:
    ecosystem, kind = {
        "deb": ("deb", "dpkg"),
        "npm": ("npm", "semver"),
        "pypi": ("python", "python"),
        "maven": ("java-archive", "maven"),
        "golang": ("go-module", "go"),
    }[each.kind]
    where = {"Distribution": "debian", "Release": "12"} if each.kind == "deb" else {}
    return {"Ecosystem": ecosystem, "Kind": kind, **where}


def _of_trivy(each: Further) -> dict[str, str]:
    if each.kind == "deb":
        return {"Source": "debian 12"}
    named = {"npm": ("npm", "Npm"), "pypi": ("pip", "Pip"), "maven": ("maven", "Maven"), "golang": ("go", "Go")}
    prefix, called = named[each.kind]
    return {"Source": f"{prefix}::GitHub Security Advisory {called}"}


def _artifact(folder: Path, media_type: str) -> Image:
    """A folder's files as the one layer of an artifact."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, arcname=path.name)
    layer = Layer(b"", buffer.getvalue())
    config = b"{}"
    described = {
        "mediaType": media_type,
        "digest": layer.digest,
        "size": len(layer.blob),
        "annotations": {"org.opencontainers.image.title": f"{folder.name}.tar.gz"},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": _CONFIG, "digest": sha256(config), "size": len(config)},
        "layers": [described],
    }
    return Image(json.dumps(manifest).encode(), config, (layer,), {}, manifest["mediaType"])


def _writer(name: str) -> Path:
    """The program that writes a database, built once for each text of it, with its scanner's own packages."""
    source = (_HERE / name / "main.go").read_bytes()
    module = _catalog.HERE / "go" / name
    key = hashlib.sha256(source + (module / "go.sum").read_bytes()).hexdigest()[:16]
    binary = _catalog.cache() / "databases" / f"{name}-{key}"
    if binary.exists():
        return binary
    binary.parent.mkdir(parents=True, exist_ok=True)
    with (binary.parent / f".lock-{name}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers want it at the same time: one compiles
        if not binary.exists():
            _build(source, module, binary)
    return binary


def _build(source: bytes, module: Path, binary: Path) -> None:
    with tempfile.TemporaryDirectory(dir=binary.parent, prefix=".unfinished-") as folder:
        work = Path(folder)
        for file in ("go.mod", "go.sum"):
            shutil.copyfile(module / file, work / file)
        (work / "main.go").write_bytes(source)
        environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=mod"}
        _run("go", "build", *COMPILE, "-o", work / "writer", ".", cwd=work, environment=environment)
        (work / "writer").rename(binary)


def _run(*command: str | Path, cwd: Path | None = None, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"`{command[0]} …` failed:\n{(done.stdout + done.stderr)[-3000:]}")
