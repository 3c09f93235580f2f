"""How a step is written as a command line: the forms of its fields.

When a step is written, a text may hold expressions that Argo fills in. A field becomes the option of its name, in the
order of the fields; what equals its default is not written.

A pod imports this before it does anything, so it imports nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple


class Form(StrEnum):
    """How a value stands in a command line.

    Attributes:
        TEXT: as it is.
        PATH: as it is; read as a path.
        NUMBER: in decimal digits.
        FLAG: the option alone, when it is true.
        NAMES: several names in one text, between commas.
        PAIRS: `name=value`, the option once for each.
        SETS: `name=a,b`, the option once for each.
        EACH: the option once for each text.
    """

    TEXT = "text"
    PATH = "path"
    NUMBER = "number"
    FLAG = "flag"
    NAMES = "names"
    PAIRS = "pairs"
    SETS = "sets"
    EACH = "each"


class Argument(NamedTuple):
    """How a field of a step is written in its command line.

    Attributes:
        help: what it means, for people.
        form: how its value is written.
        option: without the dashes, where it is not called as the field.
        joined: written `--option=value`, because the value may be empty or begin with a dash.
        positional: written without an option.
        choices: all that it may be; empty for anything.
        always: written even when it equals its default, after all others.
    """

    help: str
    form: Form = Form.TEXT
    option: str = ""
    joined: bool = False
    positional: bool = False
    choices: tuple[str, ...] = ()
    always: bool = False


def about(text: str, form: Form = Form.TEXT, **more: Any) -> dict[str, Argument]:
    """The metadata of a field: how it is written."""
    return {"argument": Argument(text, form, **more)}


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command of `scanmatrix-step`; the first line of a command's docstring is its help."""

    command: ClassVar[str]
