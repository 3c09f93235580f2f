"""`scanmatrix token` as a user calls it."""

import json

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.errors import UsageError
from orchestrator.service.auth.token_file import TokenFile
from orchestrator.service.rest.caller import Role


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scanmatrix.yaml").write_text("auth: {tokens: secrets/tokens.json}\n")
    (tmp_path / "secrets").mkdir()
    return lambda *words: CliRunner().invoke(app, ["token", *words])


def test_it_is_printed_once_and_holds(call, tmp_path):
    done = call("ci", "--role", "submit", "--owner", "shop", "--owner", "bank", "--expires", "90d")
    token = done.stdout.strip()
    path = tmp_path / "secrets" / "tokens.json"
    assert TokenFile(path).caller(token) == ("token:ci", Role.SUBMIT, frozenset({"shop", "bank"}))
    assert token not in path.read_text()
    assert json.loads(path.read_text())["tokens"][0]["expires"]
    other = call("other", "--file", "mine.json").stdout.strip()
    assert TokenFile(tmp_path / "mine.json").caller(other) == ("token:other", Role.READ, None)


@pytest.mark.parametrize(
    ("words", "why"), [(("",), "needs a name"), (("a", "--expires", "9"), "not a duration"), (("a\x1b",), "visible")]
)
def test_what_is_wrong_is_said(call, words, why):
    error = call(*words).exception
    assert isinstance(error, UsageError)
    assert why in str(error)


def test_without_a_file_it_asks_for_one(call, tmp_path):
    (tmp_path / "scanmatrix.yaml").write_text("targets: []\n")
    assert "auth.tokens" in str(call("ci").exception)
