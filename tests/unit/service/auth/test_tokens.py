"""Tokens of a file: made once, kept as a hash, read again when the file changes."""

import json
import os
import time

import pytest

from orchestrator.errors import UsageError
from orchestrator.service.auth import token_file
from orchestrator.service.auth.token_file import TokenFile, TokenFileError, add_token
from orchestrator.service.auth.tokens import make_token
from orchestrator.service.rest.caller import Role
from orchestrator.service.rest.problems import UnauthenticatedError


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(token_file, "_LOOK_SECONDS", 0.0)
    return tmp_path / "tokens.json"


def test_a_token_is_known_by_a_hash_alone(path):
    token = add_token(path, "ci", "submit", owners=("shop",), seconds=None)
    assert TokenFile(path).caller(token) == ("token:ci", Role.SUBMIT, frozenset({"shop"}))
    assert token.split("_", 2)[2] not in path.read_text()
    assert token not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert add_token(path, "ci", "submit", owners=None, seconds=None) != token
    assert len(json.loads(path.read_text())["tokens"]) == 2


def test_another_token_is_refused(path):
    token = add_token(path, "ci", "read", owners=None, seconds=None)
    known = TokenFile(path)
    other = make_token("ci", "admin").text
    id_, secret = token.split("_", 2)[1:]
    mixed = f"smx_{id_}_{other.split('_', 2)[2]}"
    for wrong in (
        other,
        mixed,
        token[:-1],
        token + "x",
        token.upper(),
        f" {token}",
        "",
        "smx__",
        f"smx_{id_}_",
        secret,
    ):
        with pytest.raises(UnauthenticatedError):
            known.caller(wrong)


def test_a_token_ends_and_can_be_taken_back(path):
    known = TokenFile(path)
    ended = add_token(path, "short", "read", owners=None, seconds=-5)
    with pytest.raises(UnauthenticatedError, match="expired"):
        known.caller(ended)
    token = add_token(path, "ci", "read", owners=None, seconds=60)
    assert known.caller(token)
    path.write_text('{"tokens": []}')
    with pytest.raises(UnauthenticatedError):
        known.caller(token)


def test_a_file_that_cannot_be_read_lets_nobody_in_until_it_can(path):
    token = add_token(path, "ci", "read", owners=None, seconds=None)
    good, known = path.read_text(), TokenFile(path)
    assert known.caller(token)
    entry = json.loads(good)["tokens"][0]
    strange = [
        "", "{", "[]", '{"tokens": 7}', json.dumps({"tokens": [entry, entry]}),
        *(json.dumps({"tokens": [entry | change]}) for change in (
            {"role": "root"}, {"key": "zz"}, {"key": ""}, {"hash": "00"}, {"expires": "never"}, {"more": 1},
            {"owners": [str(each) for each in range(101)]},
        )),
        "x" * (4 * 1024 * 1024 + 1),
    ]  # fmt: skip
    for text in strange:
        path.write_text(text)
        with pytest.raises(TokenFileError, match="nobody is let in"):
            known.caller(token)
    path.unlink()
    with pytest.raises(TokenFileError):
        known.caller(token)
    path.write_text(good)
    assert known.caller(token)
    path.chmod(0o666)
    with pytest.raises(TokenFileError, match="chmod"):
        known.caller(token)


def test_the_file_is_looked_at_once_in_a_second(path, monkeypatch):
    monkeypatch.setattr(token_file, "_LOOK_SECONDS", 60.0)
    token = add_token(path, "ci", "read", owners=None, seconds=None)
    known = TokenFile(path)
    assert known.caller(token)
    os.utime(path, (1, 1))
    path.write_text('{"tokens": []}')
    assert known.caller(token)


def test_a_name_is_visible(path):
    for name in ("", "  ", "a\nb", "x" * 201):
        with pytest.raises(UsageError, match="name"):
            add_token(path, name, "read", owners=None, seconds=None)


def test_many_tokens_cost_a_request_microseconds(path):
    kept = [make_token(f"t{each}", "read") for each in range(3000)]
    whole = token_file.KeptTokens(tuple(each.kept for each in kept))
    path.write_bytes(token_file.msgspec.json.encode(whole))
    known = TokenFile(path)
    known.caller(kept[0].text)
    began = time.process_time()
    for each in kept:
        known.caller(each.text)
    assert time.process_time() - began < 10
