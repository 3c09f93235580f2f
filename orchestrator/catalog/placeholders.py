"""Placeholders of scan templates, for processes and pods alike; their grammar is `orchestrator.kit.placeholders`.

    {tarball} {report} …      a word of `WORDS`: a path, or what a repository's host calls it
    {parameter.<name>}        a parameter of the scan

A value is filled in once and never read again: one that would make a placeholder, alone or with the text around it, is
refused where it is written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.kit.placeholders import PARAMETER, fill, placeholders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from orchestrator.model import Scan

#: The placeholders that are not parameters.
WORDS = frozenset(
    {
        "tarball",
        "report",
        "workdir",
        "database",
        "fetched",
        "checkout",
        "layers",
        "repository",
        "commit",
        "sbom",
        "server",
        "files",
    }
)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")


def of_parameters(values: Mapping[str, str]) -> dict[str, str]:
    """Parameters by the placeholders that stand for them."""
    return {f"{PARAMETER}{name}": value for name, value in values.items()}


def fill_words(words: Iterable[str], scan: Scan, values: Mapping[str, str]) -> tuple[str, ...]:
    """Texts of a scan with these values filled in, and its parameters; see `fill`.

    The catalog has filled in the parameters already; plans of earlier versions may still hold some.
    """
    known = {**values, **of_parameters(scan.parameters)}
    return tuple(fill(word, known) for word in words)


def judge_name(name: str) -> str:
    """Why a parameter may not have this name; empty when it may."""
    if _NAME.fullmatch(name):
        return ""
    return (
        f"{name!r} cannot be the name of a parameter: take a letter, then letters, digits, '-' or '_',"
        " 63 characters at most"
    )


def judge_value(value: str) -> str:
    """Why a parameter may not have this value; empty when it may."""
    if "\0" in value:
        return f"{value!r} holds a NUL character, which no command line can; write it without"
    name = next(_known(value), "")
    return f"{value!r} holds the placeholder {{{name}}}; write a plain value" if name else ""


def judge_filled(text: str, parameters: Mapping[str, str]) -> str:
    """Why these values may not be filled into a text; empty when they may.

    Args:
        text: of a template.
        parameters: values by name of the parameter; those that `judge_value` refuses are left out.
    """
    values = of_parameters({name: value for name, value in parameters.items() if not judge_value(value)})
    made = list(_known(fill(text, values)))
    if made == [name for name in _known(text) if name not in values]:
        return ""
    return f"{text!r}: with its parameters filled in it holds the placeholder {{{made[0]}}}; write other values"


def _known(text: str) -> Iterator[str]:
    """The placeholders of a text that we would fill in."""
    return (name for name in placeholders(text) if name in WORDS or name.startswith(PARAMETER))
