"""Log lines of our programs: a line for each message, whatever strangers put into it."""

import io
import logging
import sys

import pytest
from rich.console import Console
from rich.progress import Progress

from orchestrator.kit.logs import _Formatter, _StderrHandler


def nest(depth: int, said: str = "deep\nscanmatrix: all is well\x1b[2J") -> None:
    if depth:
        nest(depth - 1, said)
    raise ValueError(said)


def record(message: str, *args: object, depth: int | None = None) -> logging.LogRecord:
    info = None
    if depth is not None:
        try:
            nest(depth)
        except ValueError:
            info = sys.exc_info()
    return logging.LogRecord("orchestrator.x", logging.WARNING, "x.py", 1, message, args, info)


def test_a_message_is_one_line_in_which_all_can_be_seen() -> None:
    line = _Formatter("scanmatrix", tracebacks=False, hint="").format(
        record("%s says", "evil\r\nscanmatrix: ok\x1b\u202e")
    )
    assert line == r"scanmatrix: evil\r\nscanmatrix: ok\x1b\u202e says"


def test_without_a_traceback_the_message_says_how_to_see_it() -> None:
    line = _Formatter("scanmatrix", tracebacks=False, hint="DEBUG=1 shows it").format(record("failed", depth=0))
    assert len(line.splitlines()) == 1
    assert "DEBUG=1" in line


@pytest.mark.parametrize("depth", [0, 500])
def test_a_traceback_is_bounded_and_cannot_pass_for_messages(depth: int) -> None:
    text = _Formatter("scanmatrix", tracebacks=True, hint="").format(record("failed", depth=depth))
    head, *trace = text.splitlines()
    assert head == "scanmatrix: failed"
    assert all(line.startswith("  ") for line in trace)
    assert len(trace) < 100
    assert "ValueError" in trace[-2]
    assert "\x1b" not in text


def test_no_secret_of_an_exception_is_logged() -> None:
    token = "ghp_" + "x" * 36
    try:
        nest(0, f"https://user:{token}@git.example/x?token={token}")
    except ValueError:
        info = sys.exc_info()
    message = logging.LogRecord("x", logging.ERROR, "x.py", 1, "cannot read %s", (f"https://u:{token}@h/",), info)
    assert token not in _Formatter("scanmatrix", tracebacks=True, hint="").format(message)


def test_a_warning_has_a_line_of_its_own_above_bars_that_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    handler = _StderrHandler()  # as a command does, before any bar
    handler.setFormatter(_Formatter("scanmatrix", tracebacks=False, hint=""))
    with Progress(console=Console(file=screen, width=40, force_terminal=True), auto_refresh=False) as bars:
        bars.add_task("cells", total=3)
        bars.refresh()
        handler.handle(record("no sandbox"))
    (line,) = [line for line in screen.getvalue().splitlines() if "no sandbox" in line]
    assert line.rpartition("\x1b[2K")[2] == "scanmatrix: no sandbox"  # after the bar was taken away
