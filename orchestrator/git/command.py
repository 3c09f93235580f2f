"""The `git` program, run without prompts and with credentials that never stand on a command line, in a log or an error.

They come from our environment and reach git by its own:

* HTTPS: tokens, each for one host and port; see `orchestrator.git.tokens`. A host that redirects elsewhere does not
  take its token with it, and plain http has none but on this machine itself (`judge_url` refuses it elsewhere).
* SSH: `SCANMATRIX_GIT_SSH_KEY`, the path of a private key without passphrase; without it the user's own keys and agent.
  Host keys are always checked, against the file `SCANMATRIX_GIT_SSH_KNOWN_HOSTS` or the user's own known_hosts.
* Either: `SCANMATRIX_GIT_CREDENTIALS`, a folder with some of the files `<host>.password`, `<host>.username`,
  `ssh-privatekey`, `known_hosts` and `ca.crt`: a mounted Secret. A port follows its host as `_8443`, for `:` may not
  stand in a key. What has a variable of its own counts more.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.errors import UsageError
from orchestrator.git.errors import SourceBrokenError, SourceUnavailableError
from orchestrator.git.failures import explain
from orchestrator.git.tokens import TOKENS, as_variable, login_for
from orchestrator.kit.masking import mask
from orchestrator.kit.urls import split_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from orchestrator.errors import ScanmatrixError

# Of git's own variables, those about certificates, proxies and tracing; not GIT_DIR and the like of a hook we run in.
_KEPT = re.compile(r"GIT_(SSL_\w+|PROXY_\w+|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)|EXEC_PATH|CURL_VERBOSE|TRACE\w*)")
#: Seconds between two looks of the watcher of a call.
_POLL = 0.1
_REDIRECTED = re.compile(r"^warning: redirecting to (\S+)$", re.MULTILINE)
# Whatever a repository or the user's configuration says: nothing of a repository is run, and nothing but it is fetched.
_SETTINGS = {
    "protocol.version": "2",
    # As by default: later answers lead nowhere else, whatever the user's own configuration says.
    "http.followRedirects": "initial",
    "http.lowSpeedLimit": "100",
    "http.lowSpeedTime": "30",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "transfer.bundleURI": "false",
    # The folder is ours, whatever owner a file server reports.
    "safe.directory": "*",
    # Few files and little memory, whatever a host sends.
    "fetch.unpackLimit": "1",
    "pack.threads": "1",
    "core.bigFileThreshold": "16m",
}


class Git:
    """Calls git in a repository of its own, within a folder that the caller removes.

    Attributes:
        url: of the remote repository, already judged.
        ref: asked of it.
        redirected: where its host redirected the last call to, without credentials; empty when it did not.
    """

    def __init__(
        self,
        url: str,
        ref: str,
        folder: Path,
        environment: Mapping[str, str],
        *,
        host: str,
        timeout: float,
        watch: Callable[[], None] | None = None,
    ) -> None:
        self.url = url
        self.ref = ref
        self._folder = folder
        self._host = host
        self._timeout = timeout
        self._watch = watch
        self.redirected = ""
        environment = _from_folder(environment)
        self._login = login_for(url, environment)
        self._environment = self._prepare(environment)
        self._repository = folder / "repository.git"
        self._repository.mkdir()

    def __repr__(self) -> str:
        return f"Git({self.url!r}, {self.ref!r})"

    @property
    def repository(self) -> Path:
        """Where its repository is."""
        return self._repository

    def __call__(self, *arguments: str, limit: int = 1024 * 1024) -> bytes:
        """Run git and give its output, cut off at the limit (in bytes).

        Raises:
            SourceUnavailableError: it failed, and would again.
            SourceBrokenError: it failed, and trying again may help.
        """
        with tempfile.TemporaryFile(dir=self._folder) as output, tempfile.TemporaryFile(dir=self._folder) as errors:
            process = self._start(arguments, subprocess.DEVNULL, output, errors)
            self._wait(process)
            said = _said(errors)
            if process.returncode != 0:
                raise self._explain(said)
            found = _REDIRECTED.search(said)
            self.redirected = _plain(found[1]) if found else ""
            output.seek(0)
            return output.read(limit)

    def feed(self, given: IO[bytes], *arguments: str) -> None:
        """Run git, which reads an open file on its standard input.

        Raises:
            SourceUnavailableError, SourceBrokenError: as when it is called.
        """
        with tempfile.TemporaryFile(dir=self._folder) as errors:
            process = self._start(arguments, given, subprocess.DEVNULL, errors)
            self._wait(process)
            if process.returncode != 0:
                raise self._explain(_said(errors))

    @contextmanager
    def stream(self, *arguments: str, given: bytes = b"") -> Iterator[IO[bytes]]:
        """Run git, and read what it prints while it does; all of it, or the block must raise.

        Args:
            arguments: of git.
            given: what it reads on its standard input.

        Raises:
            SourceUnavailableError, SourceBrokenError: as when it is called.
        """
        with tempfile.TemporaryFile(dir=self._folder) as source, tempfile.TemporaryFile(dir=self._folder) as errors:
            source.write(given)
            source.seek(0)
            process = self._start(arguments, source, subprocess.PIPE, errors)
            late = threading.Timer(self._timeout, _kill, [process])
            late.daemon = True
            late.start()
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            try:
                with process.stdout:
                    yield process.stdout
                self._wait(process)
            finally:
                expired = late.finished.is_set()
                late.cancel()
                _kill(process)
                process.wait()
            if process.returncode != 0:
                raise self._late() if expired else self._explain(_said(errors))

    def _start(
        self, arguments: tuple[str, ...], given: int | IO[bytes], output: int | IO[bytes], errors: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        git = shutil.which("git", path=self._environment.get("PATH"))
        if git is None:
            raise SourceUnavailableError("git is not installed; install it to read git repositories")
        return subprocess.Popen(
            [git, *arguments],
            cwd=self._repository,
            env=self._environment,
            stdin=given,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Until it ends, or its time is over, or we are asked to stop: then its helpers (ssh, curl) must go as well."""
        end = time.monotonic() + self._timeout
        try:
            while process.returncode is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(min(self._left(end), _POLL) if self._watch else self._left(end))
                if self._watch:
                    self._watch()
        except BaseException:
            _kill(process)
            process.wait()
            raise

    def _left(self, end: float) -> float:
        """Seconds until then.

        Raises:
            SourceBrokenError: there are none.
        """
        if (left := end - time.monotonic()) <= 0:
            raise self._late()
        return left

    def _late(self) -> SourceBrokenError:
        return SourceBrokenError(f"git repository {self.url} at {self.ref}: no answer within {self._timeout:g} s")

    def _explain(self, said: str) -> ScanmatrixError:
        """What git said, as an error that tells what to do, and not the token."""
        said = mask(said, *(self._login.secrets if self._login else ()))
        return explain(said, self.url, self.ref, self._host)

    def _prepare(self, given: Mapping[str, str]) -> dict[str, str]:
        """Git's environment: no prompt, no inherited repository, no protocol and no credential but ours."""
        kept = {
            name: value
            for name, value in given.items()
            if not name.startswith(("GIT_", "SCANMATRIX_")) or _KEPT.fullmatch(name)
        }
        settings = dict(_SETTINGS)
        parts = urlsplit(self.url)
        if self._login:
            # Bound to this very host and port: one that it redirects to does not get them.
            answer = 'test "$1" = get && printf "username=%s\\npassword=%s\\n" "$SM_GIT_USER" "$SM_GIT_PASSWORD"'
            settings[f"credential.{parts.scheme}://{parts.netloc}.helper"] = f"!f() {{ {answer}; }}; f"
            kept |= {"SM_GIT_USER": self._login.username, "SM_GIT_PASSWORD": self._login.token}
        for index, (key, value) in enumerate(settings.items()):
            kept |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
        return kept | {
            "LC_ALL": "C",
            "GIT_CONFIG_COUNT": str(len(settings)),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_ALLOW_PROTOCOL": "https:ssh:file" + (":http" if parts.scheme == "http" else ""),
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_SSH_COMMAND": self._ssh(given),
        }

    def _ssh(self, given: Mapping[str, str]) -> str:
        """How git calls ssh."""
        command = ["ssh", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oConnectTimeout=20"]
        if known := given.get("SCANMATRIX_GIT_SSH_KNOWN_HOSTS"):
            command += [f'-oUserKnownHostsFile="{known}"', f"-oGlobalKnownHostsFile={os.devnull}"]
        if key := given.get("SCANMATRIX_GIT_SSH_KEY"):
            try:
                text = Path(key).read_bytes()
            except OSError as error:
                raise UsageError(f"SCANMATRIX_GIT_SSH_KEY: {key} cannot be read: {error.strerror}") from error
            # ssh refuses a key that others may read, which is how a Kubernetes Secret is mounted.
            copy = self._folder / "key"
            copy.touch(mode=0o600)
            copy.write_bytes(text if text.endswith(b"\n") else text + b"\n")
            command += ["-i", str(copy), "-oIdentitiesOnly=yes", "-oIdentityAgent=none"]
        return shlex.join(command)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """It and its helpers, unless they have ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _said(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read(64 * 1024).decode("utf-8", "replace")


def _plain(url: str) -> str:
    """A URL for people: without user, password, query and the name of the file that git asks for; empty for none."""
    if (parts := split_url(url)) is None:
        return ""
    path = parts.path.removesuffix("/").removesuffix("/info/refs")
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{path}"


def _from_folder(given: Mapping[str, str]) -> dict[str, str]:
    """The environment with what lies in the folder of credentials.

    Raises:
        UsageError: there is no such folder, or a file of it cannot be read.
    """
    if not (name := given.get("SCANMATRIX_GIT_CREDENTIALS")):
        return dict(given)
    folder = Path(name)
    if not folder.is_dir():
        raise UsageError(f"SCANMATRIX_GIT_CREDENTIALS: {folder} is no folder")
    if (folder / "password").exists():
        raise UsageError(
            f"SCANMATRIX_GIT_CREDENTIALS: {folder / 'password'} does not say which host it is for, so any host that a"
            " list of targets names would get it: call it <host>.password, such as github.com.password or"
            " git.example_8443.password (and username likewise)"
        )
    paths = {
        "SCANMATRIX_GIT_SSH_KEY": "ssh-privatekey",
        "SCANMATRIX_GIT_SSH_KNOWN_HOSTS": "known_hosts",
        "GIT_SSL_CAINFO": "ca.crt",
    }
    try:
        texts = [
            (path.name, path.read_text().strip())
            for path in sorted(folder.iterdir())
            if path.suffix in {".password", ".username"}
        ]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"SCANMATRIX_GIT_CREDENTIALS: a file of {folder} cannot be read: {error}") from error
    found = {TOKENS: json.dumps(tokens)} if (tokens := as_variable(texts)) else {}
    found |= {key: str(folder / file) for key, file in paths.items() if (folder / file).exists()}
    return found | {name: value for name, value in given.items() if value or name not in found}
