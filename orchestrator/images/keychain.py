"""Which login of the user's own files is for a repository: that of the longest key, and never one for another path.

Docker itself knows hosts only; keys with a path are podman's (containers-auth.json, "FORMAT") and Kubernetes' (image
pull Secrets). No Python library reads them: docker-py cuts the path off, so that a team gets another one's login.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from orchestrator.images.credential_helpers import HelperAnswer, ask_helper
from orchestrator.images.interface import Denied
from orchestrator.images.logins import Login, read_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

_HUB: Final = "docker.io"
_HUB_SERVER: Final = "https://index.docker.io/v1/"
_HUB_HOSTS: Final = {_HUB, "index.docker.io", "registry-1.docker.io"}
#: Seconds for which a helper is not asked the same again.
_FRESH: Final = 300.0


class _Key(NamedTuple):
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
class _File:
    """What of a file is about logins.

    Attributes:
        path: of it.
        auths: each key, as it is read and as it stands there, and its value.
        helpers: suffix of the program that knows the logins for a name.
        store: that of the program that knows all others'; empty for none.
    """

    path: Path
    auths: tuple[tuple[_Key, str, Any], ...]
    helpers: dict[str, str]
    store: str

    def of(self, name: str) -> Iterator[tuple[str, Any]]:
        """The entries for a name, first the one under the key that docker itself would write."""
        found = [(key, entry) for read, key, entry in self.auths if read.name == name]
        yield from sorted(found, key=lambda each: each[0] != server_name(name))

    def alone(self, host: str) -> Iterator[tuple[str, Any]]:
        """The entry under a URL with a path, if it is all there is for its host: older dockers kept the whole URL."""
        found = [(read, key, entry) for read, key, entry in self.auths if read.host == host]
        if len(found) == 1 and found[0][0].url:
            yield found[0][1:]


class Keychain:
    """Finds logins; safe to use from several threads."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], tuple[float, HelperAnswer | Denied]] = {}

    def find(self, host: str, repository: str) -> Login | None:
        """The login for a repository, out of the first file that has one.

        Of a file the entry with the longest path counts that the repository lies in; of one path, what a credential
        helper knows counts before what stands in the file, as it does for docker.

        Args:
            host: `host[:port]` of the registry.
            repository: within it; empty for what is about all of them.

        Raises:
            Denied: a file, an entry or a helper that would count does not work.
        """
        return next((login for file in _files() if (login := self._look(file, host, repository))), None)

    def missing(self, host: str) -> str:
        """For messages: where a login to a host would have been found, and why it was not."""
        server = server_name(_read_key(host).name)
        silences = [
            answer.silence
            for (_, asked), (_, answer) in list(self._asked.items())
            if asked == server and isinstance(answer, HelperAnswer)
        ]
        return "; ".join([f"there is no login for it in {' or '.join(str(path) for path in _places()[:2])}", *silences])

    def _look(self, file: _File, host: str, repository: str) -> Login | None:
        whole = _read_key(host).name
        parts = repository.split("/") if repository else []
        for length in range(len(parts), -1, -1):
            name = "/".join([whole, *parts[:length]])
            helpers = [file.helpers.get(name, ""), "" if length else file.store]
            if login := self._at(file, name, [helper for helper in helpers if helper]):
                return login
        return next(_logins(file, file.alone(whole)), None)

    def _at(self, file: _File, name: str, helpers: list[str]) -> Login | None:
        """What is known under exactly this name. A helper that fails is no matter where the file has a login."""
        failure: Denied | None = None
        for helper in helpers:
            try:
                if login := self._ask(helper, server_name(name), file.path).login:
                    return login
            except Denied as error:
                failure = failure or error
        login = next(_logins(file, file.of(name)), None)
        if failure and not login:
            raise failure
        return login

    def _ask(self, helper: str, server: str, path: Path) -> HelperAnswer:
        """Ask a helper, unless that was done a moment ago: there may be thousands of repositories."""
        key = (helper, server)
        since, answer = self._asked.get(key, (0.0, None))
        if answer is None or time.monotonic() - since > _FRESH:
            try:
                answer = ask_helper(helper, server, str(path))
            except Denied as error:
                answer = error
            self._asked[key] = (time.monotonic(), answer)
        if isinstance(answer, Denied):
            raise Denied(str(answer))
        return answer


def server_name(name: str) -> str:
    """How docker calls a registry towards its helpers, and in its file: Docker Hub has one special name."""
    return _HUB_SERVER if name == _HUB else name


def _logins(file: _File, entries: Iterator[tuple[str, Any]]) -> Iterator[Login]:
    for key, entry in entries:
        if login := read_entry(entry, f'the entry "{key.rpartition("@")[2][:200]}" of `auths` in {file.path}'):
            yield login


def _read_key(key: str) -> _Key:
    """`https://host/v1/` and `host` are the same; any other path limits the key to what lies in it."""
    before, scheme, after = key.strip().partition("://")
    host, _, path = (after if scheme else before).rpartition("@")[2].partition("/")
    path = path.strip("/")
    first, _, more = path.partition("/")
    if first in {"v1", "v2"} and (scheme or not more):
        path = more
    host = host.lower()
    host = _HUB if host in _HUB_HOSTS else host
    return _Key(f"{host}/{path}" if path else host, host, bool(scheme))


def _places() -> list[Path]:
    """Where logins are looked for, in this order: docker's file, then podman's, as crane does."""
    environment = os.environ
    home = Path(environment.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())
    docker = environment.get("DOCKER_CONFIG")
    found = [(Path(docker) if docker else Path("~/.docker").expanduser()) / "config.json"]
    if named := environment.get("REGISTRY_AUTH_FILE"):
        found.append(Path(named))
    if runtime := environment.get("XDG_RUNTIME_DIR"):
        found.append(Path(runtime) / "containers" / "auth.json")
    return [*found, home / "containers" / "auth.json"]


def _files() -> Iterator[_File]:
    """Those that are there.

    Raises:
        Denied: one cannot be read.
    """
    for number, path in enumerate(_places()):
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            if number:  # somebody else's runtime folder, as after `su`
                continue
            raise Denied(f"{path} cannot be read: {(error.strerror or 'unknown').lower()}") from error
        yield _parse(path, data)


def _parse(path: Path, data: bytes) -> _File:
    try:
        # The user's own file, and all of it maps: not what `foreign_json` is for.
        content = json.loads(data)
        auths = content.get("auths") or {}
        return _File(
            path,
            tuple((_read_key(key), key, entry) for key, entry in auths.items()),
            {_read_key(key).name: str(name or "") for key, name in (content.get("credHelpers") or {}).items()},
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
