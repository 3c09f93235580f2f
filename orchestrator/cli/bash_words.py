"""What bash asks of a completion, whole again: it splits words at `:`, `@` and `=`, which stand in names of images.

The cursor behind `shop/web:1.` is to bash in the last of the words `shop/web`, `:` and `1.`, and what it is answered
takes the place of that last word alone.
"""

from __future__ import annotations

import io
import os
import re
import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.cli.known_help import COMPLETING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WORDS, _PLACE = "COMP_WORDS", "COMP_CWORD"
#: A word of nothing else stands between two parts of one.
_CUTS = re.compile(r"[:@=]+")
_OPTION = re.compile(r"--[a-z][a-z-]*")


class Asked(NamedTuple):
    """A command line, as it was typed.

    Attributes:
        words: of it.
        place: of the word that is completed.
        before: of that word, what stands before the part that bash will replace.
    """

    words: list[str]
    place: int
    before: str


def put_together(words: Sequence[str], place: int) -> Asked:
    """The words as they were typed, of those that bash makes of them.

    An option and its value stay two words, without the `=` between them.

    Args:
        words: as bash has them; spaces between them are not among them.
        place: of the one that is completed.
    """
    found: list[str] = []
    at, before, joins = len(words), "", False
    for number, word in enumerate(words):
        cut = _CUTS.fullmatch(word) is not None
        assigns = word == "=" and bool(found) and _OPTION.fullmatch(found[-1]) is not None
        joins = bool(found and word) and (cut or joins) and not assigns
        if number == place:
            before = found[-1] + (word if cut else "") if joins else ""
            at = len(found) - joins
        if joins:
            found[-1] += word
        elif not assigns or number == place:
            found.append("" if assigns else word)
        joins = cut and not assigns
    return Asked(found, min(at, len(found)), before)


@contextmanager
def whole_words() -> Iterator[None]:
    """Let what completes the words of bash see them as they were typed; it is to answer on stdout."""
    if os.environ.get(COMPLETING) != "complete_bash" or not os.environ.get(_PLACE, "").isdecimal():
        yield
        return
    asked = put_together(os.environ.get(_WORDS, "").split("\n"), int(os.environ[_PLACE]))
    os.environ[_WORDS], os.environ[_PLACE] = "\n".join(asked.words), str(asked.place)
    answer = io.StringIO()
    try:
        with redirect_stdout(answer):
            yield
    finally:
        for line in answer.getvalue().splitlines():
            sys.stdout.write(f"{line.removeprefix(asked.before)}\n")
