"""Header fields of HTTP that hold more than one word, read in linear time however they are written.

Each function looks at every character once and backtracks nowhere, so that a field of 64 KB costs what its length
costs. What is too long to be honest is refused before it is looked at.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

#: Longest field, in characters, that is read at all. Challenges and links of registries have some hundred.
FIELD_LIMIT: Final = 8 * 1024
#: Most digits of a number: every size and every wait that means anything has fewer, and `int` takes no more than 4300.
_DIGITS: Final = 18
_LONGEST_DATE: Final = 64
#: A number from here on is a moment in seconds since 1970 (this one was in 2001), not a time of 31 years.
_EPOCH: Final = 1_000_000_000
_RETRIES: Final = ("retry-after", "x-retry-after")
_RESETS: Final = ("x-ratelimit-reset", "ratelimit-reset")
_REMAINING: Final = ("x-ratelimit-remaining", "ratelimit-remaining")
_DATE: Final = "date"
_LIMITS: Final = frozenset((*_RETRIES, *_RESETS, *_REMAINING, _DATE))
_TOKEN: Final = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_TOKEN68: Final = frozenset("-._~+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_UNQUOTED: Final = _TOKEN | frozenset(":/?=&%@()[]{}")
_BLANK: Final = frozenset(" \t\r\n")  # a folded line is one blank (RFC 9112, 5.2)
_BLANK_OR_COMMA: Final = _BLANK | {","}
_SEPARATORS: Final = _BLANK_OR_COMMA | {";"}
_DIGIT: Final = frozenset("0123456789")


class HeaderError(ValueError):
    """A field is not written as its specification says, or is longer than an honest one."""


@dataclass(frozen=True)
class Challenge:
    """One way of authentication that a server offers.

    Attributes:
        scheme: its name in lower case: `bearer`, `basic`.
        parameters: by their names in lower case.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def challenges(fields: Iterable[str]) -> tuple[Challenge, ...]:
    """Every challenge of all `WWW-Authenticate` fields of an answer (RFC 9110, 11.6.1 with 11.2 and 5.6).

    One field may hold several challenges, and a quoted value may hold commas, as a scope does. What registries write
    beside that grammar is read as other clients read it: blanks or semicolons instead of a comma between two
    parameters, values that are empty, URLs and names with a port without quotes. Of a field that cannot be read to its
    end, the challenges before that place count.

    Raises:
        HeaderError: none can be read. A challenge in which a parameter stands twice is none, because no two readers
            would read it alike.
    """
    found: list[Challenge] = []
    wrong: HeaderError | None = None
    for text in fields:
        try:
            for challenge in _challenges(_Scanner(text)):
                found.append(challenge)  # noqa: PERF402 - what came before an error is kept
        except HeaderError as error:
            wrong = wrong or error
    if wrong and not found:
        raise wrong
    return tuple(found)


def next_link(fields: Iterable[str]) -> str | None:
    """The target of the link to the next page in the `Link` fields of an answer (RFC 8288, 3); None without one.

    Raises:
        HeaderError: not of that grammar.
    """
    for text in fields:
        for target, relations in _links(_Scanner(text)):
            if "next" in relations:
                return target
    return None


def whole_number(text: str | None) -> int | None:
    """The value of a field that is a number, such as Content-Length; None for anything else, and for absurd ones."""
    text = (text or "").strip(" \t")
    return int(text) if text and len(text) <= _DIGITS and _DIGIT.issuperset(text) else None


