"""Placeholders: a name in braces that people write and we fill in; the one grammar wherever something is filled in.

    {tarball} {run} …         a name: a letter, then letters, digits, `_`, `-` and dots
    {parameter.<name>}        a parameter of a scan; whatever stands behind the dot is meant to be its name

What is not of this form (JSON, a Go template, `${HOME:-/}`) is no placeholder. Values are filled in once.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.kit.sources import suggest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

#: What the placeholders of a scan's parameters begin with.
PARAMETER = "parameter."

# Anything behind `parameter.` is meant to be a name, so that a misspelt one is an error and not a literal.
_PLACEHOLDER = re.compile(r"\{(parameter\.[^{}]*|[A-Za-z][A-Za-z0-9_.-]*)\}")


def placeholders(text: str) -> Iterator[str]:
    """Everything in a text that has the form of a placeholder, without its braces, known or not."""
    return (match[1] for match in _PLACEHOLDER.finditer(text))


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with values in place of its placeholders; those without a value stay.

    Args:
        text: as people wrote it.
        values: by placeholder, without braces.
    """
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def unknown(name: str, known: Collection[str]) -> str:
    """What to tell somebody who wrote a placeholder that means nothing where it stands.

    Args:
        name: of the placeholder, without its braces.
        known: the placeholders that mean something there.
    """
    here = f"here there are {spell_all(sorted(known))}" if known else "nothing is filled in here"
    return f"unknown placeholder {{{name}}}{suggest(name, known)} ({here})"


def spell_all(names: Iterable[str]) -> str:
    """Placeholders as they are written: `{run}, {target}`."""
    return ", ".join(f"{{{name}}}" for name in names)


def judge_known(text: str, known: Collection[str] = ()) -> str:
    """What is wrong with a text in which only these placeholders mean anything; empty when nothing is."""
    return next((unknown(name, known) for name in placeholders(text) if name not in known), "")
