"""What JSON of strangers may cost before it is read, and one wording of what is wrong with it."""

import math

import msgspec

from orchestrator.errors import PermanentError

#: Digits of a number, its sign, point and exponent included; a 64-bit integer has 20, a float that is not padded 24.
MOST_DIGITS = 100

# For each byte, object or array, and value: as Python has them, and as they are checked and written again.
_BYTE, _CONTAINER, _VALUE = 1.5, 600, 90


def memory_of(data: bytes) -> int:
    """The memory that a JSON document needs when decoded as a whole, bytes; estimated from its text alone."""
    containers = data.count(b"{") + data.count(b"[")
    return int(_BYTE * len(data)) + _CONTAINER * containers + _VALUE * data.count(b",")


def most_memory_of(length: int) -> int:
    """What `memory_of` gives at most for a document of this many bytes, whatever is in it."""
    return int(_BYTE * length) + _CONTAINER * length


class ForeignJsonError(PermanentError):
    """JSON of an image, a registry or a scanner that is not what it claims, or that two readers could read as two."""


class JsonBounds(msgspec.Struct, frozen=True):
    """Limits that can be checked in the bytes, before anything is built of them.

    A value can be one byte of JSON and costs up to a hundred in memory, so the length alone is no bound.

    Attributes:
        most_bytes: length of the document.
        most_containers: objects and arrays; brackets in strings are counted, too.
        most_values: members and elements; commas in strings are counted, too.
    """

    most_bytes: int
    most_containers: int
    most_values: int

    def excess(self, data: bytes) -> str:
        """Which limit a document exceeds, as the end of a sentence; empty if none."""
        if len(data) > self.most_bytes:
            return f"is larger than any real one: {len(data):,} bytes, at most {self.most_bytes:,} are accepted"
        if self._has_many(data, self.most_containers, b"{", b"[") or self._has_many(data, self.most_values, b","):
            return "holds too many values for its size to be a real one"
        return ""

    @staticmethod
    def _has_many(data: bytes, most: int, *marks: bytes) -> bool:
        """Whether there are more of these bytes than this.

        Each is followed by another byte of its own, the end of its container or the next value: so shorter documents
        need no counting. What is cut off lacks some of these, of no more than decoders nest.
        """
        return len(data) > 2 * most and sum(map(data.count, marks)) > most


def parse_integer(text: str) -> int:
    """An integer of a JSON document, of a length that costs nothing.

    Raises:
        ValueError: it has more than `MOST_DIGITS` digits.
    """
    return int(_short(text))


def parse_float(text: str) -> float:
    """A number with a fraction or an exponent.

    Raises:
        ValueError: it is too long, or larger than any 64-bit float, which Go refuses and Python calls infinite.
    """
    value = float(_short(text))
    if math.isinf(value):
        raise ValueError(f"the number {text} is out of range")
    return value


def refuse_constant(text: str) -> None:
    """Refuse `NaN`, `Infinity` and `-Infinity`, which Python reads and JSON does not know.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{text} is no JSON value")


def explain(error: Exception) -> str:
    """What an error of a JSON decoder says, as the end of a sentence that begins with the document's name."""
    match error:
        case UnicodeDecodeError():
            return f"is not valid JSON: it is not UTF-8 at byte {error.start}"
        case RecursionError():
            return "is nested too deeply to be a real one"
        case msgspec.ValidationError():
            return f"is of another shape: {error}"
        case msgspec.DecodeError() if "truncated" in str(error):
            return "is truncated: its JSON ends too early"
        case _:
            return f"is not valid JSON: {error}"


def _short(text: str) -> str:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number of {len(text):,} characters, at most {MOST_DIGITS} are accepted")
    return text