def asked_wait(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds that an answer asks us to wait before we ask again; None if it does not, or not in a way that is known.

    `Retry-After` counts, as seconds or a date (RFC 9110, 10.2.3), or as the moment that Docker Hub writes there, in
    seconds since 1970. Without it, and where no request is left in this period, the moment at which the next one begins
    does, as seconds from now or since 1970: `X-RateLimit-Reset` (GitHub, GitLab, Gitea), `RateLimit-Reset`
    (draft-ietf-httpapi-ratelimit-headers). A moment is one on the server's clock, where its `Date` says what
    that shows: ours may be wrong.

    Args:
        headers: of the answer, names in any case.
        now: seconds since 1970, of an answer without `Date`; by default those of this machine's clock.
    """
    fields = _fields(headers)
    theirs = _moment(fields.get(_DATE, ""))
    now = theirs if theirs is not None else time.time() if now is None else now
    names = _RETRIES if _remaining(fields) else _RETRIES + _RESETS
    waits = (_wait(fields.get(name, ""), now) for name in names)
    return next((wait for wait in waits if wait is not None), None)


def is_throttled(headers: Mapping[str, str]) -> bool:
    """Whether an answer refuses no more than this very moment, as GitHub's do that have status 403."""
    fields = _fields(headers)
    return _remaining(fields) == 0 or any(name in fields for name in _RETRIES)


def _fields(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value.strip(" \t") for name, value in headers.items() if name.lower() in _LIMITS}


def _remaining(fields: Mapping[str, str]) -> int | None:
    """Requests that are left in this period; Docker Hub writes it with the period, as `0;w=21600`."""
    found = (whole_number(fields.get(name, "").partition(";")[0]) for name in _REMAINING)
    return next((number for number in found if number is not None), None)


def _wait(text: str, now: float) -> float | None:
    if (number := _seconds(text.partition(";")[0].rstrip(" \t"))) is None:
        return max(0.0, moment - now) if (moment := _moment(text)) is not None else None
    if number < _EPOCH:
        return number
    return max(0.0, (number / 1000 if number >= 1000 * _EPOCH else number) - now)


def _seconds(text: str) -> float | None:
    """A number, with or without a fraction (Discord's have one); None for anything else, and for absurd ones."""
    whole, _, fraction = text.partition(".")
    number, rest = whole_number(whole), whole_number(fraction or "0")
    return None if number is None or rest is None else float(f"{number}.{fraction}0")


def _moment(text: str) -> float | None:
    """A date as HTTP has them (RFC 9110, 5.6.7), in seconds since 1970."""
    try:
        moment = parsedate_to_datetime(text) if 0 < len(text) <= _LONGEST_DATE else None
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() if moment else None
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def range_start(text: str | None) -> int | None:
    """Where the part begins that a `Content-Range: bytes 5-9/20` names (RFC 9110, 14.4); None for anything else."""
    unit, _, rest = (text or "").strip(" \t").partition(" ")
    span, slash, size = rest.partition("/")
    first, _, last = span.partition("-")
    begin, end = whole_number(first), whole_number(last)
    if unit.lower() != "bytes" or not slash or begin is None or end is None or end < begin:
        return None
    return begin if size == "*" or (whole_number(size) or 0) > end else None


class _Scanner:
    """A field and how far it has been read."""

    def __init__(self, text: str) -> None:
        if len(text) > FIELD_LIMIT:
            raise HeaderError(f"a field of {len(text)} characters; {FIELD_LIMIT} are read at most")
        self._text, self._at = text, 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._text)

    def take(self, characters: frozenset[str]) -> str:
        """All characters from here on that are of a set."""
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in characters:
            self._at += 1
        return self._text[start : self._at]

    def skip(self, character: str) -> bool:
        """Go past one character, if it is the next."""
        if not self._text.startswith(character, self._at):
            return False
        self._at += 1
        return True

    def until(self, character: str) -> str:
        """Everything before a character, which is gone past."""
        end = self._text.find(character, self._at)
        if end < 0:
            raise HeaderError(f"{character} is missing")
        found, self._at = self._text[self._at : end], end + 1
        return found

    def back_to(self, place: int) -> None:
        """Read again from a place; no grammar here does so twice from the same."""
        self._at = place

    @property
    def place(self) -> int:
        return self._at

    def token(self) -> str:
        """RFC 9110, 5.6.2."""
        found = self.take(_TOKEN)
        if not found:
            raise HeaderError(f"{self._text[self._at : self._at + 1] or 'its end'!r} where a word is expected")
        return found

    def value(self) -> str:
        """A token or a quoted string, what is quoted with its escapes undone (RFC 9110, 5.6.4).

        A URL without quotes is taken, too, and nothing at all for an empty value: there are servers that write so.
        """
        if not self.skip('"'):
            found = self.take(_UNQUOTED)
            if not found and not (self.ended or self._text[self._at] in _SEPARATORS):
                self.token()  # says what stands there instead
            return found
        parts: list[str] = []
        while not self.ended:
            character = self._text[self._at]
            self._at += 1
            if character == '"':
                return "".join(parts)
            if character == "\\" and not self.ended:
                character = self._text[self._at]
                self._at += 1
            parts.append(character)
        raise HeaderError("a quoted string has no end")


def _challenges(scanner: _Scanner) -> Iterator[Challenge]:
    scanner.take(_BLANK_OR_COMMA)
    while not scanner.ended:
        scheme = scanner.token().lower()
        parameters: dict[str, str] = {}
        blank = scanner.take(_BLANK)
        if not (blank or scanner.ended or scanner.skip(",")):
            raise HeaderError("the name of a scheme is not followed by a blank")
        if blank and not scanner.ended:
            _skip_token68(scanner)
            while (parameter := _parameter(scanner)) is not None:
                name, value = parameter
                if name in parameters:
                    raise HeaderError(f"{name[:40]} stands twice in one challenge")
                parameters[name] = value
        yield Challenge(scheme, parameters)
        scanner.take(_BLANK_OR_COMMA)


def _skip_token68(scanner: _Scanner) -> None:
    """Go past the one value that some schemes have instead of parameters; `realm=` is none."""
    place = scanner.place
    found = scanner.take(_TOKEN68)
    scanner.take(frozenset("="))
    scanner.take(_BLANK)
    if not found or not (scanner.ended or scanner.skip(",")):
        scanner.back_to(place)


def _parameter(scanner: _Scanner) -> tuple[str, str] | None:
    """The next `name=value` of a challenge; None where another challenge begins, or nothing comes."""
    scanner.take(_SEPARATORS)
    place = scanner.place
    if scanner.ended:
        return None
    name = scanner.token().lower()
    scanner.take(_BLANK)
    if not scanner.skip("="):
        scanner.back_to(place)
        return None
    scanner.take(_BLANK)
    return name, scanner.value()


def _links(scanner: _Scanner) -> Iterator[tuple[str, list[str]]]:
    scanner.take(_BLANK_OR_COMMA)
    while not scanner.ended:
        if not scanner.skip("<"):
            raise HeaderError("a link does not begin with <")
        target = scanner.until(">")
        relations: list[str] = []
        scanner.take(_BLANK)
        while scanner.skip(";"):
            scanner.take(_BLANK)
            if scanner.ended:
                break
            name = scanner.token().lower()
            scanner.take(_BLANK)
            value = ""
            if scanner.skip("="):
                scanner.take(_BLANK)
                value = scanner.value()
                scanner.take(_BLANK)
            if name == "rel" and not relations:  # RFC 8288, 3.3: later ones are ignored
                relations = value.lower().split()
        yield target, relations
        if not scanner.take(_BLANK_OR_COMMA) and not scanner.ended:
            raise HeaderError("a link is followed by neither ; nor a comma")
