"""Pushes an image into a registry over its HTTP API (distribution specification), anonymously or with basic auth."""

import http.client
from base64 import b64encode
from collections.abc import Mapping
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
    manifests = {each.digest: (each.manifest, each.media_type) for each in (*image.images, image)}
    if tag is not None:
        manifests[tag] = image.manifest, image.media_type
    push_parts(host, repository, image.blobs, manifests, credentials=credentials)
    return f"{host}/{repository}:{tag}" if tag is not None else f"{host}/{repository}@{image.digest}"


def push_parts(
    host: str,
    repository: str,
    blobs: Mapping[str, bytes],
    manifests: Mapping[str, tuple[bytes, str]],
    *,
    credentials: tuple[str, str] | None = None,
) -> None:
    """Push what a repository has: blobs by digest; manifests, each with its type, by digest or tag, in this order."""
    connection = http.client.HTTPConnection(host, timeout=60)
    headers = {}
    if credentials is not None:
        headers["Authorization"] = "Basic " + b64encode(":".join(credentials).encode()).decode()
    try:
        for digest, blob in blobs.items():
            _push_blob(connection, repository, digest, blob, headers)
        for name, (manifest, kind) in manifests.items():
            path = f"/v2/{repository}/manifests/{name}"
            status, _ = _ask(connection, "PUT", path, {**headers, "Content-Type": kind}, manifest)
            _expect(201, status, f"manifest {repository}:{name}")
    finally:
        connection.close()


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
