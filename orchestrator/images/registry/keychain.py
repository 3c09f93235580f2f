"""Which login of the user's own files is for a repository: that of the longest key, and never one for another path.

Docker itself knows hosts only; keys with a path are podman's (containers-auth.json, "FORMAT") and Kubernetes' (image
pull Secrets). No Python library reads them: docker-py cuts the path off, so that a team gets another one's login.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from orchestrator.images.registry.login_files import LoginFile, login_files, login_places, read_key, server_name
from orchestrator.images.registry.logins import RegistryLogin, read_entry
from orchestrator.net.errors import Denied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.images.registry.credential_helpers import HelperAnswer

#: Seconds for which a helper is not asked the same again.
_FRESH: Final = 300.0
#: Most keys that a message names.
_SHOWN: Final = 3


class Keychain:
    """Finds logins; safe to use from several threads."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, str], tuple[float, HelperAnswer | Denied]] = {}

    def find(self, host: str, repository: str) -> RegistryLogin | None:
        """The login for a repository, out of the first file that has one.

        Of a file the entry with the longest path counts that the repository lies in; of one path, what a credential
        helper knows counts before what stands in the file, as it does for docker.

        Args:
            host: `host[:port]` of the registry.
            repository: within it; empty for what is about all of them.

        Raises:
            Denied: a file, an entry or a helper that would count does not work.
        """
        return next((login for file in login_files() if (login := self._look(file, host, repository))), None)

    def missing(self, host: str) -> str:
        """For messages: where a login to a host would have been found, and why it was not."""
        whole = read_key(host)
        silences = [
            answer.silence
            for (_, asked), (_, answer) in list(self._asked.items())
            if asked == server_name(whole.name) and not isinstance(answer, Denied)
        ]
        with suppress(Denied):
            others = sorted(
                {read.name for file in login_files() for read, _, _ in file.auths if read.host == whole.host}
            )
            silences += [f"only for {', '.join(others[:_SHOWN])}"] if others else []
        places = " or ".join(str(path) for path in login_places()[:2]) or "any file, for there is no home folder"
        return "; ".join([f"there is no login for it in {places}", *silences])

    def _look(self, file: LoginFile, host: str, repository: str) -> RegistryLogin | None:
        whole = read_key(host).name
        parts = repository.split("/") if repository else []
        for length in range(len(parts), -1, -1):
            name = "/".join([whole, *parts[:length]])
            helpers = [file.helpers.get(name, ""), "" if length else file.store]
            if login := self._at(file, name, [helper for helper in helpers if helper]):
                return login
        return next(_logins(file, file.alone(whole)), None)

    def _at(self, file: LoginFile, name: str, helpers: list[str]) -> RegistryLogin | None:
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
            from orchestrator.images.registry.credential_helpers import ask_helper  # noqa: PLC0415 - few have one

            try:
                answer = ask_helper(helper, server, str(path))
            except Denied as error:
                answer = error
            self._asked[key] = (time.monotonic(), answer)
        if isinstance(answer, Denied):
            raise Denied(str(answer))
        return answer


def _logins(file: LoginFile, entries: Iterator[tuple[str, Any]]) -> Iterator[RegistryLogin]:
    for key, entry in entries:
        if login := read_entry(entry, f'the entry "{key.rpartition("@")[2][:200]}" of `auths` in {file.path}'):
            yield login
