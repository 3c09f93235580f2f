"""Docker, asked by its API on a Unix socket, as is podman where its service listens; no program of it is needed.

See the Docker Engine API, "Inspect an image" and "Export an image".
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import quote

from orchestrator.images.machine.interface import KeptImage, MuteToolError, NoSuchImageError, NoToolError, spellings
from orchestrator.images.machine.programs import ProgramKeeper

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.images.machine.interface import ImageKeeper
    from orchestrator.images.reference import Reference

#: Seconds for an answer to begin, and for any next byte of it: a large image is put together before it comes.
_TIMEOUT, _EXPORT_TIMEOUT = 10.0, 300.0
_JSON_LIMIT = 4 * 1024 * 1024
_ID = re.compile(r"sha256:([0-9a-f]{64})")
_OK, _NOT_FOUND = 200, 404


def docker() -> ImageKeeper:
    """Docker as its own client finds it: `DOCKER_HOST`, else its current context, else its usual sockets.

    One that is not behind a Unix socket is asked by the program `docker`, which knows how to get there.
    """
    host = os.environ.get("DOCKER_HOST") or _host_of_context()
    if host and not host.startswith("unix://"):
        return ProgramKeeper("docker")
    return DockerSocket(Path(host.removeprefix("unix://")) if host else _usual())


class DockerSocket:
    """A Docker that listens on a Unix socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def find(self, reference: Reference) -> KeptImage:
        """See `ImageKeeper`."""
        for name in spellings(reference):
            with self._get(f"/images/{quote(name, safe='/:@')}/json", _TIMEOUT) as answer:
                if answer.status == _NOT_FOUND:
                    continue
                self._check(answer, name)
                data = answer.read(_JSON_LIMIT)
            try:
                found = _ID.fullmatch(json.loads(data)["Id"])
            except (ValueError, KeyError, TypeError, RecursionError):
                found = None
            if found is None:
                raise NoSuchImageError(f"docker at {self._path} says something odd of the image {name}")
            return KeptImage(name, found[1])
        raise NoSuchImageError(f"docker has no image {reference}")

    @contextmanager
    def export(self, image: KeptImage) -> Iterator[IO[bytes]]:
        """See `ImageKeeper`; an answer that breaks off shows in the archive's end."""
        with self._get(f"/images/{quote(image.name, safe='/:@')}/get", _EXPORT_TIMEOUT) as answer:
            self._check(answer, image.name)
            yield cast("IO[bytes]", answer)

    def _check(self, answer: http.client.HTTPResponse, name: str) -> None:
        if answer.status != _OK:
            raise NoSuchImageError(f"docker at {self._path} answers {answer.status} when asked for the image {name}")

    @contextmanager
    def _get(self, path: str, timeout: float) -> Iterator[http.client.HTTPResponse]:
        connection = _UnixConnection(self._path, timeout)
        try:
            connection.request("GET", path)
            yield connection.getresponse()
        except FileNotFoundError:
            raise NoToolError(f"docker is not here: there is no {self._path}; DOCKER_HOST names another") from None
        except (OSError, http.client.HTTPException) as error:
            raise MuteToolError(f"docker at {self._path} does not answer properly: {error or type(error)}") from error
        finally:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _usual() -> Path:
    """Its socket where nobody names one: of the system, else of the user, else of Docker Desktop."""
    system = Path("/var/run/docker.sock")
    own = [Path(runtime) / "docker.sock"] if (runtime := os.environ.get("XDG_RUNTIME_DIR")) else []
    with suppress(RuntimeError):  # no home folder
        own.append(Path.home() / ".docker" / "run" / "docker.sock")
    return next((path for path in (system, *own) if path.exists()), system)


def _host_of_context() -> str:
    """Where the current context of docker's own configuration is; empty for the default one."""
    try:
        folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
        name = os.environ.get("DOCKER_CONTEXT") or _json(folder / "config.json").get("currentContext")
        if not isinstance(name, str) or name in {"", "default"}:
            return ""
        meta = folder / "contexts" / "meta" / sha256(name.encode()).hexdigest() / "meta.json"
        host = _json(meta)["Endpoints"]["docker"]["Host"]
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return ""
    return host if isinstance(host, str) else ""


def _json(path: Path) -> Any:
    with path.open("rb") as file:
        return json.loads(file.read(_JSON_LIMIT))
