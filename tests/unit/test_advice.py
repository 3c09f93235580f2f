"""Every command line that a message tells people to run is one that the program takes, with the arguments it has there.

All of them are made by `ours` or `command_line` of `orchestrator.kit.advice`: here their calls are found in the code,
each with what stands for a run's id, a scan or a file, and given to the program's own parser, which checks arguments
too. Lines of other programs (`pip install …`) are found as they stand.
"""

import ast
import functools
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from orchestrator.cli.app import app
from orchestrator.kit import advice

ROOT = Path(__file__).parents[2]
FILES = sorted(path for folder in ("orchestrator", "workflows") for path in (ROOT / folder).rglob("*.py")
               if "orchestrator/workflows" not in str(path))  # fmt: skip
COMMAND = typer.main.get_command(app)
RUN = "20261121-030000-0a1b2c"
MAKERS = {"ours", "command_line"}
#: A line without backquotes, at the end of a message or all of it; `scanmatrix run ` begins the name of a BOM.
BARE = re.compile(r"(Next: |then |^)scanmatrix (?!run $)[a-z]+ ")
#: Words in text that look like an advice, and are the name of the program, of an object, or of a command alone.
NAMES = re.compile(r"`scanmatrix(-[a-z]+)?`|`scanmatrix (init|distrust|schema configuration|templates|results export)`"
                   r"|[Ww]ritten by `scanmatrix install( --out)?`|the Roles of `scanmatrix install`"
                   r"|as for `scanmatrix run`|running `scanmatrix|`scanmatrix\.txt`")  # fmt: skip


def mentioning(*words: str) -> list[Path]:
    """The files with one of these words: to parse them all takes longer than everything else here."""
    return [path for path in FILES if any(word in path.read_text() for word in words)]


@functools.cache
def calls(path: Path) -> dict[str, list[str]]:
    """Where each line of a file is made, and its words; what is computed there is a run's id, or several are none."""
    found = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
            words = [each for each in node.args if not isinstance(each, ast.Starred)]
            if words:  # none where one of the makers calls the other
                found[f"{path.relative_to(ROOT)}:{node.lineno}:{node.col_offset}"] = [
                    each.value if isinstance(each, ast.Constant) else RUN for each in words
                ]
    return found


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Texts of a file that are no docstrings."""
    tree = ast.parse(path.read_text())
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.lineno, node.value


def parsed(words: list[str]) -> typer.Context:
    """Give a command line to the program's parser, down to its command's arguments; nothing is run.

    Raises:
        click.ClickException: it is not taken.
    """
    command = COMMAND
    context = command.make_context("scanmatrix", list(words), resilient_parsing=False)
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    return context


#: Where such calls may be: every worker collects this file, and to parse what is found is left to the tests.
SOURCES = mentioning(*(f" {name}(" for name in MAKERS), *(f"{{{name}(" for name in MAKERS))
MAKING = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))


@pytest.fixture(autouse=True)
def nothing_given() -> Iterator[None]:
    advice.remember()
    yield
    advice.remember()


@pytest.mark.parametrize("given", [{}, {"config": "my config.yaml", "volume": "/srv/a b", "engine": "local"}],
                         ids=["plain", "options"])  # fmt: skip
@MAKING
def test_a_line_is_taken_as_it_is_printed(path, given):
    advice.remember(**given)
    for where, words in calls(path).items():
        line = advice.ours(*words)
        assert line[0] == line[-1] == "`", where
        program, *rest = shlex.split(line.strip("`"))
        assert program == "scanmatrix", where
        try:
            parsed(rest)
        except Exception as error:
            error.add_note(f"{where}: {line}")
            raise


@MAKING
def test_a_line_repeats_every_option_that_its_command_has(path):
    for where, words in calls(path).items():
        options = {name for each in parsed(words).command.params for name in each.opts}
        expected = options & {"--config", "--volume", "--engine", "--server"}
        assert set(advice.OPTIONS.get(words[0], ())) == expected, where


def test_a_line_that_is_not_taken_is_found():
    for wrong in (["run", "--resume"], ["retry"], ["install", "--rendr"], ["lint"], ["store", "imprt"]):
        with pytest.raises(Exception, match=r"."):
            parsed(wrong)


def test_there_are_lines():
    assert sum(len(calls(path)) for path in SOURCES) > 25


def test_the_next_command_looks_where_this_one_did():
    advice.remember(config="my config.yaml", volume="/srv/v", engine="")
    assert advice.ours("run", "--resume", RUN) == (
        f"`scanmatrix run --resume {RUN} --config 'my config.yaml' --volume /srv/v`"
    )
    assert advice.ours("lock") == "`scanmatrix lock --config 'my config.yaml'`"
    assert advice.ours("lint", "x.json") == "`scanmatrix lint x.json --config 'my config.yaml'`"


def test_no_message_has_a_line_that_was_not_made_so():
    wrong = [
        (f"{path.relative_to(ROOT)}:{line}", text)
        for path in mentioning("scanmatrix")
        for line, text in texts(path)
        if "`scanmatrix" in NAMES.sub("", text) or BARE.search(text)
    ]
    assert wrong == []


def test_extras_that_messages_install_are_there():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys()
    named = {
        (str(path.relative_to(ROOT)), name)
        for path in mentioning("scanmatrix")
        for _, text in texts(path)
        for found in re.findall(r"scanmatrix\[([a-z0-9,-]+)\]", text)
        for name in found.split(",")
    }
    assert named
    assert [each for each in sorted(named) if each[1] not in extras] == []
