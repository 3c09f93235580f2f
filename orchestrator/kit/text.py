r"""Text of strangers for people to read: nothing in it is hidden, moves a cursor, turns a direction or is mark-up.

Names of images, tags, owners, labels, titles of findings, paths and messages of registries are whatever somebody wrote.
Each kind of output cleans them where it is written, and nowhere before, so that files for programs stay exact:

| output | function |
|---|---|
| a name or another value, as in a cell of a table | `visible` |
| a message of ours that quotes such, in a terminal or a log | `visible_message`, `visible_lines` |
| Markdown | `markdown` |
| a cell of a CSV | `csv_cell` |
| JSON on a terminal | `escape_json` |

What is hidden becomes an escape as Python and JSON write it (`\x1b`, `\n`, `\u202e`). In a value, a backslash that may
be taken for the beginning of one is doubled, so that different values stay different; messages quote values anyway.
"""

from __future__ import annotations

import re

#: Most characters of a line where nothing else is said: more than any honest name, reason or title has.
MOST = 4000

# Categories Cc, Cf, Cs, Zl and Zp of the Unicode Character Database (controls, bidi controls, zero width, lone
# surrogates, separators of lines), and the other code points of its property Default_Ignorable_Code_Point, which show
# nothing either. U+FE0E and U+FE0F are left: they choose between the two looks of an emoji.
_HIDDEN = (
    (0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x34F, 0x34F), (0x600, 0x605), (0x61C, 0x61C), (0x6DD, 0x6DD),
    (0x70F, 0x70F), (0x890, 0x891), (0x8E2, 0x8E2), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xD800, 0xDFFF), (0xFE00, 0xFE0D),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
_CLASS = "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in _HIDDEN)
_UNCLEAR = re.compile(rf"[{_CLASS}]|\\(?=[\\xuUnrt{_CLASS}])")
_ANY_HIDDEN = re.compile(f"[{_CLASS}]")
_IN_JSON = re.compile(rf"(?!\n)[{_CLASS}]")
_BLANK = re.compile(rf"[\s\u2800{_CLASS}]*")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
_LONG = {escape: character for character, escape in _SHORT.items()}
_ESCAPED = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|[nrt\\])")

#: What `csv_cell` may change, as an expression for RE2, which has neither surrogates nor looking ahead.
UNCLEAR_RE2 = (
    "["
    + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in _HIDDEN if first != 0xD800)  # noqa: PLR2004
    + "]|\\\\"
)

# What a spreadsheet takes for the start of a formula (OWASP, "CSV Injection"), the last four being the full-width forms
# of = + - @, and the guard itself. Blanks and quotes before it are passed over, as spreadsheets do.
_FORMULA = "(^|;)([ \"]*['=+\\-@\uff1d\uff0b\uff0d\uff20])"
_GUARDED = re.compile("(^|;)'")
CSV_GUARD = (_FORMULA, r"\1'\2")
"""Expression and replacement that guard a cell of a CSV, for `re` and RE2 alike; see `csv_cell`."""

# What Markdown or HTML could take for mark-up (CommonMark, GitHub's and GitLab's flavours of it).
_MARKUP = str.maketrans(
    {character: "\\" + character for character in "\\`*_[]|#~!$"}
    | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;"}
)
# Where a text is taken apart by an empty comment: a URL becomes a link by itself (GFM, "Autolinks (extension)"), and a
# name or a number after `@`, `#` or `!` a mention, even if it is escaped, but only in one piece. Digests stay whole.
_APART = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)|(?<=[@#!])(?=\w)(?<!\w@(?=sha256:))", re.IGNORECASE)
_COMMENT = "<!-- -->"


def visible(text: str, most: int = MOST) -> str:
    """A text as one line in which everything can be seen.

    Args:
        text: whatever somebody wrote.
        most: characters that are shown of it; of a longer one the end is cut off, and `…` says so.
    """
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    if cut.isascii() and cut.isprintable() and "\\" not in cut:  # as nearly every text: three times as fast
        return cut
    return _UNCLEAR.sub(_escape, cut)


def visible_message(text: str) -> str:
    """A message of ours that may quote strangers as one line in which everything can be seen."""
    cut = text if len(text) <= MOST else f"{text[: MOST - 1]}…"
    return _ANY_HIDDEN.sub(_escape, cut)


def visible_lines(text: str) -> str:
    """The same for a message of several lines; a further one is indented, so that it cannot pass for one of its own."""
    return "\n  ".join(map(visible_message, text.split("\n")))


def markdown(text: str, most: int = MOST) -> str:
    """A text in Markdown (CommonMark, GitHub's and GitLab's): no link, mention, image, HTML or emphasis comes alive."""
    pieces = _APART.split(visible(text, most))
    return _COMMENT.join(piece.translate(_MARKUP) for piece in pieces)


def csv_cell(text: str) -> str:
    """A cell of a CSV for spreadsheets: visible, and nothing in it that would run as a formula.

    Where lists are joined by `;`, and where a spreadsheet is set to separate columns by it, each element begins a cell.
    One `'` before each that begins like a formula keeps it text; an element that begins with `'` gets another one.
    """
    return re.sub(*CSV_GUARD, visible(text, most=len(text) or 1))


def read_csv_cell(cell: str) -> str:
    """The text that `csv_cell` made a cell of."""
    return _ESCAPED.sub(_read, _GUARDED.sub(r"\1", cell))


def escape_json(document: str) -> str:
    r"""JSON text with what is hidden in its strings written as `\uXXXX`: the same document for every reader of JSON.

    Args:
        document: JSON, whose own line breaks stay.
    """
    return _IN_JSON.sub(lambda found: _units(found[0]), document)


def has_hidden(text: str) -> bool:
    """Whether there is something in a text of several lines that cannot be seen."""
    return _IN_JSON.search(text) is not None


def is_blank(text: str) -> bool:
    """Whether nothing of a text can be seen: it is empty, or of blanks and what is hidden alone."""
    first = text[:1]
    return not (first.isascii() and first.isalnum()) and _BLANK.fullmatch(text) is not None


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code <= 0xFF:  # noqa: PLR2004 - two digits
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - four digits


def _read(found: re.Match[str]) -> str:
    digits = found[1] or found[2] or found[3]
    return chr(int(digits, 16)) if digits else _LONG[found[0]]


def _units(character: str) -> str:
    """A character as JSON escapes it: by its UTF-16 code units (RFC 8259, 7)."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))
