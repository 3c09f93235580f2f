"""Files people write: text and YAML read safely, every mistake told with file and line.

YAML 1.1 as PyYAML reads it, narrowed to what a configuration needs: one document, text keys, no key twice, no tag but
`!!str`, no control characters, and bounded size, nesting and expansion of anchors (an alias that multiplies itself is
cut off).
"""

from __future__ import annotations

import codecs
import difflib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from orchestrator.errors import UsageError
from orchestrator.kit.signatures import is_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Location: TypeAlias = tuple[str | int, ...]

MAX_BYTES = 8 * 1024 * 1024
_MAX_DEPTH = 40
_MAX_NODES = 500_000
_MOST_DIGITS = 100
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_COLLECTIONS = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
# `<<` and `=` as values: YAML 1.2 has them as text, and 1.1 gives them no meaning there.
_SIGNS = {_MERGE, "tag:yaml.org,2002:value"}
# The longer marks first: that of UTF-32 begins like that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_FILES = (
    (b"PK\x03\x04", "a zip archive, such as a workbook of Excel (.xlsx)"),
    (b"\xd0\xcf\x11\xe0", "a file of Microsoft Office, such as a workbook of Excel (.xls)"),
    (b"\x1f\x8b", "compressed with gzip"),
)
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*")
# The numbers of the core schema of YAML 1.2 (10.3.2), which is what editors and most other programs read.
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# libyaml's parser is ten times as fast; both give the same marks.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Problem:
    """One mistake in a file of ours.

    Attributes:
        file: the file as the user named it, or the name of an environment variable.
        line: from 1; 0 when there is no line to point at.
        message: what is wrong and what to do.
    """

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}" if self.line else f"{self.file}: {self.message}"


class SourceError(UsageError):
    """A file of ours has mistakes; the message has one line for each.

    Attributes:
        problems: the mistakes, in the order of the file.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class Source:
    """A YAML file read into plain data.

    Attributes:
        file: as the user named it.
        data: dict, list, str, int, float, bool, date or None.
        lines: line (from 1) of each value by its location; for a key of a mapping, the line of the key.
        variables: environment variable, or option, that gave the value at a location instead of the file.
        unquoted: text of each scalar without quotes that YAML 1.1 or 1.2 takes for something else than text.
    """

    file: str
    data: Any
    lines: Mapping[Location, int] = field(default_factory=dict)
    variables: Mapping[Location, str] = field(default_factory=dict)
    unquoted: Mapping[Location, str] = field(default_factory=dict)

    def wrong(self, location: Location, message: str, *, name: Location | None = None) -> Problem:
        """A mistake at a location, with the whole name of its key before the message.

        Args:
            location: of the value.
            message: what is wrong with it.
            name: location whose name it is, where that is another.
        """
        whole = spell_location(location if name is None else name)
        return self.problem(location, f"{whole}: {message}" if whole else message)

    def problem(self, location: Location, message: str) -> Problem:
        """A mistake at a location, or at the nearest enclosing one that is known."""
        for length in range(len(location), -1, -1):
            if (variable := self.variables.get(location[:length])) is not None:
                return Problem(variable, 0, message)
            if (line := self.lines.get(location[:length])) is not None:
                return Problem(self.file, line, message)
        return Problem(self.file, 0, message)

    def below(self, key: str) -> Source:
        """The same as the value of a key, which is how a file that is a list has a model."""
        lines: dict[Location, int] = {(key, *location): line for location, line in self.lines.items()}
        unquoted: dict[Location, str] = {(key, *location): text for location, text in self.unquoted.items()}
        return Source(self.file, {key: self.data}, lines, unquoted=unquoted)


def spell_location(location: Location) -> str:
    """A location as one name: `targets[1].csv.path`, `argo.tokenSecrets[github.com]`."""
    spelt = ""
    for step in location:
        if isinstance(step, int) or not _PLAIN_KEY.fullmatch(step):
            spelt += f"[{step}]"
        else:
            spelt += f".{step}" if spelt else step
    return spelt


def suggest(word: str, known: Iterable[str]) -> str:
    """`, did you mean '…'?` when one of the known words is close to it, else nothing."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f", did you mean {by_lower[close[0]]!r}?" if close else ""


