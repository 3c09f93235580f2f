"""`--help`: one line for each command, and an example that the command would take."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.cli.known_help import FOLDER, known_help
from tests.golden import check_golden

ROOT_FOLDER = Path(__file__).parents[3]
IMPORT_NAME = ROOT_FOLDER / "orchestrator/_import_name"

WIDTH = 80


def groups(group: object, *words: str) -> Iterator[tuple[str, ...]]:
    yield words
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            yield from groups(command, *words, name)


def commands(group: object, *words: str) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        yield (*words, name), command.help or ""
        if hasattr(command, "commands"):
            yield from commands(command, *words, name)


ROOT = typer.main.get_command(app)
COMMANDS = dict(commands(ROOT))


def helped(*words: str) -> list[str]:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": str(WIDTH), "TERMINAL_WIDTH": str(WIDTH)})
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


@pytest.mark.parametrize("group", list(groups(ROOT)), ids=lambda words: " ".join(words) or "scanmatrix")
def test_every_summary_stands_whole_in_one_line(group: tuple[str, ...]) -> None:
    lines = helped(*group)
    listed = lines[lines.index("Commands:") + 1 :]
    for words, text in COMMANDS.items():
        if words[:-1] == group:
            summary = text.split("\n\n")[0].strip()
            assert summary.endswith(".")
            assert any(line.split(maxsplit=1) == [words[-1], summary] for line in listed), words


@pytest.mark.parametrize("words", list(COMMANDS), ids=" ".join)
def test_help_fits_a_terminal(words: tuple[str, ...]) -> None:
    assert [line for line in helped(*words) if len(line) > WIDTH] == []


@pytest.mark.parametrize("words", [words for words, text in COMMANDS.items() if "Example:" in text], ids=" ".join)
def test_the_example_is_one_of_this_command(words: tuple[str, ...]) -> None:
    example = COMMANDS[words].split("Example: ")[1]
    assert example.startswith(" ".join(("scanmatrix", *words)))


def test_every_command_has_an_example() -> None:
    leaves = [words for words in COMMANDS if words not in set(groups(ROOT))]
    assert [words for words in leaves if "Example: scanmatrix" not in COMMANDS[words]] == []


#: Commands that neither read nor write the volume.
WITHOUT_VOLUME = {"version", "init", "install", "lock", "distrust", "templates show", "plugins show", "lint", "schema",
                  "explain", "cache drop", "controller", "token", "admit"}  # fmt: skip
#: Commands that read no configuration.
WITHOUT_CONFIG = {"version", "init", "schema", "explain", "controller"}


def options(words: tuple[str, ...]) -> set[str]:
    command = ROOT
    for word in words:
        command = command.commands[word]  # type: ignore[attr-defined]
    return {name for each in command.params for name in each.opts}


@pytest.mark.parametrize(("option", "without"), [("--volume", WITHOUT_VOLUME), ("--config", WITHOUT_CONFIG)])
def test_every_command_that_reads_or_writes_takes_them(option: str, without: set[str]) -> None:
    leaves = {" ".join(words) for words in COMMANDS if words not in set(groups(ROOT))}
    assert {name for name in leaves if option not in options(tuple(name.split()))} == without


GROUPS = [words for words in groups(ROOT) if words]
EVERY = [(), *GROUPS, *(words for words in COMMANDS if words not in GROUPS)]


@pytest.mark.parametrize("words", EVERY, ids=lambda words: " ".join(words) or "scanmatrix")
def test_the_known_help_is_what_the_command_says(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with contextlib.redirect_stdout(io.StringIO()) as out:  # not typer's runner, which sets a width of its own
        app([*words, "--help"], prog_name="scanmatrix", standalone_mode=False)
    said = out.getvalue()
    check_golden(Path(FOLDER) / f"{'.'.join(('scanmatrix', *words))}.txt", said)
    for columns in ("80", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        assert known_help(["/any/scanmatrix", *words, "--help"]) == known_help(["scanmatrix", *words, "-h"]) == said


def test_no_other_file_is_there() -> None:
    assert {path.stem for path in Path(FOLDER).iterdir()} == {".".join(("scanmatrix", *words)) for words in EVERY}


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["scanmatrix", "--help"], {"COLUMNS": "79"}),
        (["scanmatrix", "--help"], {"_SCANMATRIX_COMPLETE": "complete_bash"}),
        (["other", "--help"], {}),
        (["scanmatrix"], {}),
        (["scanmatrix", "run"], {}),
        (["scanmatrix", "nothing", "--help"], {}),
        (["scanmatrix", "run", "--scan", "--help"], {}),
        (["scanmatrix", "../help/scanmatrix", "--help"], {}),
        (["scanmatrix", "", "--help"], {}),
    ],
)
def test_anything_else_is_left_to_the_commands(
    arguments: list[str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ({"COLUMNS": "80"} | environment).items():
        monkeypatch.setenv(name, value)
    assert known_help(arguments) == ""


def test_help_loads_no_library() -> None:
    code = "import sys; sys.argv = ['scanmatrix', '--help']; from scanmatrix.__main__ import main; main()"
    code += "; sys.exit(str(heavy) if (heavy := {'typing', 're', 'typer', 'msgspec'} & set(sys.modules)) else 0)"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False, env=HERE)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Commands:" in done.stdout


#: Where the packages are, for a Python that looks at no site-packages, whose files may load anything.
HERE = {**os.environ, "COLUMNS": "80", "PYTHONPATH": os.pathsep.join((str(ROOT_FOLDER), str(IMPORT_NAME)))}
