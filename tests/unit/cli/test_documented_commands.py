"""Every command line of the documentation is one that the program takes."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from orchestrator.cli.app import app
from orchestrator.exports import names

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: Lines of code blocks, and `code` within text, that are a command with words after its name.
LINE = re.compile(r"^\s*(?:\$ |- run: |- )?scanmatrix (.*?)(?:\s+#.*)?$", re.MULTILINE)
INLINE = re.compile(r"`scanmatrix ([^`\n]+)`")
STOPS = {"|", ">", ">>", "<", "&&", "||", ";", "&", "2>"}
ROOT_COMMAND = typer.main.get_command(app)


def lines(text: str) -> list[str]:
    text = text.replace("\\\n", " ")
    blocks = re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL) + re.findall(r"^    .*$", text, re.MULTILINE)
    found = [line for block in blocks for line in LINE.findall(block)]
    return found + INLINE.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def words_of(line: str) -> list[str] | None:
    """The words of one command; None for what is no whole command."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return None
    end = next((at for at, word in enumerate(words) if word in STOPS), len(words))
    return None if "…" in line or "..." in line else words[:end]


def refused(words: list[str]) -> str:
    """Why the program would not take these words; nothing is run."""
    command, context = ROOT_COMMAND, ROOT_COMMAND.make_context("scanmatrix", [], resilient_parsing=True)
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
        context = type(context)(command, info_name="scanmatrix", parent=context, resilient_parsing=True)
    if hasattr(command, "commands") and not command.invoke_without_command:
        return f"no command {words[:1]}" if words and not words[0].startswith("-") else ""
    options = {name: each for each in command.params for name in each.opts} | {"--help": None, "-h": None}
    unknown = [word for word in words if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in options]
    if unknown:
        return f"no option {unknown}"
    if [each.name for each in command.params][:1] == ["name"] and command.name == "export":
        wanted = {*names(), "NAME", "EXPORT"}
        return "" if not words or words[0] in wanted or words[0].startswith("[") else f"no export {words[0]}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_taken(page: Path) -> None:
    found = [(line, words) for line in lines(page.read_text()) if (words := words_of(line)) is not None]
    assert [(line, why) for line, words in found if (why := refused(words))] == []


def test_a_command_that_is_not_taken_is_found() -> None:
    assert refused(["results", "export", "RUN", "sarif"]) == "no export RUN"
    assert refused(["results", "exprot"]) == "no command ['exprot']"
    assert refused(["run", "nginx", "--scna", "general"]) == "no option ['--scna']"
    assert refused(["results", "export", "sarif", "RUN", "--to", "-"]) == ""
