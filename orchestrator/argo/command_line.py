"""Command lines of steps, rendered and parsed from the one description in `orchestrator.argo.commands`."""

from __future__ import annotations

import argparse
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.argo.agreed import PROGRAM
from orchestrator.argo.arguments import Argument, Form, Step
from orchestrator.argo.commands import STEPS, AnyStep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from dataclasses import Field

_REPEATED = {Form.PAIRS, Form.SETS, Form.EACH}


def render(step: Step) -> list[str]:
    """The arguments of `scanmatrix-step` that mean this step."""
    words = [step.command]
    for each in sorted(fields(step), key=_place):
        value = getattr(step, each.name)
        if _argument(each).always or value != _default(each):
            words += _words(each, value)
    return words


def parse(arguments: Sequence[str]) -> AnyStep:
    """The step that a command line means.

    Raises:
        SystemExit: it means none, with exit status 2; what is wrong is on stderr. Or, with 0, it asked for help.
    """
    # To describe the other steps would take every pod some milliseconds of its start.
    parser = _parser(tuple(kind for kind in STEPS if kind.command in arguments[:1]) or STEPS)
    options = parser.parse_args(arguments)
    if any(word.endswith("=--") for word in arguments):  # argparse takes that for the end of all options
        parser.error("'--' is no value of an option")
    kind: type[AnyStep] = options.step
    given = {each.name: _gathered(each, getattr(options, each.name)) for each in fields(kind)}
    return kind(**given)


def _place(each: Field[Any]) -> int:
    """Positional arguments first, those that are always written last."""
    argument = _argument(each)
    return 0 if argument.positional else 2 if argument.always else 1


def _argument(each: Field[Any]) -> Argument:
    found: Argument = each.metadata["argument"]
    return found


def _default(each: Field[Any]) -> Any:
    return each.default_factory() if each.default_factory is not MISSING else each.default


def _option(each: Field[Any]) -> str:
    return f"--{_argument(each).option or each.name.replace('_', '-')}"


def _words(each: Field[Any], value: Any) -> list[str]:
    argument, option = _argument(each), _option(each)
    texts = list(_texts(argument.form, value))
    if argument.positional:
        return texts
    if argument.form is Form.FLAG:
        return [option]
    joined = argument.joined or any(text.startswith("-") for text in texts)
    return [f"{option}={text}" for text in texts] if joined else [word for text in texts for word in (option, text)]


def _texts(form: Form, value: Any) -> Iterator[str]:
    """A value as it is written, once for each time that its option is."""
    if form is Form.NAMES:
        yield ",".join(value)
    elif form is Form.EACH:
        yield from value
    elif form is Form.PAIRS:
        yield from (f"{name}={text}" for name, text in value.items())
    elif form is Form.SETS:
        yield from (f"{name}={','.join(sorted(members))}" for name, members in value.items())
    else:
        yield str(value)


@cache
def _parser(kinds: tuple[type[AnyStep], ...]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="One step of a run, as its pods call it.", allow_abbrev=False
    )
    commands = parser.add_subparsers(required=True, metavar="STEP")
    for kind in kinds:
        about = (kind.__doc__ or "").partition("\n")[0]
        command = commands.add_parser(kind.command, help=about, description=about, allow_abbrev=False)
        command.set_defaults(step=kind)
        for each in fields(kind):
            _add(command, each)
    return parser


def _add(command: argparse.ArgumentParser, each: Field[Any]) -> None:
    argument, default = _argument(each), _default(each)
    required = default is MISSING
    if argument.form is Form.FLAG:
        command.add_argument(_option(each), dest=each.name, action="store_true", help=argument.help)
        return
    more: dict[str, Any] = {
        "type": _READERS[argument.form],
        "help": argument.help,
        "default": None if required or argument.form in _REPEATED else default,
    }
    more |= {"choices": argument.choices} if argument.choices else {}
    if argument.positional:
        command.add_argument(each.name, **more | ({} if required else {"nargs": "?"}))
        return
    action = "append" if argument.form in _REPEATED else "store"
    command.add_argument(_option(each), dest=each.name, action=action, required=required, **more)


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _set(text: str) -> tuple[str, frozenset[str]]:
    name, members = _pair(text)
    return name, frozenset(members.split(","))


_READERS: dict[Form, Callable[[str], Any]] = {
    Form.TEXT: str,
    Form.PATH: Path,
    Form.NUMBER: int,
    Form.NAMES: _names,
    Form.PAIRS: _pair,
    Form.SETS: _set,
    Form.EACH: str,
}


def _gathered(each: Field[Any], value: Any) -> Any:
    """What an option that may be given several times came to."""
    form = _argument(each).form
    if form in {Form.PAIRS, Form.SETS}:
        return dict(value or ())
    return tuple(value or ()) if form is Form.EACH else value
