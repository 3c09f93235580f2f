"""The files that hold logins, written by docker, podman and the like: where they are, and what their keys mean."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from orchestrator.kit.docker_hub import HUB, HUB_HOST, HUB_OLD
from orchestrator.kit.matching import glob
from orchestrator.net.errors import Denied

if TYPE_CHECKING:
    from collections.abc import Iterator

_HUB_SERVER: Final = f"https://{HUB_OLD}/v1/"
_HUB_HOSTS: Final = {HUB, HUB_OLD, HUB_HOST}


class LoginKey(NamedTuple):
    """A key of `auths` or `credHelpers`, read.

    Attributes:
        name: `host[:port]`, and the path that it is limited to.
        host: of it.
        url: whether it was written with a scheme.
    """

    name: str
    host: str
    url: bool


@dataclass(frozen=True)
class LoginFile:
    """What of a file is about logins.

    Attributes:
        path: of it.
        auths: each key, as it is read and as it stands there, and its value.
        helpers: suffix of the program that knows the logins for a name.
        store: that of the program that knows all others'; empty for none.
    """

    path: Path
    auths: tuple[tuple[LoginKey, str, Any], ...]
    helpers: dict[str, str]
    store: str

    def of(self, name: str) -> Iterator[tuple[str, Any]]:
        """The entries for a name: under the key that docker would write, under others, under patterns of hosts."""
        found = [(key, entry) for read, key, entry in self.auths if read.name == name]
        yield from sorted(found, key=lambda each: each[0] != server_name(name))
        yield from ((key, entry) for read, key, entry in self.auths if _fits(read, name))

    def alone(self, host: str) -> Iterator[tuple[str, Any]]:
        """The entry under a URL with a path, if it is all there is for its host: older dockers kept the whole URL."""
        found = [(read, key, entry) for read, key, entry in self.auths if read.host == host]
        if len(found) == 1 and found[0][0].url:
            yield found[0][1:]


def server_name(name: str) -> str:
    """How docker calls a registry towards its helpers, and in its file: Docker Hub has one special name."""
    return _HUB_SERVER if name == HUB else name


def _fits(pattern: LoginKey, name: str) -> bool:
    """Whether a key with `*` in its host is for a name; one stands within one label of it, as for the kubelet."""
    if "*" not in pattern.host:
        return False
    host, slash, path = name.partition("/")
    labels, wanted = pattern.host.split("."), host.split(".")
    same = pattern.name == f"{pattern.host}{slash}{path}" and len(labels) == len(wanted)
    return same and all(glob(each)(label) for label, each in zip(wanted, labels, strict=True))


def read_key(key: str) -> LoginKey:
    """`https://host/v1/` and `host` are the same; any other path limits the key to what lies in it."""
    before, scheme, after = key.strip().partition("://")
    host, _, path = (after if scheme else before).rpartition("@")[2].partition("/")
    path = path.strip("/")
    first, _, more = path.partition("/")
    if first in {"v1", "v2"} and (scheme or not more):
        path = more
    host = host.lower()
    host = HUB if host in _HUB_HOSTS else host
    return LoginKey(f"{host}/{path}" if path else host, host, bool(scheme))


def login_places() -> list[Path]:
    """Where logins are looked for, in this order: docker's file, then podman's, as crane does."""
    docker, named = _folder("DOCKER_CONFIG", ".docker"), os.environ.get("REGISTRY_AUTH_FILE")
    podman = (_folder("XDG_RUNTIME_DIR"), _folder("XDG_CONFIG_HOME", ".config"))
    return [
        *([docker / "config.json"] if docker else []),
        *([Path(named)] if named else []),
        *(folder / "containers" / "auth.json" for folder in podman if folder),
    ]


def _folder(variable: str, otherwise: str = "") -> Path | None:
    """A folder that the environment names, or one in the user's own; None without either, as in some containers."""
    if named := os.environ.get(variable):
        return Path(named)
    try:
        return Path.home() / otherwise if otherwise else None
    except RuntimeError:
        return None


def login_files() -> Iterator[LoginFile]:
    """Those that are there.

    Raises:
        Denied: one cannot be read.
    """
    for path in login_places():
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if path.parts[-2:] == ("containers", "auth.json"):  # in somebody else's runtime folder, as after `su`
                continue
            raise Denied(f"{path} cannot be read: {(error.strerror or 'unknown').lower()}") from error
        yield _parse(path, data)


def _parse(path: Path, data: bytes) -> LoginFile:
    try:
        # The user's own file, and all of it maps: not what `foreign_json` is for.
        content = json.loads(data) if data.strip() else {}  # an empty file is one without logins for docker, too
        auths = content.get("auths") or {}
        return LoginFile(
            path,
            tuple((read_key(key), key, entry) for key, entry in auths.items()),
            {read_key(key).name: str(name or "") for key, name in (content.get("credHelpers") or {}).items()},
            str(content.get("credsStore") or ""),
        )
    except json.JSONDecodeError as error:
        raise Denied(
            f"{path} cannot be read as Docker's config.json: line {error.lineno}, column {error.colno}: {_spell(error)}"
        ) from error
    except UnicodeDecodeError as error:
        raise Denied(f"{path} cannot be read as Docker's config.json: it is not UTF-8") from error
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise Denied(
            f"{path} cannot be read as Docker's config.json: it, its `auths` and its `credHelpers` have to be mappings"
        ) from error


def _spell(error: json.JSONDecodeError) -> str:
    """What is wrong there; a text that is broken over lines is the usual fault of files made by hand."""
    character = error.doc[error.pos : error.pos + 1]
    if character in {"\n", "\r"} and "control character" in error.msg:
        return "a line break within quotes; `base64` wraps long lines: use `base64 -w0`"
    return error.msg.lower()
