"""Entries of config.json: read as docker reads them, and what is wrong with one is said without its secret."""

import base64
from typing import Any

import pytest

from orchestrator.images.registry.logins import RegistryLogin, read_entry
from orchestrator.net.errors import Denied

SECRET = "correct-horse-battery"
KEY_FILE = '{\r\n\t"type": "service_account",\n  "private_key": "x\\n"\n}\n'
ORIGIN = 'the entry "registry.example" of /home/bob/config.json'


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def shown(login: RegistryLogin | None) -> str:
    assert login is not None
    return base64.b64decode(login.basic).decode()


GOOD = packed(f"bob:{SECRET}")


@pytest.mark.parametrize(
    ("entry", "pair"),
    [
        ({"auth": GOOD}, f"bob:{SECRET}"),
        ({"auth": f" {GOOD}\n"}, f"bob:{SECRET}"),
        ({"auth": GOOD[:10] + "\n" + GOOD[10:20] + "\r\n" + GOOD[20:]}, f"bob:{SECRET}"),  # as Go skips them
        ({"auth": packed("bob:pass").rstrip("=")}, "bob:pass"),
        ({"auth": packed("bob:pass\0\0")}, "bob:pass"),
        ({"auth": packed("bob:a:b:")}, "bob:a:b:"),
        ({"auth": packed("bób:pässword")}, "bób:pässword"),
        ({"auth": packed(":token")}, ":token"),
        ({"auth": packed(f"_json_key:{KEY_FILE}")}, f"_json_key:{KEY_FILE}"),
        ({"username": "_json_key", "password": KEY_FILE}, f"_json_key:{KEY_FILE}"),
        ({"username": "bob", "password": "a:b"}, "bob:a:b"),
        ({"auth": GOOD, "username": "bob", "password": "other"}, f"bob:{SECRET}"),
        ({"auth": "", "username": "bob", "password": "x"}, "bob:x"),
        ({"auth": "broken!", "username": "bob", "password": "x"}, "bob:x"),
    ],
)
def test_what_is_shown(entry: dict[str, Any], pair: str) -> None:
    assert shown(read_entry(entry, ORIGIN)) == pair


@pytest.mark.parametrize("entry", [None, {}, {"auth": ""}, {"email": "bob@example"}, {"auth": None}])
def test_entries_without_a_login(entry: object) -> None:
    assert read_entry(entry, ORIGIN) is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"auth": packed(f"bob:{SECRET}\n")}, ["password", "line break", "end"]),
        ({"auth": packed(f"bob\n:{SECRET}")}, ["user name", "line break"]),
        ({"auth": packed(f"bob:{SECRET}\r\n")}, ["password", "line break"]),
        ({"auth": packed(f"bob:{SECRET}\t")}, ["password", "a tab"]),
        ({"auth": packed(f"bob:{SECRET}\x01x")}, ["password", "control character"]),
        ({"username": "bob", "password": f"{SECRET}\n"}, ["password", "line break"]),
        ({"auth": f"{GOOD[:8]} {GOOD[8:]}"}, ["`auth`", "a space at character 9"]),
        ({"auth": f"{GOOD[:8]}%{GOOD[8:]}"}, ["`auth`", "character 9"]),
        ({"auth": f"bob:{SECRET}"}, ["`auth`", "a colon at character 4"]),
        ({"auth": f"{GOOD[:8]}-{GOOD[8:]}"}, ["`auth`", "URL-safe"]),
        ({"auth": packed(SECRET)}, ["`auth`", "colon is missing"]),
        ({"auth": GOOD[: len(GOOD) - len(GOOD) % 4 - 3]}, ["`auth`", "cut off"]),
        ({"auth": "QQ=="}, ["colon is missing"]),
        ({"username": "bob:x", "password": SECRET}, ["user name", "colon"]),
        ({"auth": 7}, ["`auth`", "text"]),
        ({"identitytoken": f"{SECRET} x"}, ["`identitytoken`", "a space"]),
        ({"registrytoken": f"{SECRET}\nx"}, ["`registrytoken`", "a line break"]),
        ({"registrytoken": ["x"]}, ["`registrytoken`", "text"]),
        ("text", ["mapping"]),
        ([], ["mapping"]),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_without_the_secret(entry: object, said: list[str]) -> None:
    with pytest.raises(Denied) as error:
        read_entry(entry, ORIGIN)
    text = str(error.value)
    assert ORIGIN in text
    for words in said:
        assert words in text
    for secret in (SECRET, GOOD, GOOD[8:], packed(SECRET)):
        assert secret not in text


def test_an_empty_user_name_or_password_is_remarked_for_when_it_is_refused() -> None:
    for text, words in ((f":{SECRET}", "user name is empty"), ("bob:", "password is empty")):
        login = read_entry({"auth": packed(text)}, ORIGIN)
        assert login is not None
        assert words in login.described


def test_line_breaks_in_auth_are_remarked_for_when_it_is_refused() -> None:
    login = read_entry({"auth": GOOD[:8] + "\n" + GOOD[8:]}, ORIGIN)
    assert login is not None
    assert "line break" in login.described


def test_auth_that_contradicts_what_stands_beside_it_is_remarked() -> None:
    login = read_entry({"auth": GOOD, "username": "eve", "password": "other"}, ORIGIN)
    assert login is not None
    assert "`auth`, which counts" in login.described
    same = read_entry({"auth": GOOD, "username": "bob", "password": SECRET}, ORIGIN)
    assert same is not None
    assert same.described == ORIGIN


def test_tokens_and_the_user_that_stands_beside_them() -> None:
    azure = read_entry({"auth": packed("00000000-0000:"), "identitytoken": "refresh"}, ORIGIN)
    assert azure is not None
    assert (azure.identity, azure.has_password, azure.remark) == ("refresh", False, "")
    assert base64.b64decode(azure.identity_as_password) == b"00000000-0000:refresh"
    from_helper = read_entry({"username": "<token>", "password": "refresh"}, ORIGIN)
    assert from_helper is not None
    assert (from_helper.basic, from_helper.identity) == ("", "refresh")
    registry = read_entry({"registrytoken": "given"}, ORIGIN)
    assert registry is not None
    assert registry.token == "given"


def test_a_login_does_not_print_its_secrets() -> None:
    login = read_entry({"auth": GOOD, "identitytoken": "refresh", "registrytoken": "given"}, ORIGIN)
    for secret in (GOOD, "refresh", "given"):
        assert secret not in repr(login)
