"""Files that people write: text read safely, and every mistake told with file and line."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from orchestrator.errors import UsageError
from orchestrator.kit.signatures import is_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Location: TypeAlias = tuple[str | int, ...]

MAX_BYTES = 8 * 1024 * 1024
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
#: Characters that no text of ours has.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class ProblemLevel(StrEnum):
    """How bad a problem is.

    ERROR: the file is refused.
    WARNING: it is accepted, but is perhaps not meant so.
    """

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Problem:
    """One mistake in a file of ours.

    Attributes:
        file: the file as the user named it, or the name of an environment variable.
        line: from 1; 0 when there is no line to point at.
        message: what is wrong and what to do.
        level: whether the file is refused for it.
    """

    file: str
    line: int
    message: str
    level: ProblemLevel = ProblemLevel.ERROR

    def __str__(self) -> str:
        word = "" if self.level is ProblemLevel.ERROR else f"{self.level}: "
        return f"{self.file}:{self.line}: {word}{self.message}" if self.line else f"{self.file}: {word}{self.message}"


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
        return self.problem(location, named(location if name is None else name, message))

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


def named(location: Location, message: str) -> str:
    """What is wrong with a value, with the whole name of its key before it."""
    whole = spell_location(location)
    return f"{whole}: {message}" if whole else message


def suggest(word: str, known: Iterable[str]) -> str:
    """`, did you mean '…'?` when one of the known words is close to it, else nothing."""
    import difflib  # noqa: PLC0415 - seldom needed

    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f", did you mean {str(by_lower[close[0]])!r}?" if close else ""


def no_such(what: str, word: str, known: Iterable[str]) -> str:
    """What to tell someone who names a thing that does not exist, with what there is.

    Args:
        what: the kind of thing, such as `export`.
        word: as it was named.
        known: every name there is.
    """
    names = list(known)
    return f"there is no {what} {word!r}{suggest(word, names)} (there are {', '.join(names)})"


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
    if bad := CONTROL.search(text):
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
