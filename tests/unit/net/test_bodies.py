"""Blobs as they come in: whole however they are framed, in pieces of any size, and never more than was asked for."""

import random
import threading
from collections.abc import Callable, Iterator

import pytest

from orchestrator.images.digests import digest_of
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.tarball.sources import RegistryBlobs
from orchestrator.model import Blob
from orchestrator.net.errors import WrongBytes
from tests.tools.strangers import Asked, Send, Stranger, answer

DATA = random.Random(5).randbytes(5_000_000)
BLOB = Blob(digest=digest_of(DATA), size=len(DATA), media_type="")
_HEAD = b"HTTP/1.1 200 OK\r\n"


class Collected:
    """A sink that knows how far it was ever written."""

    def __init__(self) -> None:
        self.data = bytearray()

    def write(self, offset: int, data: bytes | memoryview) -> None:
        self.data[offset : offset + len(data)] = data


@pytest.fixture
def client() -> Iterator[RegistryClient]:
    with RegistryClient(retries=3, backoff=0.001, timeout=(5, 5)) as client:
        yield client


def _chunked(data: bytes) -> bytes:
    sizes = random.Random(6)
    chunks, at = [], 0
    while at < len(data):
        piece = data[at : at + sizes.choice((1, 7, 4096, 3_000_000))]
        chunks.append(b"%x;extension\r\n%b\r\n" % (len(piece), piece))
        at += len(piece)
    return _HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks) + b"0\r\nTrailer: x\r\n\r\n"


def _until_closed(data: bytes) -> bytes:
    return _HEAD + b"Connection: close\r\n\r\n" + data


@pytest.mark.parametrize("framed", [answer, _chunked, _until_closed])
def test_a_blob_is_whole_however_it_is_framed(client: RegistryClient, framed: Callable[[bytes], bytes]) -> None:
    """What has come whole leaves its connection to the next blob."""

    def serve(_: Asked, send: Send) -> None:
        send(framed(DATA))
        if framed is _until_closed:
            raise ConnectionResetError

    with Stranger(serve) as stranger:
        for _ in range(3):
            sink = Collected()
            RegistryBlobs(client, f"{stranger.url}/app").fetch(BLOB, sink)
            assert sink.data == DATA
        (pool,) = client._transport._pools.values()
        assert pool.connection_from_url(stranger.url).num_connections == 1


def test_an_empty_blob(client: RegistryClient) -> None:
    with Stranger(lambda _, send: [send(answer(b"")), None][1]) as stranger:
        sink = Collected()
        RegistryBlobs(client, f"{stranger.url}/app").fetch(Blob(digest=digest_of(b""), size=0, media_type=""), sink)
        assert sink.data == b""


def test_of_a_blob_that_is_cut_every_byte_that_came_counts(client: RegistryClient) -> None:
    """Each attempt asks for what comes after the last byte of the one before, and that was no whole piece."""
    cuts = [1_234_567, 2_345_678, 4_999_999]

    def serve(asked: Asked, send: Send) -> None:
        at = int(asked.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        end = cuts.pop(0) if cuts else len(DATA)
        status = f"206 Partial Content\r\nContent-Range: bytes {at}-{len(DATA) - 1}/{len(DATA)}" if at else "200 OK"
        send(f"HTTP/1.1 {status}\r\nContent-Length: {len(DATA) - at}\r\n\r\n".encode() + DATA[at:end])
        if end < len(DATA):
            raise ConnectionResetError

    with Stranger(serve) as stranger:
        sink = Collected()
        RegistryBlobs(client, f"{stranger.url}/app").fetch(BLOB, sink)
        assert sink.data == DATA
        asked = [each.headers.get("range") for each in stranger.asked]
        assert asked == [None, "bytes=1234567-", "bytes=2345678-", "bytes=4999999-"]


def test_what_has_come_is_written_before_the_rest_comes(client: RegistryClient) -> None:
    """Or a slow server would seem to stand still, and a cut cost what had come."""
    written, in_time = threading.Event(), []

    class Sink(Collected):
        def write(self, offset: int, data: bytes | memoryview) -> None:
            super().write(offset, data)
            written.set()

    def serve(_: Asked, send: Send) -> None:
        whole = answer(DATA)
        send(whole[:100_000])
        in_time.append(written.wait(30))
        send(whole[100_000:])

    with Stranger(serve) as stranger:
        RegistryBlobs(client, f"{stranger.url}/app").fetch(BLOB, Sink())
    assert in_time == [True]


@pytest.mark.parametrize("framed", [answer, _chunked, _until_closed])
def test_nothing_is_written_beyond_the_size_that_the_manifest_gives(
    client: RegistryClient, framed: Callable[[bytes], bytes]
) -> None:
    """Behind it the next blob lies."""

    def serve(_: Asked, send: Send) -> None:
        send(framed(DATA + b"more"))
        raise ConnectionResetError

    with Stranger(serve) as stranger:
        sink = Collected()
        with pytest.raises(WrongBytes):
            RegistryBlobs(client, f"{stranger.url}/app").fetch(BLOB, sink)
        assert len(sink.data) <= len(DATA)
        assert len(stranger.asked) == 2


def test_what_comes_beyond_an_answer_does_not_pass_for_the_next_one(client: RegistryClient) -> None:
    wrong = iter([_HEAD + b"Content-Length: 4\r\n\r\nmorethanfour", answer(DATA)])
    short = Blob(digest=digest_of(b"more"), size=4, media_type="")
    with Stranger(lambda _, send: [send(next(wrong)), None][1]) as stranger:
        source = RegistryBlobs(client, f"{stranger.url}/app")
        source.fetch(short, Collected())
        sink = Collected()
        source.fetch(BLOB, sink)
        assert sink.data == DATA
