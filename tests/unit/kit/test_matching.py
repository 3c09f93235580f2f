"""The one grammar of patterns: globs, and regular expressions between slashes."""

import time
from fnmatch import fnmatchcase

import pytest
import re2
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.kit.matching import Globs, any_glob, any_pattern, check_pattern, glob, is_glob, is_name, re2_of

SOME = st.text(alphabet="ab*?[]!-/.", max_size=8)


@given(SOME, st.text(alphabet="ab/.[]", max_size=8))
@example("[]]", "[]]")
@example("[!]]", "a")
@example("[!]", "[!]")
def test_a_glob_means_what_fnmatch_means(pattern: str, text: str) -> None:
    assert glob(pattern)(text) is fnmatchcase(text, pattern)


@given(st.lists(SOME, max_size=6), st.text(alphabet="ab/.", max_size=8))
def test_many_globs_are_found_as_each_alone(patterns: list[str], text: str) -> None:
    alone = sorted(number for number, pattern in enumerate(patterns) if glob(pattern)(text))
    assert sorted(Globs((pattern, number) for number, pattern in enumerate(patterns))(text)) == alone


@pytest.mark.parametrize(
    ("name", "pattern", "meant"),
    [
        ("v1.2", "v1.2", True),
        ("v1.2", "v1.*", True),
        ("V1.2", "v1.*", False),
        ("v1.2", r"/v?1[.]\d/", True),
        ("v1.2-x", r"/v?1[.]\d/", False),  # the whole name
        ("v1.2", "/v1/2/", False),
        ("team/app", "team*", True),
        ("x\udcff", "/x.*/", True),
        ("", "//", True),
        ("/", "/", True),
    ],
)
def test_names_by_globs_and_expressions(name: str, pattern: str, *, meant: bool) -> None:
    assert any_pattern(name, ["nothing", pattern]) is meant


def test_case_is_folded_where_that_is_asked_for() -> None:
    assert any_glob(["x", "CVE-2024-1"], ["cve-2024-*"], fold=True)
    assert not any_glob(["CVE-2024-1"], ["cve-2024-*"])
    assert not any_glob([], ["*"])


def test_which_patterns_stand_for_one_name() -> None:
    assert [text for text in ("a", "a*", "/a/", "a[b", "a[b]", "/") if is_name(text)] == ["a", "a[b", "/"]
    assert [text for text in ("a", "a*", "a[b", "a[b]", "a[]") if is_glob(text)] == ["a*", "a[b]"]


@pytest.mark.parametrize("expression", ["/(/", "/(?=a)/", r"/(a)\1/", "/a{1,9999}/"])
def test_what_is_no_expression_of_re2_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match="RE2"):
        check_pattern(expression)


def test_no_pattern_takes_more_than_linear_time() -> None:
    began = time.monotonic()
    assert not any_pattern("a" * 200_000, ["/(a*)*b/", "/(a|aa)+b/", "*a*a*a*a*b"])
    assert time.monotonic() - began < 30


_PATTERNS = st.text("ab[]!-*?./\\^c", max_size=9)


@given(_PATTERNS, st.text("ab[]!-./\\^c*\n", max_size=6))
def test_a_glob_as_an_expression_means_the_same(pattern: str, text: str) -> None:
    assert (re2.fullmatch(re2_of(pattern), text) is not None) == glob(pattern)(text)
