"""Pushes an image into a registry over its HTTP API (distribution specification), anonymously or with basic auth."""

import http.client
from base64 import b64encode
from urllib.parse import quote, urlsplit

from tests.tools.images import Image, Index


class PushError(Exception):
    """The registry refused a part of the push."""


def push(
    host: str,
    repository: str,
    image: Image | Index,
    *,
    tag: str | None = None,
    credentials: tuple[str, str] | None = None,
) -> str:
    """Push blobs, then manifests, then the tag; return `host/repository:tag` (`…@digest` without a tag)."""
    connection = http.client.HTTPConnection(host, timeout=60)
    headers = {}
    if credentials is not None:
        headers["Authorization"] = "Basic " + b64encode(":".join(credentials).encode()).decode()
    try:
        for digest, blob in image.blobs.items():
            _push_blob(connection, repository, digest, blob, headers)
        for each in {one.digest: one for one in (*image.images, image)}.values():
            _push_manifest(connection, repository, each, each.digest, headers)
        if tag is not None:
            _push_manifest(connection, repository, image, tag, headers)
    finally:
        connection.close()
    return f"{host}/{repository}:{tag}" if tag is not None else f"{host}/{repository}@{image.digest}"


def _push_blob(
    connection: http.client.HTTPConnection, repository: str, digest: str, blob: bytes, headers: dict[str, str]
) -> None:
    if _ask(connection, "HEAD", f"/v2/{repository}/blobs/{digest}", headers)[0] == 200:
        return
    status, location = _ask(connection, "POST", f"/v2/{repository}/blobs/uploads/", headers)
    _expect(202, status, f"start of the upload of {digest}")
    url = urlsplit(location)
    path = f"{url.path}?{url.query}&digest={quote(digest)}"
    status, _ = _ask(connection, "PUT", path, {**headers, "Content-Type": "application/octet-stream"}, blob)
    _expect(201, status, f"blob {digest}")


def _push_manifest(
    connection: http.client.HTTPConnection, repository: str, image: Image | Index, name: str, headers: dict[str, str]
) -> None:
    typed = {**headers, "Content-Type": image.media_type}
    status, _ = _ask(connection, "PUT", f"/v2/{repository}/manifests/{name}", typed, image.manifest)
    _expect(201, status, f"manifest {repository}:{name}")


def _ask(
    connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str], body: bytes | None = None
) -> tuple[int, str]:
    connection.request(method, path, body=body, headers=headers)
    response = connection.getresponse()
    response.read()
    return response.status, response.headers.get("Location", "")


def _expect(wanted: int, status: int, what: str) -> None:
    if status != wanted:
        raise PushError(f"{what}: the registry answered {status}, not {wanted}")
