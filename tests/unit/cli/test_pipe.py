"""A reader that has enough changes no exit status: `scanmatrix … | head` ends as the command does."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli.commands import Commands
from orchestrator.errors import TemporaryError

SCANMATRIX = str(Path(sys.executable).with_name("scanmatrix"))
#: Stands in for a command: more than a pipe holds, then an exit status.
COMMAND = """
import sys, typer
from orchestrator import cli
from orchestrator.cli import app, output
def much() -> None:
    for _ in range(20_000):
        {print}
    raise typer.Exit(1)
made = app.Commands(name="x")
made.callback()(lambda: None)
made.command("much")(much)
app.program = lambda words: made
sys.argv = ["scanmatrix", "much"]
cli.main()
"""


def head(command, **options):
    """The command with a reader that takes one line of it."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0, **options) as process:
        process.stdout.read(10)
        process.stdout.close()
        errors = process.stderr.read() if process.stderr else b""
        return process.wait(60), errors


@pytest.mark.parametrize("printed", ["output.say('x' * 100)", "output.complain('x' * 100)"])
def test_the_status_is_that_of_the_command(printed):
    code = COMMAND.replace("{print}", f"output.say('begun'); {printed}")
    errors = subprocess.STDOUT if "complain" in printed else subprocess.PIPE
    assert head([sys.executable, "-c", code], stderr=errors) == (1, b"")


@pytest.mark.parametrize("words", [["templates"], ["schema", "configuration"], ["--help"], ["run", "--help"]])
def test_nothing_is_said_of_it(words, tmp_path):
    assert head([SCANMATRIX, *words], stderr=subprocess.PIPE, cwd=tmp_path) == (0, b"")


def test_a_connection_that_breaks_is_no_violated_policy():
    app = Commands(name="x")

    def broken() -> None:
        raise BrokenPipeError(32, "Broken pipe")

    app.command("broken")(broken)
    with pytest.raises(TemporaryError, match="a connection broke"):
        app([], standalone_mode=True)
