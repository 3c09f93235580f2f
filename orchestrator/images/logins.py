"""Credentials for registries: out of Docker's config.json, or of the helper programs that it names."""

import base64
import binascii
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.images.interface import Denied

_HUB_SERVER = "https://index.docker.io/v1/"
_HUB_HOSTS = {"docker.io", "index.docker.io", "registry-1.docker.io"}
_SECRET_USER = b"<token>"
#: Seconds a helper may take: some ask a cloud, or a person.
_HELPER_TIME = 60
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class DockerConfig(NamedTuple):
    """What of Docker's config.json is about logins; servers by their bare host.

    Attributes:
        auths: `user:password` in base64; empty for a server that a helper knows.
        helpers: suffix of the program that knows a server's credentials.
        store: that of the program that knows all others'; empty for none.
    """

    auths: dict[str, str]
    helpers: dict[str, str]
    store: str


def find_login(host: str) -> str:
    """`user:password` in base64 for exactly this registry; empty for none.

    Args:
        host: `host[:port]`.

    Raises:
        Denied: the configuration cannot be read, its helper does not work, or the login is of a kind we cannot use.
    """
    config = load_docker_config()
    server = _server(host)
    basic = config.auths.get(server, "")
    for name in (config.helpers.get(server, ""), config.store):
        basic = basic or (_ask_helper(name, server, host) if name else "")
    user = _user(basic)
    if user == _SECRET_USER:
        raise Denied(f"the login to {host} is an identity token, which is not supported; log in by password or PAT")
    if basic and user is None:
        raise Denied(f"the login to {host} is not base64 of a user name and password; log in again")
    return basic


def load_docker_config() -> DockerConfig:
    """The configuration of the user who runs this.

    The file is `$DOCKER_CONFIG/config.json`, by default `~/.docker/config.json`; none is as good as an empty one.

    Raises:
        Denied: there is one that cannot be read.
    """
    folder = os.environ.get("DOCKER_CONFIG")
    path = (Path(folder) if folder else Path("~/.docker").expanduser()) / "config.json"
    try:
        # The user's own file, and all of it maps: not what `foreign_json` is for.
        content = json.loads(path.read_bytes())
        return DockerConfig(
            {_server(key): _inline(entry) for key, entry in (content.get("auths") or {}).items()},
            {_server(key): str(name or "") for key, name in (content.get("credHelpers") or {}).items()},
            str(content.get("credsStore") or ""),
        )
    except (FileNotFoundError, NotADirectoryError):
        return DockerConfig({}, {}, "")
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise Denied(f"{path} cannot be read as Docker's config.json: {type(error).__name__}") from error


def encode_login(user: str, password: str) -> str:
    """As it stands in config.json, and in a Basic header (RFC 7617)."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _server(key: str) -> str:
    """`https://host/v1/` and `host` are the same server; Docker Hub has one special name."""
    host = key.partition("://")[2] or key
    host = host.partition("/")[0]
    return _HUB_SERVER if host in _HUB_HOSTS else host


def _inline(entry: dict[str, Any]) -> str:
    if entry.get("username") and entry.get("password"):
        return encode_login(entry["username"], entry["password"])
    return str(entry.get("auth") or "").strip()


def _ask_helper(name: str, server: str, host: str) -> str:
    """Ask a credential helper (docker-credential-helpers, "Development"); empty when it knows nothing.

    Raises:
        Denied: it answers nonsense, or not in time.
    """
    if not _HELPER_NAME.fullmatch(name):
        raise Denied(f"{name[:80]!r} in Docker's config.json is not the name of a credential helper")
    try:
        done = subprocess.run(
            [f"docker-credential-{name}", "get"],
            input=server.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_HELPER_TIME,
            check=True,
        )
        answer = json.loads(done.stdout)
        return encode_login(str(answer["Username"]), str(answer["Secret"]))
    except (FileNotFoundError, subprocess.CalledProcessError):  # not installed here, or it knows no login
        return ""
    except (ValueError, KeyError, TypeError, OSError, RecursionError, subprocess.TimeoutExpired) as error:
        raise Denied(f"the credential helper for {host} does not work: {type(error).__name__}") from None


def _user(basic: str) -> bytes | None:
    """The user's name; None where there is none to read."""
    try:
        return base64.b64decode(basic, validate=True).partition(b":")[0]
    except (binascii.Error, ValueError):
        return None
