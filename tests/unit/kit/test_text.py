"""Whatever strangers write, each kind of output shows it and obeys nothing of it; honest text stays as it is."""

import csv
import html
import json
import re
import unicodedata
from io import StringIO

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.kit.text import (
    CSV_GUARD,
    UNCLEAR_RE2,
    csv_cell,
    escape_json,
    has_hidden,
    markdown,
    read_csv_cell,
    visible,
    visible_lines,
    visible_message,
)

BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u3164\U000e0041"
NASTY = "\x00\x07\x08\x1b\x7f\x85\x9b\x9d\r\n\t\u2028\u2029\ud800\udcff" + ZERO_WIDTH + BIDI
ESCAPED = r"\\([!-/:-@\[-`{-~])"  # CommonMark 2.4: a backslash before ASCII punctuation takes its meaning
HONEST = [
    "ubuntu:20.04",
    "registry.example:5000/Team/app_1",
    "图像/应用",
    "é́à ñ ü",
    "🐳 ❤️",
    "Ελληνικά",
    "עברית",
    "100 %",
    "a\\b c",
]
STRANGE = st.text(st.characters(categories=None) | st.sampled_from(NASTY + "\\|`[]()<>@!_*#~=+-;'\"xuUnrt0 "))


def hides(text: str) -> bool:
    return any(unicodedata.category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for each in text)


@given(STRANGE)
@example(NASTY)
def test_no_control_and_no_direction_survives(text: str) -> None:
    for clean in (visible(text), visible_message(text), markdown(text), csv_cell(text)):
        assert not hides(clean)
        clean.encode()
    assert not hides(visible_lines(text).replace("\n", ""))


@pytest.mark.parametrize("text", HONEST)
def test_honest_text_is_shown_as_it_is(text: str) -> None:
    assert visible(text) == text
    assert csv_cell(text) == text
    assert html.unescape(re.sub(ESCAPED, r"\1", markdown(text))) == text


def test_every_hidden_character_that_python_knows_is_known() -> None:
    every = "".join(map(chr, range(0x110000)))
    shown = "".join(each for each in every if visible(each) == each)
    assert not hides(shown)
    assert "\ufe0f" in shown
    assert len(every) - len(shown) < 7000  # of which 4,096 are the plane of tags, and 2,048 surrogates


@given(STRANGE, STRANGE)
@example("\x1b", "\\x1b")
@example("\\\x1b", "\\\\x1b")
@example("\n", "\\n")
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert (visible(one) == visible(other)) == (one == other)


@given(STRANGE)
@example("'=1;''x;\\n;\n")
def test_a_cell_can_be_read_back(text: str) -> None:
    assert read_csv_cell(csv_cell(text)) == text


def test_a_long_text_is_cut_and_says_so() -> None:
    assert visible("x" * 5000, 10) == "xxxxxxxxx…"
    assert len(visible("\U000e0041" * 100_000)) < 50_000


def test_further_lines_cannot_pass_for_messages_of_their_own() -> None:
    shown = visible_lines("registry said: no\nscanmatrix: all is well\r\n\x1b[2J")
    assert [line[:2] for line in shown.split("\n")[1:]] == ["  ", "  "]
    assert "\x1b" not in shown
    assert "\r" not in shown


MARKED = [
    "[x](https://evil.example)", "![x](y)", "<script>", "<!-- ", "@everyone", "#123", "https://evil.example",
    "www.evil.example", "a@evil.example", "*a*", "_a_", "a|b", "\\|[x](y)", "``` x", "`", "`a", "a`", "~~a~~", "1. a",
    "&lt;", "a _b_ c", "HTTPS://x", "#12", "(@all)", "!12",
]  # fmt: skip


@pytest.mark.parametrize("text", MARKED)
def test_mark_up_is_only_text(text: str) -> None:
    shown = markdown(text)
    bare = re.sub(rf"{ESCAPED}|&(?:#64|lt|gt|amp);", "", shown.replace("<!-- -->", " "))
    assert not set(bare) & set("`*_[]|#~!<>@")
    assert not re.search(r"://\w|www\.", bare)
    assert not re.search(r"(?:&#64;|\\[#!])(?!sha256:)\w|(?<!\w)&#64;\w", shown)


@given(STRANGE)
def test_no_mark_up_survives_in_markdown(text: str) -> None:
    test_mark_up_is_only_text(text)


@given(st.lists(STRANGE))
@example(["a", "=1+1", "\t=1+1", "+x", "-x", "@x", "'x", '"=1', "  =1", "\uff1d1", "a;=2"])
def test_no_element_of_a_cell_begins_a_formula(elements: list[str]) -> None:
    cell = csv_cell(";".join(elements))
    for each in cell.split(";"):
        assert not re.match('[ "]*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]', each)


@given(st.lists(STRANGE, max_size=5))
@example(["'=1", "=1", "''", '"=x', " 'x", ""])
def test_the_guard_of_a_cell_can_be_taken_off_again(elements: list[str]) -> None:
    joined = ";".join(elements)
    bare = ";".join(each.removeprefix("'") for each in csv_cell(joined).split(";"))
    assert bare == visible(joined)


@given(STRANGE)
def test_arrow_finds_every_cell_that_needs_more_than_the_guard(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()  # Arrow's strings have no surrogates
    array = pa.array([text])
    unclear = pa.compute.match_substring_regex(array, UNCLEAR_RE2)[0].as_py()
    if not unclear:
        assert pa.compute.replace_substring_regex(array, *CSV_GUARD)[0].as_py() == csv_cell(text)


def test_a_csv_reader_sees_one_line_for_each_row() -> None:
    out = StringIO()
    csv.writer(out).writerows([[csv_cell("a\r\n=x,y")], [csv_cell("b")]])
    assert len(out.getvalue().splitlines()) == 2


@given(st.lists(STRANGE))
def test_json_says_the_same_and_hides_nothing(document: list[str]) -> None:
    written = json.dumps(document, ensure_ascii=False, indent=1)
    shown = escape_json(written)
    assert json.loads(shown) == json.loads(written)
    assert not has_hidden(shown)


def test_json_beyond_the_basic_plane_is_a_pair() -> None:
    assert escape_json('"\U000e0041"') == '"\\udb40\\udc41"'
