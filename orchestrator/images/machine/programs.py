"""Tools that are asked by their programs: podman, docker where no socket of it is here, and containerd by `ctr`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from orchestrator.images.machine.interface import KeptImage, NoSuchImageError, NoToolError, spellings
from orchestrator.kit.programs import ask
from orchestrator.kit.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.images.reference import Reference

_TIMEOUT = 20
_SHOWN = 200
_DIGEST = re.compile(r"\b(?:sha256:)?([0-9a-f]{64})\b")
#: Where containerd answers: by itself, and as part of k3s.
_ADDRESSES = ("/run/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock")
#: Its namespaces: that of its own tools, of Kubernetes, of Docker.
_NAMESPACES = ("default", "k8s.io", "moby")


class ProgramKeeper:
    """Podman or docker, which have the same commands."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find(self, reference: Reference) -> KeptImage:
        """See `ImageKeeper`."""
        program, said = _program(self._name), ""
        for name in spellings(reference):
            done = _ask([program, "image", "inspect", "--format", "{{.Id}}", "--", name])
            if done.returncode == 0 and (found := _DIGEST.search(_text(done.stdout))):
                return KeptImage(name, found[1])
            said = said or _last(done.stderr)
        raise NoSuchImageError(f"{self._name} has no image {reference}: {said}")

    @contextmanager
    def export(self, image: KeptImage) -> Iterator[IO[bytes]]:
        """See `ImageKeeper`."""
        with _output([_program(self._name), "image", "save", "--", image.name]) as stream:
            yield stream


class Containerd:
    """The containerd of this machine, in whichever namespace it has the image."""

    def find(self, reference: Reference) -> KeptImage:
        """See `ImageKeeper`; the export of its name is asked for in the namespace where it was found."""
        for namespace in self._namespaces():
            done = _ask([*self._command(namespace), "images", "list", f"name=={reference}"])
            if done.returncode:
                raise NoSuchImageError(f"containerd does not answer: {_last(done.stderr)}")
            for line in _text(done.stdout).splitlines()[1:]:
                if line.split(maxsplit=1)[:1] == [str(reference)] and (found := _DIGEST.search(line)):
                    return KeptImage(f"{namespace} {reference}", found[1])
        raise NoSuchImageError(f"containerd has no image {reference} in its namespaces {', '.join(self._namespaces())}")

    @contextmanager
    def export(self, image: KeptImage) -> Iterator[IO[bytes]]:
        """See `ImageKeeper`. Of an image for several platforms, those are exported that it has."""
        namespace, name = image.name.split(" ")
        options = ["--skip-non-distributable"]
        with _output([*self._command(namespace), "images", "export", *options, "-", name]) as stream:
            yield stream

    @staticmethod
    def _namespaces() -> Sequence[str]:
        named = os.environ.get("CONTAINERD_NAMESPACE", "")
        return (named,) if named else _NAMESPACES

    @staticmethod
    def _command(namespace: str) -> list[str]:
        address = os.environ.get("CONTAINERD_ADDRESS", "").removeprefix("unix://")
        address = address or next((each for each in _ADDRESSES if Path(each).exists()), "")
        if not address:
            raise NoToolError(f"containerd is not here: there is no {_ADDRESSES[0]}; CONTAINERD_ADDRESS names another")
        return [_program("ctr"), "--address", address, "--namespace", namespace]


def _program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise NoToolError(f"{name} is not here: it is not on PATH")
    return found


def _ask(command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    try:
        return ask(command, _TIMEOUT)
    except subprocess.TimeoutExpired:
        raise NoSuchImageError(f"{Path(command[0]).name} does not answer within {_TIMEOUT} seconds") from None
    except OSError as error:
        raise NoSuchImageError(f"{Path(command[0]).name} cannot be started: {error.strerror}") from error


@contextmanager
def _output(command: Sequence[str]) -> Iterator[IO[bytes]]:
    """What a program writes, as it comes; it is ended when the block does."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command, bufsize=0, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
        try:
            with process:
                if process.stdout is None:  # never with a pipe
                    raise NoSuchImageError(f"{Path(command[0]).name} has no output")
                try:
                    yield process.stdout
                    process.stdout.close()
                    process.wait(_TIMEOUT)
                finally:
                    if process.poll() is None:
                        process.kill()
        except subprocess.TimeoutExpired as error:
            raise NoSuchImageError(f"{Path(command[0]).name} does not end") from error
        if process.returncode:
            errors.seek(0)
            raise NoSuchImageError(f"{Path(command[0]).name} cannot export the image: {_last(errors.read(1 << 16))}")


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _last(data: bytes) -> str:
    """The last line that a program wrote, made visible."""
    lines = _text(data).strip().splitlines()
    return visible(lines[-1].strip())[:_SHOWN] if lines else "it says nothing"
