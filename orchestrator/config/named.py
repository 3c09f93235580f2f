"""What a person means who names a target on the command line: an image, an archive, a repository.

shop/web:1.0                an image: of Docker, podman or containerd on this machine, or else of its registry
docker:shop/web:1.0         an image of just this tool; likewise podman: and containerd:
docker://shop/web:1.0       an image of its registry, whatever is on this machine
web.tar, docker-archive:web.tar, oci-archive:web.tar, oci-dir:folder, oci:folder
                            an archive or an OCI layout folder
dir:folder                  the files of a plain folder, scanned like a source repository
-                           an archive on standard input
https://…#ref               a source repository
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.config.targets import LOOKED_IN, REGISTRY, STDIN, GitSection, ImagePlace, TargetSource
from orchestrator.errors import UsageError
from orchestrator.git.url import NO_CREDENTIALS, holds_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Of what other tools write before the path of an archive or a layout folder.
_ARCHIVES = ("docker-archive", "oci-archive", "oci-dir", "oci")
#: Of what they write before an image of a tool on this machine.
_TOOLS: dict[str, ImagePlace] = {
    "docker": "docker", "docker-daemon": "docker", "podman": "podman", "containers-storage": "podman",
    "containerd": "containerd",
}  # fmt: skip


def named_source(name: str) -> TargetSource:
    """The source of targets that a name stands for.

    Raises:
        UsageError: it is empty, not Unicode, has credentials in it, names one image of an archive, or a plain folder.
    """
    if not name.strip():
        raise UsageError("an empty name is neither an image nor an archive")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{name!r} is not Unicode (UTF-8), so no plan can hold it: rename the file, or link to it"
        ) from None
    if name == STDIN:
        return TargetSource(archive=STDIN)
    scheme, colon, rest = name.partition(":")
    if colon and (read := _SCHEMES.get(scheme)):
        return read(scheme, rest)
    if "://" in name:
        return _repository(name)
    path = Path(name)
    if name.startswith(("/", "./", "../")) and path.is_dir() and not (path / "oci-layout").is_file():
        raise UsageError(f"{name} is a folder: name it dir:{name}, to scan its files like a source repository")
    is_path = path.is_file() or (path / "oci-layout").is_file() or path.suffix in {".tar", ".tgz"} or path.is_absolute()
    if is_path:
        return TargetSource(archive=str(path.absolute()))
    return TargetSource(image=name, look_in=(REGISTRY,) if "@" in name else LOOKED_IN)


def _repository(name: str) -> TargetSource:
    url, _, ref = name.partition("#")
    if holds_credentials(url):
        raise UsageError(f"the URL of a repository: {NO_CREDENTIALS}")
    return TargetSource(repository=GitSection(url=url, ref=ref or "HEAD"))


def _of_tool(scheme: str, name: str) -> TargetSource:
    if scheme == "docker" and name.startswith("//"):  # as skopeo writes an image of a registry
        return TargetSource(image=_given(scheme, name.removeprefix("//")), look_in=(REGISTRY,))
    return TargetSource(image=_given(scheme, name), look_in=(_TOOLS[scheme],))


def _archive(scheme: str, name: str) -> TargetSource:
    path = Path(_given(scheme, name))
    file, colon, image = name.partition(":")  # as skopeo does
    if colon and not path.exists() and Path(file).exists():
        raise UsageError(
            f"{scheme}:{name}: every image of an archive is scanned, one alone cannot be chosen: leave out ':{image}'"
        )
    return TargetSource(archive=str(path.absolute()))


def _folder(scheme: str, name: str) -> TargetSource:
    return TargetSource(dir=str(Path(_given(scheme, name)).absolute()))


def _given(scheme: str, name: str) -> str:
    if not name.strip():
        raise UsageError(f"nothing stands behind {scheme}: name what it is to read")
    return name


_SCHEMES: Mapping[str, Callable[[str, str], TargetSource]] = {
    **dict.fromkeys(_TOOLS, _of_tool),
    **dict.fromkeys(_ARCHIVES, _archive),
    "dir": _folder,
}