def read_text(path: Path, *, name: str | None = None, marked: bool = False) -> str:
    """A text file as UTF-8, a byte order mark left out.

    Args:
        path: the file.
        name: what to call it in messages; its path when left out.
        marked: also UTF-16 and UTF-32, which spreadsheets write, where the byte order mark says that it is.

    Raises:
        SourceError: it is missing, unreadable, larger than `MAX_BYTES`, in another encoding, or has control characters.
    """
    name = name or str(path)
    try:
        if path.is_dir():
            raise SourceError([Problem(name, 0, "is a folder; name a file")])
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise SourceError([Problem(name, 0, "there is no such file")]) from error
    except OSError as error:
        raise SourceError([Problem(name, 0, f"cannot be read: {error.strerror}")]) from error
    return decode_text(data, name, marked=marked)


def decode_text(data: bytes, name: str, *, marked: bool = False) -> str:
    """Bytes of a text file as text; see `read_text`."""
    if len(data) > MAX_BYTES:
        raise SourceError([Problem(name, 0, f"is larger than {MAX_BYTES // 1024**2} MiB; split it")])
    if kind := next((kind for mark, kind in _OTHER_FILES if data.startswith(mark)), ""):
        raise SourceError([Problem(name, 0, f"is {kind}, not text; save it as text in UTF-8")])
    if is_page(data):
        raise SourceError([Problem(name, 0, "is an HTML page, perhaps one to log in at; download the file itself")])
    mark = next((known for mark, known in _MARKS if data.startswith(mark)), "utf-8")
    if mark not in {"utf-8", "utf-8-sig"} and not marked:
        raise SourceError([Problem(name, 1, f"is {mark.upper()} text; save it as UTF-8")])
    try:
        text = data.decode(mark)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SourceError([Problem(name, line, _not_decoded(data, mark, error))]) from error
    if bad := _CONTROL.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        seems = " (UTF-16 without a byte order mark?)" if _seems_utf_16(data) else ""
        raise SourceError([Problem(name, line, f"control character {bad[0]!r}{seems}; save the file as UTF-8 text")])
    return text


def _not_decoded(data: bytes, encoding: str, error: UnicodeDecodeError) -> str:
    """What to do about a file that is not text in the encoding it should be in."""
    if encoding not in {"utf-8", "utf-8-sig"}:
        return f"is not whole {encoding.upper()} text, as its byte order mark says it is; save it as UTF-8"
    if _seems_utf_16(data):
        return "seems to be UTF-16 text without its byte order mark; save it as UTF-8"
    wrong = data[error.start : error.start + 1]
    try:
        shown = wrong.decode("cp1252")
    except UnicodeDecodeError:
        return f"is not UTF-8 text: byte 0x{wrong.hex()}; save it as UTF-8"
    return (
        f"is not UTF-8 text: byte 0x{wrong.hex()}, which is {shown!r} in Windows-1252 (Excel's plain CSV, not its 'CSV"
        " UTF-8'); save it as UTF-8"
    )


def _seems_utf_16(data: bytes) -> bool:
    """Whether every other byte, or nearly so, is zero, as it is where letters of English have two bytes each."""
    return data.count(b"\0") > len(data) // 3


def read_yaml(path: Path) -> Source:
    """A YAML file as plain data with the line of every value.

    Raises:
        SourceError: it cannot be read, or is not YAML as this module's docstring narrows it.
    """
    return parse_yaml(read_text(path), str(path))


