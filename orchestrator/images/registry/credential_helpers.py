"""Credential helpers: programs that know logins, asked within bounds of time and bytes.

Source: docker-credential-helpers, "Development": `docker-credential-<name> get` reads a server and writes JSON.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from typing import Final, NamedTuple

from orchestrator.images.registry.logins import RegistryLogin, make_login
from orchestrator.net.errors import Denied

#: Seconds a helper may take: some ask a cloud, or a person.
_TIME: Final = 60.0
#: Longest answer read, bytes; the tokens of clouds have some 4 KB.
_SIZE: Final = 256 * 1024
_POLL: Final = 0.1
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class HelperAnswer(NamedTuple):
    """What came of asking.

    Attributes:
        login: None when it knows none.
        silence: why there is none; empty when there is one.
    """

    login: RegistryLogin | None
    silence: str = ""


def ask_helper(name: str, server: str, named_in: str, *, seconds: float = _TIME) -> HelperAnswer:
    """Ask a helper for the login to a server. One that is not installed here knows none.

    Args:
        name: what follows `docker-credential-`.
        server: as it is known to the helper: a host, or a URL.
        named_in: the file that names the helper.
        seconds: it may take.

    Raises:
        Denied: it answers nonsense, without end, or not in time.
    """
    if not _NAME.fullmatch(name):
        raise Denied(f"{name[:80]!r} in {named_in} is not the name of a credential helper")
    program = f"docker-credential-{name}"
    origin = f"the login that {program}, named in {named_in}, gives for {server}"
    try:
        code, data = _run(program, server, seconds)
    except FileNotFoundError:
        return HelperAnswer(None, f"{program}, named in {named_in}, is not installed here")
    except (OSError, subprocess.TimeoutExpired, OverflowError) as error:
        raise Denied(f"{program}, named in {named_in}, does not work: {_reason(error, seconds)}; fix it") from None
    if code != 0:
        return HelperAnswer(None, f"{program}, named in {named_in}, knows none (it ended with {code})")
    login = _login(data, origin)
    return HelperAnswer(login, "" if login else f"{program}, named in {named_in}, knows none")


def _login(data: bytes, origin: str) -> RegistryLogin | None:
    """The login in a helper's answer.

    Raises:
        Denied: it is none.
    """
    try:
        answer = json.loads(data)
        user, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        user = secret = None
    if not (isinstance(user, str) and isinstance(secret, str)):
        raise Denied(f"{origin} is no JSON with `Username` and `Secret`; fix that program")
    return make_login(user.encode(), secret.encode(), origin)


def _reason(error: Exception, seconds: float) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no answer within {seconds:g} s"
    if isinstance(error, OverflowError):
        return f"more than {_SIZE} bytes where a login belongs"
    return getattr(error, "strerror", None) or "it cannot be run"


def _run(program: str, server: str, seconds: float) -> tuple[int, bytes]:
    """Run it to its end, or to the end of what it may cost.

    Returns:
        Its exit code and its output.

    Raises:
        OSError: it cannot be run.
        TimeoutExpired, OverflowError: it was stopped.
    """
    end = time.monotonic() + seconds
    process = subprocess.Popen(
        [program, "get"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # so that what it started ends with it
    )
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    assert process.stdout is not None  # noqa: S101
    try:
        with process.stdout as output:
            with suppress(BrokenPipeError), process.stdin as given:  # a name fits into any pipe
                given.write(server.encode())
            data = _read(process, output.fileno(), end, seconds)
        return process.wait(max(0.0, end - time.monotonic())), data
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _read(process: subprocess.Popen[bytes], output: int, end: float, seconds: float) -> bytes:
    """What it writes; what it has left running, such as an agent, is not waited for."""
    data = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while len(data) <= _SIZE:
            ended = process.poll() is not None
            if not selector.select(min(_POLL, max(0.0, end - time.monotonic()))):
                if ended:
                    return bytes(data)
            elif not (piece := os.read(output, 64 * 1024)):
                return bytes(data)
            else:
                data += piece
            if time.monotonic() >= end:
                raise subprocess.TimeoutExpired(process.args, seconds)
    raise OverflowError
