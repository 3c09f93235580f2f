"""Helpers are programs of others: asked within bounds, and left alone where they are not installed."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.images.registry.credential_helpers import ask_helper
from orchestrator.net.errors import Denied

Write = Callable[[str], None]
ANSWER = '{"Username": "bob", "Secret": "s3cret"}'


def test_it_is_asked_for_the_server(credential_helper: Write) -> None:
    credential_helper(f"read server; [ \"$1 $server\" = 'get registry.example:5000' ] && echo '{ANSWER}'")
    answer = ask_helper("test", "registry.example:5000", "config.json")
    assert answer.login is not None
    assert answer.login.has_password
    assert "s3cret" not in repr(answer)


@pytest.mark.parametrize("before", ["", f"echo '{ANSWER}'; ", "exec >&-; "])
@pytest.mark.parametrize("hang", ["echo $$ > {pid}; exec sleep 600", "sleep 600 & echo $! > {pid}; wait"])
def test_one_that_hangs_ends_with_its_time_and_what_it_started_too(
    credential_helper: Write, tmp_path: Path, before: str, hang: str
) -> None:
    credential_helper(before + hang.format(pid=tmp_path / "pid"))
    began = time.monotonic()
    with pytest.raises(Denied, match=r"docker-credential-test.*config\.json.*no answer within"):
        ask_helper("test", "registry.example", "config.json", seconds=0.3)
    assert time.monotonic() - began < 30
    while _runs(int((tmp_path / "pid").read_text())):
        assert time.monotonic() - began < 30  # the kernel takes a moment
        time.sleep(0.01)


def _runs(process: int) -> bool:
    """Whether it does anything any more."""
    with suppress(FileNotFoundError):
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    return False


def test_one_that_writes_without_end_ends_with_its_bytes(credential_helper: Write) -> None:
    credential_helper("exec yes s3cret")
    began = time.monotonic()
    with pytest.raises(Denied, match="bytes") as error:
        ask_helper("test", "registry.example", "config.json", seconds=30)
    assert time.monotonic() - began < 30
    assert "s3cret" not in str(error.value)


def test_what_it_leaves_running_is_not_waited_for(credential_helper: Write) -> None:
    """Helpers start agents, which keep the pipe open."""
    credential_helper(f"sleep 40 & echo '{ANSWER}'")
    began = time.monotonic()
    assert ask_helper("test", "registry.example", "config.json", seconds=30).login
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "script",
    ["echo s3cret", "echo '[]'", 'echo \'{"Username": "bob"}\'', "true",
     'echo \'{"Username": "bob", "Secret": ["s3cret"]}\'', 'echo \'{"Username": "bob", "Secret": "s3cret\\n"}\''],
)  # fmt: skip
def test_nonsense_is_said_without_repeating_it(credential_helper: Write, script: str) -> None:
    credential_helper(script)
    with pytest.raises(Denied, match=r"docker-credential-test.*config\.json") as error:
        ask_helper("test", "registry.example", "config.json")
    assert "s3cret" not in str(error.value)


def test_one_that_knows_nothing_or_is_not_installed_says_so(credential_helper: Write) -> None:
    credential_helper("echo credentials not found in native keychain; exit 1")
    for name in ("test", "absent"):
        answer = ask_helper(name, "registry.example", "config.json")
        assert answer.login is None
        assert f"docker-credential-{name}" in answer.silence


@pytest.mark.parametrize("name", ["../x", "a b", "", "x" * 65, "-x"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(Denied):
        ask_helper(name, "registry.example", "config.json")
