"""Images that tools of this machine keep: a Docker on a Unix socket, honest or not, and programs that misbehave."""

import json
import os
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from orchestrator.errors import Cancelled
from orchestrator.images.machine import copies
from orchestrator.images.machine.copies import MachineImages
from orchestrator.images.machine.docker import DockerSocket, docker
from orchestrator.images.machine.interface import NoSuchImageError, NoToolError
from orchestrator.images.machine.programs import ProgramKeeper
from orchestrator.images.reference import parse
from orchestrator.model import Platform
from orchestrator.net.errors import ArchiveError
from orchestrator.planning.inputs import Located
from orchestrator.planning.resolver import RegistryResolver
from tests.tools import layouts
from tests.tools.images import Image, layer

ID = "c" * 64
WEB = parse("shop/web:1")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextmanager
def serving(path: Path, answers: dict[str, tuple[int, bytes]], *, more: int = 0) -> Iterator[list[str]]:
    """An API on a Unix socket with these answers, each of which promises some bytes more than it has."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, body = answers.get(self.path, (404, b"{}"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) + more))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def address_string(self) -> str:
            return ""

    with _Server(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "d.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    return path


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "volume" / "kept"


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    return layouts.write_archive(tmp_path / "a.tar", Image.build([layer({"a": "b"})])).read_bytes()


def answers(body: bytes, name: str = "docker.io/shop/web:1") -> dict[str, tuple[int, bytes]]:
    return {
        f"/images/{name}/json": (200, json.dumps({"Id": f"sha256:{ID}"}).encode()),
        f"/images/{name}/get": (200, body),
    }


def test_an_image_is_copied_once(socket: Path, kept: Path, archive: bytes) -> None:
    with serving(socket, answers(archive)) as asked:
        first = MachineImages(kept).copy(WEB, "docker")
        assert first.read_bytes() == archive
        assert MachineImages(kept).copy(WEB, "docker") == first
    assert sum(path.endswith("/get") for path in asked) == 1
    assert [path.name for path in kept.iterdir()] == [f"docker-{ID}.tar"]


def test_what_podman_built_without_a_registry_s_name_is_found(socket: Path, kept: Path, archive: bytes) -> None:
    with serving(socket, answers(archive, "localhost/shop/web:1")):
        assert MachineImages(kept).copy(WEB, "docker").read_bytes() == archive


def test_what_is_not_there_is_said(socket: Path, kept: Path) -> None:
    with pytest.raises(NoToolError, match="DOCKER_HOST names another"):
        MachineImages(kept).copy(WEB, "docker")
    with serving(socket, {}), pytest.raises(NoSuchImageError, match="docker has no image"):
        MachineImages(kept).copy(WEB, "docker")
    assert not kept.exists()


@pytest.mark.parametrize("said", [b"", b"[]", b"{}", b'{"Id": 7}', b'{"Id": "sha256:../../x"}', b"[" * 100_000])
def test_odd_answers_name_no_file(socket: Path, kept: Path, said: bytes) -> None:
    odd = {"/images/docker.io/shop/web:1/json": (200, said)}
    with serving(socket, odd), pytest.raises(NoSuchImageError, match="odd"):
        MachineImages(kept).copy(WEB, "docker")


@pytest.mark.parametrize(("status", "more"), [(500, 0), (200, 10)])
def test_an_export_that_fails_leaves_nothing(socket: Path, kept: Path, archive: bytes, status: int, more: int) -> None:
    found = answers(archive[: len(archive) // 2])
    found["/images/docker.io/shop/web:1/get"] = (status, archive[: len(archive) // 2])
    # A server that lies about the end is found out when the archive is read.
    resolver = RegistryResolver(None, (Platform(),), (), (), machine=MachineImages(kept))
    with serving(socket, found, more=more):
        (answer,) = resolver(str(WEB), local=False, look_in=("docker",))
    assert answer.error
    assert list(kept.glob("*")) == []


def test_one_that_never_ends_is_cut_off(socket: Path, kept: Path) -> None:
    with serving(socket, answers(b"x" * 3_000_000)), pytest.raises(ArchiveError, match="larger than"):
        MachineImages(kept, limit=2_000_000).copy(WEB, "docker")
    assert list(kept.iterdir()) == []


def test_copies_that_nobody_used_for_a_week_are_removed(socket: Path, kept: Path, archive: bytes) -> None:
    kept.mkdir(parents=True)
    for name, days in (("docker-old.tar", 8), ("docker-young.tar", 6)):
        (kept / name).write_bytes(b"")
        os.utime(kept / name, (time.time() - days * 86400,) * 2)
    with serving(socket, answers(archive)):
        MachineImages(kept).copy(WEB, "docker")
    assert {path.name for path in kept.iterdir()} == {"docker-young.tar", f"docker-{ID}.tar"}


@pytest.mark.parametrize(
    ("variables", "context", "place"),
    [
        ({"DOCKER_HOST": "unix:///x/d.sock"}, "", "/x/d.sock"),
        ({}, "unix:///home/me/.colima/d.sock", "/home/me/.colima/d.sock"),
        ({"DOCKER_HOST": "tcp://10.0.0.1:2375"}, "", None),
        ({}, "ssh://me@host", None),
    ],
)
def test_docker_is_where_its_own_client_finds_it(tmp_path, monkeypatch, variables, context, place) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if context:
        (tmp_path / "config.json").write_text(json.dumps({"currentContext": "mine"}))
        meta = tmp_path / "contexts" / "meta" / sha256(b"mine").hexdigest()
        meta.mkdir(parents=True)
        (meta / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": context}}}))
    found = docker()
    if place is None:
        assert isinstance(found, ProgramKeeper)
    else:
        assert isinstance(found, DockerSocket)
        assert str(found._path) == place


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A program that finds every image, and exports it as a test wants."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def write(export: str) -> None:
        path = tmp_path / "podman"
        path.write_text(f'#!/bin/sh\nif [ "$2" = inspect ]; then echo {ID}; exit; fi\n{export}\n')
        path.chmod(0o755)

    return write


def test_a_program_that_fails_or_floods_leaves_nothing(kept: Path, podman: Callable[[str], None]) -> None:
    podman("echo half; echo 'no space left' >&2; exit 125")
    with pytest.raises(ArchiveError, match="no space left"):
        MachineImages(kept).copy(WEB, "podman")
    podman("exec cat /dev/zero")
    with pytest.raises(ArchiveError, match="larger than"):
        MachineImages(kept, limit=4_000_000).copy(WEB, "podman")
    podman("exit 0")
    with pytest.raises(ArchiveError, match="is empty"):
        MachineImages(kept).copy(WEB, "podman")
    assert list(kept.iterdir()) == []


def test_another_place_is_not_asked_for_what_a_tool_has_and_does_not_give(
    socket: Path, kept: Path, podman: Callable[[str], None], archive: bytes, tmp_path: Path
) -> None:
    (tmp_path / "other.tar").write_bytes(archive)
    podman(f"cat {tmp_path}/other.tar")
    found = answers(archive) | {"/images/docker.io/shop/web:1/get": (500, b"")}
    resolver = RegistryResolver(None, (Platform(),), (), (), machine=MachineImages(kept))
    with serving(socket, found):
        (answer,) = resolver(str(WEB), local=False, look_in=("docker", "podman"))
    assert "answers 500" in answer.error


def test_a_docker_that_may_not_be_asked_is_not_passed_over_in_silence(
    socket: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image that somebody has just built may be in it, and the registry's of this name is another one."""
    monkeypatch.setattr(RegistryResolver, "_answers", lambda *_: (Located(platform=Platform()),))
    resolver = RegistryResolver(None, (Platform(),), (), (), machine=MachineImages(kept))
    (none,) = resolver(str(WEB), local=False, look_in=("docker", "registry"))
    assert none.note == ""
    socket.touch()
    (answer,) = resolver(str(WEB), local=False, look_in=("docker", "registry"))
    assert answer.note.startswith(f"docker at {socket} does not answer properly: ")
    assert answer.note.endswith("Connection refused; read from its registry")


