"""The `git` program, run without prompts and with credentials that never stand on a command line, in a log or an error.

They come from our environment and reach git by its own:

* HTTPS: `SCANMATRIX_GIT_TOKEN`, with `SCANMATRIX_GIT_USERNAME` where the host wants a particular one. They are offered
  to the host of the repository's URL only, not to one it redirects to; `SCANMATRIX_GIT_HOST` narrows them to one host.
* SSH: `SCANMATRIX_GIT_SSH_KEY`, the path of a private key without passphrase; without it the user's own keys and agent.
  Host keys are always checked, against the file `SCANMATRIX_GIT_SSH_KNOWN_HOSTS` or the user's own known_hosts.
* Either: `SCANMATRIX_GIT_CREDENTIALS`, a folder with some of the files `username`, `password`, `ssh-privatekey`,
  `known_hosts` and `ca.crt`, which is how Kubernetes mounts its Secrets of the types basic-auth and ssh-auth. What has
  a variable of its own counts more.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.errors import UsageError
from orchestrator.inventory.interface import SourceBrokenError, SourceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of git's own variables, those about certificates, proxies and tracing; not GIT_DIR and the like of a hook we run in.
_KEPT = re.compile(r"GIT_(SSL_\w+|PROXY_\w+|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM)|EXEC_PATH|CURL_VERBOSE|TRACE\w*)")
_SHOWN = 400

_PASSING = (
    r"returned error: (408|429|5\d\d)|timed out|Connection (refused|reset|closed)|Could not resolve host"
    r"|Temporary failure|early EOF|RPC failed|hung up unexpectedly|unexpected disconnect|Operation too slow"
    r"|Network is unreachable|No route to host|Empty reply|Failed to connect|Couldn't connect"
)
# What git says (in English, by LC_ALL=C), whether trying again may help, and what to do; the first that fits counts.
_EXPLAINED = (
    (
        r"couldn't find remote ref|not our ref|no such remote ref",
        SourceUnavailableError,
        "there is no ref {ref!r}; name a branch, a tag or a full commit",
    ),
    (
        r"Host key verification failed",
        SourceUnavailableError,
        "the host's key is not known; put it, once verified, into a file named by SCANMATRIX_GIT_SSH_KNOWN_HOSTS",
    ),
    (
        r"Permission denied \(|Too many authentication failures|error in libcrypto|invalid format",
        SourceUnavailableError,
        "the host refused the SSH key; set SCANMATRIX_GIT_SSH_KEY to the path of a private key that may read it",
    ),
    (
        r"could not read (Username|Password)|Authentication failed|returned error: 40[13]|Access denied",
        SourceUnavailableError,
        "access was refused; set SCANMATRIX_GIT_TOKEN (and SCANMATRIX_GIT_USERNAME) to one that may read it",
    ),
    (
        _PASSING,
        SourceBrokenError,
        "{host} did not answer properly; try again later",
    ),
    (
        r"not found|does not exist|does not appear to be a git repository|returned error: 404|access rights",
        SourceUnavailableError,
        "there is no such repository, or no access to it; check the URL and the credentials",
    ),
    (r"dubious ownership", SourceUnavailableError, "it belongs to another user; see safe.directory of git-config(1)"),
)


class Git:
    """Calls git in a repository of its own, within a folder that the caller removes.

    Attributes:
        url: of the remote repository, already judged.
        ref: asked of it.
    """

    def __init__(
        self, url: str, ref: str, folder: Path, environment: Mapping[str, str], *, host: str, timeout: float
    ) -> None:
        self.url = url
        self.ref = ref
        self._folder = folder
        self._host = host
        self._timeout = timeout
        environment = _from_folder(environment)
        self._token = environment.get("SCANMATRIX_GIT_TOKEN", "")
        self._environment = self._prepare(environment)
        self._repository = folder / "repository.git"
        self._repository.mkdir()

    def __repr__(self) -> str:
        return f"Git({self.url!r}, {self.ref!r})"

    def __call__(self, *arguments: str, limit: int = 1024 * 1024) -> bytes:
        """Run git and give its output, cut off at the limit (in bytes).

        Raises:
            SourceUnavailableError: it failed, and would again.
            SourceBrokenError: it failed, and trying again may help.
        """
        git = shutil.which("git", path=self._environment.get("PATH"))
        if git is None:
            raise SourceUnavailableError("git is not installed; install it to read targets out of a git repository")
        with tempfile.TemporaryFile(dir=self._folder) as output, tempfile.TemporaryFile(dir=self._folder) as errors:
            process = subprocess.Popen(
                [git, *arguments],
                cwd=self._repository,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
            self._wait(process)
            if process.returncode != 0:
                errors.seek(0)
                raise self._explain(errors.read(64 * 1024).decode("utf-8", "replace"))
            output.seek(0)
            return output.read(limit)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        """Until it ends, or its time is over, or we are interrupted: then its helpers (ssh, curl) must go as well."""
        try:
            process.wait(self._timeout)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                message = f"git repository {self.url} at {self.ref}: no answer within {self._timeout:g} s"
                raise SourceBrokenError(message) from error
            raise

    def _explain(self, said: str) -> SourceUnavailableError | SourceBrokenError:
        """What git said, as an error that tells what to do."""
        if self._token:
            said = said.replace(self._token, "***")
        lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("warning:")]
        shown = " / ".join(lines)[-_SHOWN:] or "git said nothing"
        for pattern, kind, advice in _EXPLAINED:
            if re.search(pattern, said, re.IGNORECASE):
                advised = advice.format(ref=self.ref, host=self._host or "it")
                return kind(f"git repository {self.url} at {self.ref}: {advised} (git: {shown})")
        return SourceUnavailableError(f"git repository {self.url} at {self.ref}: git failed: {shown}")

    def _prepare(self, given: Mapping[str, str]) -> dict[str, str]:
        """Git's environment: no prompt, no inherited repository, no protocol and no credential but ours."""
        kept = {
            name: value
            for name, value in given.items()
            if not name.startswith(("GIT_", "SCANMATRIX_")) or _KEPT.fullmatch(name)
        }
        settings = {"protocol.version": "2", "http.lowSpeedLimit": "100", "http.lowSpeedTime": "30", "gc.auto": "0"}
        parts = urlsplit(self.url)
        wanted = given.get("SCANMATRIX_GIT_HOST") or self._host
        if self._token and parts.scheme in {"http", "https"} and wanted == self._host:
            # Bound to this very host: one that it redirects to does not get them.
            answer = 'test "$1" = get && printf "username=%s\\npassword=%s\\n" "$SM_GIT_USER" "$SM_GIT_PASSWORD"'
            settings[f"credential.{parts.scheme}://{parts.netloc}.helper"] = f"!f() {{ {answer}; }}; f"
            kept["SM_GIT_USER"] = given.get("SCANMATRIX_GIT_USERNAME") or "x-access-token"
            kept["SM_GIT_PASSWORD"] = self._token
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
    values = {"SCANMATRIX_GIT_USERNAME": "username", "SCANMATRIX_GIT_TOKEN": "password"}
    paths = {
        "SCANMATRIX_GIT_SSH_KEY": "ssh-privatekey",
        "SCANMATRIX_GIT_SSH_KNOWN_HOSTS": "known_hosts",
        "GIT_SSL_CAINFO": "ca.crt",
    }
    try:
        found = {key: (folder / file).read_text().strip() for key, file in values.items() if (folder / file).exists()}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"SCANMATRIX_GIT_CREDENTIALS: a file of {folder} cannot be read: {error}") from error
    found |= {key: str(folder / file) for key, file in paths.items() if (folder / file).exists()}
    return found | dict(given)
