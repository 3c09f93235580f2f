"""The reference of the command line, from the commands themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

INTRODUCTION = """# Command line

Every command with its arguments and options, generated from the commands themselves.
`scanmatrix COMMAND --help` prints the same text.
"""


def write() -> str:
    """The page as Markdown."""
    root = typer.main.get_command(app)
    context = root.make_context("scanmatrix", [], resilient_parsing=True)
    return "\n".join([INTRODUCTION, *_group(root, context, "scanmatrix"), root.epilog or "", ""])


def _group(group: object, context: object, name: str) -> Iterator[str]:
    commands = group.commands
    yield from ("| command | |", "|---|---|")
    for each, command in commands.items():
        yield f"| [`{name} {each}`](#{_slug(f'{name} {each}')}) | {_cell(_first_line(command))} |"
    yield ""
    for each, command in commands.items():
        full = f"{name} {each}"
        yield from (f"## `{full}` {{: #{_slug(full)} }}", "", *_text(command.help or ""))
        inner = type(context)(command, info_name=each, parent=context)
        is_group = hasattr(command, "commands")
        if not is_group or command.invoke_without_command:
            yield from ("```sh", f"{full} {' '.join(command.collect_usage_pieces(inner))}", "```", "")
            yield from _parameters(command, inner)
        if is_group:
            yield from _group(command, inner, full)


def _parameters(command: object, context: object) -> Iterator[str]:
    records = [record for each in command.get_params(context) if (record := each.get_help_record(context))]
    yield from ("| argument or option | |", "|---|---|")
    for names, text in records:
        yield f"| `{_cell(names)}` | {_cell(text)} |"
    yield ""


def _text(text: str) -> Iterator[str]:
    """Paragraphs; the one that begins with `Example:` is a command."""
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        line = " ".join(paragraph.split())
        example = line.removeprefix("Example: ")
        yield from (["```sh", example, "```", ""] if example != line else [line, ""])


def _first_line(command: object) -> str:
    return (command.help or "").strip().split("\n\n")[0].replace("\n", " ")


def _slug(name: str) -> str:
    return name.replace(" ", "-")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
