"""An HTML page in place of what a registry serves is said to be one, whatever it stands for."""

import pytest

from orchestrator.errors import ScanmatrixError
from orchestrator.images.registry.resolve import resolve
from orchestrator.images.tarball.sources import RegistryBlobs
from orchestrator.model import Blob, Platform
from orchestrator.net.errors import Denied, WrongBytes
from tests.integration.pulls import fast_client
from tests.tools.images import Image, layer, sha256
from tests.tools.strangers import Asked, Send, Stranger, answer

PAGE = b"<!DOCTYPE html>\n<html><head><title>Acme proxy:\n sign in</title></head></html>"
IMAGE = Image.build([layer({"a": "b"})])
LINUX = [Platform()]
BLOB = Blob(digest=IMAGE.layers[0].digest, size=len(IMAGE.layers[0].blob))


def _serve(*pages: str, status: str = "200 OK"):
    """The image, but pages in place of paths that have one of these in them."""

    def serve(asked: Asked, send: Send) -> None:
        known = {**IMAGE.blobs, IMAGE.digest: IMAGE.manifest}
        if any(part in asked.path for part in pages):
            send(answer(PAGE, "Content-Type: text/html", status=status))
        else:
            send(answer(known.get(asked.reference, IMAGE.manifest)))

    return serve


def _resolve(client, url: str) -> object:
    return resolve(f"{url}/app", "1", LINUX, client)


def _fetch(client, url: str) -> None:
    class Nowhere:
        def write(self, offset: int, data: bytes | memoryview) -> None:
            pass

    RegistryBlobs(client, f"{url}/app").fetch(BLOB, Nowhere())


@pytest.mark.parametrize(
    ("pages", "ask"),
    [
        (["/manifests/"], _resolve),
        (["/blobs/"], _resolve),
        (["/manifests/"], lambda client, url: resolve(f"{url}/app", IMAGE.digest, LINUX, client)),
        (["/tags/list"], lambda client, url: client.tags(f"{url}/app")),
        (["/_catalog"], lambda client, url: client.catalogue(url)),
        (["/blobs/"], _fetch),
    ],
    ids=["manifest", "config", "by digest", "tags", "catalogue", "layer"],
)
def test_a_page_in_place_of(pages, ask) -> None:
    with Stranger(_serve(*pages)) as stranger, fast_client(retries=0) as client:
        with pytest.raises(WrongBytes, match=r"HTML page.*Acme proxy: sign in"):
            ask(client, stranger.url)
        assert len(stranger.asked) <= 2
    with Stranger(_serve()) as stranger, fast_client(retries=0) as client:
        assert _resolve(client, stranger.url)
        _fetch(client, stranger.url)


def test_a_page_in_place_of_a_token() -> None:
    def serve(asked: Asked, send: Send) -> None:
        if asked.path.startswith("/token"):
            send(answer(PAGE))
        else:
            challenge = f'WWW-Authenticate: Bearer realm="{stranger.url}/token",service="x"'
            send(answer(b"", challenge, status="401 Unauthorized"))

    with (
        Stranger(serve) as stranger,
        fast_client(retries=0) as client,
        pytest.raises(Denied, match=r"token server's answer.*HTML page"),
    ):
        _resolve(client, stranger.url)


@pytest.mark.parametrize("status", ["403 Forbidden", "404 Not Found", "407 Proxy Auth", "502 Bad Gateway"])
def test_a_page_beside_an_error(status: str) -> None:
    with (
        Stranger(_serve("/manifests/", status=status)) as stranger,
        fast_client(retries=0) as client,
        pytest.raises(ScanmatrixError, match=r"HTML page.*Acme proxy"),
    ):
        _resolve(client, stranger.url)


def test_an_artifact_may_hold_a_page() -> None:
    """As reports do; what proves itself by its digest is what was asked for."""
    page = Blob(digest=sha256(PAGE), size=len(PAGE))
    with Stranger(_serve("/blobs/")) as stranger, fast_client(retries=0) as client:
        assert client.blob(f"{stranger.url}/app", page) == PAGE
