"""The command line's two ways to stderr show no secret in any message."""

import logging

import pytest

from orchestrator.cli.output import complain
from orchestrator.kit.logs import write_to_stderr

SECRET = "hunter2-s3cret"
TEXTS = [
    f"postgresql://db.example/x?user=u&password={SECRET}: no answer",
    f"cannot connect to proxy http://me:{SECRET}@proxy.example:3128",
    f"https://hooks.slack.com/services/T/B/{SECRET} answers 404",
]


@pytest.mark.parametrize("text", TEXTS)
def test_complaints(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    complain(text)
    said = capsys.readouterr().err
    assert SECRET not in said
    assert "***" in said


@pytest.mark.parametrize("text", TEXTS)
def test_log_messages_and_tracebacks(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: list[logging.Handler] = []
    monkeypatch.setattr(logging, "basicConfig", lambda **given: handlers.extend(given["handlers"]))
    write_to_stderr("scanmatrix", tracebacks=True)
    try:
        raise ValueError(text)  # noqa: TRY301 - to have a traceback
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, text, (), (ValueError, error, error.__traceback__))
    said = handlers[0].format(record)
    assert SECRET not in said
    assert said.count("***") == 2