def test_a_full_volume_is_not_the_tool_s_fault(
    socket: Path, kept: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def full(path: Path) -> Iterator[object]:
        with Path("/dev/full").open("wb", buffering=0) as file:
            yield file

    monkeypatch.setattr(copies, "atomic_file", full)
    with serving(socket, answers(archive)), pytest.raises(ArchiveError, match=f"copied to {kept}: No space left"):
        MachineImages(kept).copy(WEB, "docker")


def test_a_tag_that_moves_while_it_is_copied_is_no_copy_of_the_first_image(
    kept: Path, podman: Callable[[str], None], tmp_path: Path
) -> None:
    """What comes is the second image, and its copy would be taken for the first one from then on."""
    podman(f"sed -i s/{ID}/{'d' * 64}/ {tmp_path}/podman; echo the second")
    with pytest.raises(ArchiveError, match="became another image"):
        MachineImages(kept).copy(WEB, "podman")
    assert list(kept.iterdir()) == []


def test_a_program_that_hangs_is_given_up(
    kept: Path, podman: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "_PATIENCE", 0.2)
    podman("echo begun; exec sleep 60")
    begun = time.monotonic()
    with pytest.raises(ArchiveError, match="nothing came for"):
        MachineImages(kept).copy(WEB, "podman")
    monkeypatch.setattr(copies, "_PATIENCE", 60.0)
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    with pytest.raises(Cancelled):
        MachineImages(kept, cancelled=cancelled).copy(WEB, "podman")
    assert time.monotonic() - begun < 30
    assert list(kept.iterdir()) == []
