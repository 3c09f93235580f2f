"""As whom a process runs: whatever any runtime may take for root is root."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.images.content.users import Runs, judge_user

PASSWD = b"root:x:0:0::/:\napp:x:1000:1000::/:\napp:x:0:0::/:\n4294967296:x:0:0::/:\n"


def runs(user: str, passwd: bytes | None = PASSWD) -> Runs:
    return judge_user(user, lambda: passwd)[0]


@pytest.mark.parametrize(
    "user",
    [
        "", " ", ":", ":0", ":1000", "0", "00", "+0", "-0", "0:0", " 0", "0 ", "\t0", "\u00a00", "root", "root:x",
        "4294967296", "4294967296:1000", "+4294967296", "-4294967296", "8589934592", "18446744073709551616",
        "2147483648", "4294967295", "-1", "9" * 5000, "0" * 5000, "1000:4294967296", "1000:-1", "app:4294967296",
    ],
)  # fmt: skip
def test_what_may_be_root_somewhere_is_root(user: str) -> None:
    assert runs(user) is Runs.AS_ROOT


@pytest.mark.parametrize(
    "user", ["1000", "1000:0", "2147483647", "007", "+5", "1000:staff", "65532:65532", "app", "app:0"]
)
def test_others(user: str) -> None:
    assert runs(user) is Runs.AS_OTHER


@pytest.mark.parametrize(
    "user",
    ["0x0", "1_0", "\uff11\uff10\uff10\uff10", "\u0660", "1.0", "1000:1000:0", "App", "nobody", " 1000", "app\n"],
)
def test_what_runtimes_cannot_read_is_unknown(user: str) -> None:
    assert runs(user) is Runs.UNKNOWN


@pytest.mark.parametrize(
    "passwd",
    [
        b"app:x:0:0::/:",
        b"app:x:00:0",
        b"app:x:-0:0",
        b"app:x:4294967296:0",
        b"app:x:-1:0",
        b"app:x:99999999999999999999999:0",
        b"app:x:none:0\napp:x:1000:1000",
        b"app:x::0\napp:x:1000:1000",
        b"app:x: 1000:0\napp:x:1000:1000",
        b"app\napp:x:1000:1000",
        b"app:x\napp:x:1000:1000",
        b"  app:x:0:0\napp:x:1000:1000",
        "\u00a0app:x:0:0\napp:x:1000:1000".encode(),
        b"x:x:5:5:\x0bapp:x:1000:1000\napp:x:0:0",
        "x:x:5:5:\u2028app:x:1000:1000\napp:x:0:0".encode(),
        b"x:x:5:5:\rapp:x:1000:1000\napp:x:0:0",
        b"\r\n\r\napp:x:0:0\r\n",
    ],
)
def test_passwd_is_read_as_runtimes_read_it(passwd: bytes) -> None:
    assert runs("app", passwd) is Runs.AS_ROOT


def test_odd_files_that_name_another() -> None:
    assert runs("app", b"\xff\xfe\n# a comment\n\napp:x:1000\napp:x:0:0") is Runs.AS_OTHER
    assert runs("app", b"\x1capp:x:0:0\napp:x:1000:1") is Runs.AS_OTHER  # which Go does not take for a space
    assert runs("app", None) is Runs.UNKNOWN
    assert runs("app", b"x" * 70_000 + b"\napp:x:1000:1") is Runs.UNKNOWN


@given(st.text(max_size=30), st.binary(max_size=60))
def test_any_user_and_any_file_have_an_answer_for_people(user: str, passwd: bytes) -> None:
    found, why = judge_user(user, lambda: passwd)
    assert isinstance(found, Runs)
    assert why.isprintable()
    assert len(why) < 400