def parse_yaml(text: str, name: str, *, at: Location = ()) -> Source:
    """YAML text as plain data with the line of every value; see `read_yaml`.

    Args:
        text: the file.
        name: what to call it in messages.
        at: the key that its whole is the value of, for messages.
    """
    try:
        _bound(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise SourceError([Problem(name, 1, "is empty")])
            walk = _Walk(name, loader, at)
            data = walk.value(node, ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise SourceError([_explain(error, text, name)]) from error
    except yaml.YAMLError as error:
        raise SourceError([Problem(name, 0, f"is not YAML: {error}")]) from error
    except _TooMuchError as error:
        raise SourceError([Problem(name, error.line, str(error))]) from error
    if walk.problems:
        raise SourceError(sorted(walk.problems, key=lambda problem: problem.line))
    return Source(name, data, walk.lines, unquoted=walk.unquoted)


class _TooMuchError(Exception):
    """The text would take more depth or room than any real file of ours."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def _bound(text: str) -> None:
    """Refuse deep nesting before anything recursive looks at the text."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        if depth > _MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise _TooMuchError(f"nested more than {_MAX_DEPTH} levels deep", line)


class _Walk:
    """Node graph to plain data; aliases are written out, so what they multiply to is counted."""

    def __init__(self, name: str, loader: Any, at: Location) -> None:
        self.name = name
        self.at = at
        self.loader = loader
        self.lines: dict[Location, int] = {}
        self.unquoted: dict[Location, str] = {}
        self.problems: list[Problem] = []
        self.count = 0

    def value(self, node: yaml.Node, location: Location) -> Any:
        line = node.start_mark.line + 1
        self.count += 1
        if self.count > _MAX_NODES or len(location) > _MAX_DEPTH:
            raise _TooMuchError("anchors and aliases expand to more than any configuration needs", line)
        self.lines.setdefault(location, line)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, location)
        if node.tag not in _COLLECTIONS:
            return self.wrong(location, line, f"tag {node.tag!r} is not supported")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, location)
        return [self.value(item, (*location, index)) for index, item in enumerate(node.value)]

    def scalar(self, node: yaml.ScalarNode, location: Location) -> Any:
        line, written = node.start_mark.line + 1, node.value
        implied = self.loader.resolve(yaml.ScalarNode, written, (not node.style, bool(node.style)))
        if node.tag not in {_TEXT, implied}:
            return self.wrong(location, line, f"tag {node.tag!r} is not supported; write the value itself")
        if node.tag == _TEXT or node.tag in _SIGNS:
            if not node.style and implied == _TEXT and _NUMBER.fullmatch(written):  # in YAML 1.2 only
                self.unquoted[location] = written
            if bad := _CONTROL.search(written):
                return self.wrong(location, line, f"control character {bad[0]!r}; write text")
            return written
        if len(written) > _MOST_DIGITS:
            return self.wrong(location, line, f"a number of {len(written)} digits; put text in quotes")
        self.unquoted[location] = written
        try:
            return self.loader.construct_object(node)
        except ValueError as error:  # such as a date that does not exist
            return self.wrong(location, line, f"{written!r}: {error}; put text in quotes")

    def mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line, key = key_node.start_mark.line + 1, key_node.value
            if key_node.tag == _MERGE:
                self.wrong(location, line, "merge keys ('<<') are not supported; repeat the keys")
            elif key_node.tag != _TEXT or (not key_node.style and _NUMBER.fullmatch(key)):
                shown = key if isinstance(key_node, yaml.ScalarNode) else "…"
                self.wrong(location, line, f"a key must be text; write {shown!r} in quotes")
            elif bad := _CONTROL.search(key):
                self.wrong(location, line, f"control character {bad[0]!r} in a key; write text")
            elif key in result:
                first = self.lines[(*location, key)]
                self.wrong(location, line, f"key {key!r} is there twice, first in line {first}")
            else:
                self.lines[(*location, key)] = line
                result[key] = self.value(value_node, (*location, key))
        return result

    def wrong(self, location: Location, line: int, message: str) -> None:
        """A mistake, with the whole name of its key."""
        whole = spell_location((*self.at, *location))
        self.problems.append(Problem(self.name, line, f"{whole}: {message}" if whole else message))


def _explain(error: yaml.MarkedYAMLError, text: str, name: str) -> Problem:
    """What libyaml complains of in one line, at the place where it noticed."""
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    lines = text.splitlines()
    written = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return Problem(name, line, "a tab in the indentation; indent with spaces")
    what = " ".join(str(part) for part in (error.context, error.problem) if part)
    return Problem(name, line, f"is not YAML here: {what}")
