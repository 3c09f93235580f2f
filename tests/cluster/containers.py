"""Images into containerd, and containers out of it."""

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.cluster.control_plane import tool
from tests.cluster.processes import ClusterError
from tests.cluster.state import State
from tests.tools._golang import COMPILE
from tests.tools.images import Image
from tests.tools.layers import File, layer
from tests.tools.layouts import write_docker_save

PAUSE = "localhost/pause:1"
_SOURCE = Path(__file__).parent / "pause"


def ctr(state: State, *arguments: str | Path, check: bool = True) -> str:
    """Run containerd's own client in the namespace of Kubernetes."""
    command = [tool("ctr"), "--address", state.socket, "--namespace", "k8s.io", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise ClusterError(f"`ctr {' '.join(map(str, arguments))}` failed: {done.stderr.strip()}")
    return done.stdout


def present(state: State) -> set[str]:
    """Names of the images that pods can use."""
    return set(ctr(state, "images", "ls", "--quiet").split())


def import_archive(state: State, archive: Path) -> None:
    """Take the images of an archive, as `docker save` writes it, under the names it gives them."""
    ctr(state, "images", "import", archive)


def import_image(state: State, name: str, image: Image) -> None:
    """Take one image under a name."""
    with tempfile.TemporaryDirectory(dir=state.folder) as folder:
        import_archive(state, write_docker_save(Path(folder) / "image.tar", image, tags=(name,)))


def pull_without_tls(state: State, host: str) -> None:
    """Have pods' images pulled from a registry that speaks plain HTTP."""
    folder = state.registries / host
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts.toml").write_text(f'[host."http://{host}"]\ncapabilities = ["pull", "resolve"]\n')


def program(
    binary: str | Path, *, user: str = "65532:65532", beside: Mapping[str, bytes | str | File] = MappingProxyType({})
) -> Image:
    """An image with nothing in it but one static program, in `/bin`, a folder for temporary files, and these files."""
    path = Path(binary)
    files: dict[str, bytes | str | File] = {
        **beside,
        f"bin/{path.name}": File(path.read_bytes(), mode=0o755),
        "tmp/.keep": File(mode=0o644),
        "etc/passwd": "root:x:0:0:root:/:/\nscanner:x:65532:65532::/tmp:/\nargo:x:8737:8737::/tmp:/\n",
    }
    settings = {"Entrypoint": [f"/bin/{path.name}"], "Env": ["PATH=/bin"], "WorkingDir": "/"}
    return Image.build([layer(files, "none")], user=user, settings=settings)


def import_pause(state: State) -> None:
    """The image of pods' sandboxes, from a few lines of Go."""
    if PAUSE in present(state):
        return
    binary = state.folder / "bin" / "pause"
    command = ["go", "build", *COMPILE, "-ldflags=-s -w", "-o", str(binary), "."]
    environment = {"CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=mod"}
    import os  # noqa: PLC0415

    done = subprocess.run(
        command, cwd=_SOURCE, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ClusterError(f"`go build` of the pause program failed: {done.stderr.strip()}")
    import_image(state, PAUSE, program(binary))


def end_all(state: State) -> None:
    """Kill and remove every container there is."""
    for task in ctr(state, "tasks", "ls", "--quiet", check=False).split():
        ctr(state, "tasks", "kill", "--signal", "SIGKILL", "--all", task, check=False)
    for container in ctr(state, "containers", "ls", "--quiet", check=False).split():
        ctr(state, "tasks", "rm", "--force", container, check=False)
        ctr(state, "containers", "rm", container, check=False)
