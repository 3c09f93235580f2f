"""The best fixed version, ordered as each ecosystem does."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.kit.version_order import CLASSES
from orchestrator.packages.fixes import best_fix, joined
from tests.examples import examples

TEXTS = st.text(
    st.sampled_from(list("0123456789..--~^+:,;|<>=()[] vrabczx_'\"")) | st.characters(exclude_categories=("Cs",)),
    max_size=15,
)


@pytest.mark.parametrize(
    ("ecosystem", "installed", "fixes", "best"),
    [
        # Of one record the lowest above the installed version.
        ("maven", "2.14.1", ["2.3.1, 2.12.2, 2.15.0"], "2.15.0"),
        ("maven", "2.14.1", ["2.17.0, 2.16.0"], "2.16.0"),
        ("npm", "4.0.0", ["1.2.3, 2.0.0"], "1.2.3"),
        # Of several the highest, also where one text holds them all; records that know none say nothing.
        ("npm", "1.0.0", ["1.2.0", "1.5.0"], "1.5.0"),
        ("npm", "1.0.0", ["1.2.0; 1.5.0"], "1.5.0"),
        ("npm", "1.3.0", ["1.2.9, 1.3.4", "1.2.7, 1.3.6"], "1.3.6"),
        ("pypi", "1.8.0", ["1.8.4, 2.0.1; 1.9.1; won't fix"], "1.9.1"),
        ("maven", "2.14.1", ["2.15.0", "2.3.1, 2.16.0"], "2.16.0"),
        ("npm", "1.9.0", ["1.10.0", "1.9.1"], "1.10.0"),
        # Orders that a plain comparison of texts gets wrong.
        ("deb", "2.28-10", ["2.28-10+deb10u2", "2.28-10+deb10u10"], "2.28-10+deb10u10"),
        ("deb", "1.0", ["1.1~rc1", "1.1"], "1.1"),
        ("rpm", "32:9.11-2", ["9.11-10", "32:9.11-9"], "9.11-10"),
        ("apk", "1.1.1k-r0", ["1.1.1l-r10", "1.1.1l-r9"], "1.1.1l-r10"),
        ("pypi", "1.0", ["1.0.post1, 0.9", "1.1rc1"], "1.1rc1"),
        ("gem", "1.0", ["1.1.0.rc2", "1.1.0"], "1.1.0"),
        ("golang", "1.2.3", ["v1.10.0", "1.9.0"], "v1.10.0"),
        ("golang", "1.21.1", ["1.21.11, 1.22.4", "go1.21.9"], "1.21.11"),
        ("nuget", "13.0.0", ["13.0.1", "13.0.1.1"], "13.0.1.1"),
        ("composer", "v5.4.0", ["v5.4.10", "5.4.9"], "v5.4.10"),
        ("cargo", "1.0.0", ["1.0.1", "1.0.1-alpha"], "1.0.1"),
        # Ranges stand for where they begin, notes for nothing.
        ("npm", "2.0.0", [">=2.3.1 <3.0.0 || >=3.1.2"], "2.3.1"),
        ("npm", "3.0.0", [">= 2.3.1, < 3.0.0, >= 3.1.2"], "3.1.2"),
        ("maven", "2.14.1", ["[2.15.0,)"], "2.15.0"),
        ("npm", "1.0.0", ["1.2.0 (recommended)"], "1.2.0"),
        ("deb", "1.0-1", ["1.0-2 (won't fix)"], ""),
        ("deb", "1.0-1", ["(won't fix)", "1.0-2"], "1.0-2"),
        ("deb", "1.0-1", ["not fixed"], ""),
        ("rpm", "1.0^git1", ["1.0^git2, 1.0^git3"], "1.0^git2"),
        # What cannot be ordered is shown as it is.
        ("", "1", ["2, 3", "3"], "2, 3"),
        ("generic", "1", ["2", "3"], "2, 3"),
        ("pypi", "4.0.2", ["fix_1, fix_2"], "fix_1, fix_2"),
        ("pypi", "4.0.2", ["soon", "4.0.3"], "4.0.3"),
        ("npm", "built by hand", ["1.3.0, 1.2.0"], "1.2.0"),
        ("npm", "1.0.0", [""], ""),
    ],
)
def test_best(ecosystem, installed, fixes, best):
    assert best_fix(ecosystem, installed, tuple(fixes)) == best


@pytest.mark.parametrize(
    ("ecosystem", "records", "text"),
    [
        ("pypi", [["1.8.4"], ["1.9.1"]], "1.9.1"),
        ("pypi", [["1.8.4", "2.0.1"], [], ["1.8.4", "2.0.1"]], "1.8.4, 2.0.1"),
        ("pypi", [["1.8.4", "2.0.1"], ["1.8.5", "2.0.0"]], "1.8.5"),
        ("", [["1.8.4", "2.0.1"], ["1.9.1"]], "1.8.4, 2.0.1; 1.9.1"),
        ("pypi", [], ""),
    ],
)
def test_the_fixes_of_several_records(ecosystem, records, text):
    assert joined(ecosystem, "1.8.0", records) == text
    assert best_fix("pypi", "1.8.0", (text,)) in {"", "1.8.4", "1.8.5", "1.9.1"}


@settings(max_examples=examples(40), deadline=None)
@given(st.sampled_from([*CLASSES, "", "x"]), TEXTS, st.lists(TEXTS, max_size=3).map(tuple))
def test_whatever_scanners_write_it_is_one_of_their_texts(ecosystem, installed, fixes):
    best = best_fix(ecosystem, installed, fixes)
    assert best == best_fix(ecosystem, installed, fixes + fixes)
    squeezed = ["".join(each.split()) for each in ("", *fixes)]
    assert all(any("".join(part.split()) in each for each in squeezed) for part in best.split(", "))


def test_a_text_without_end_is_no_version():
    huge = "1" * 100_000
    assert best_fix("npm", "1.0.0", (huge, "1.2.0")) == "1.2.0"
    assert best_fix("npm", "1.0.0", ("(" * 100_000,)) == "(" * 100_000
    many = ", ".join(f"1.{n}.0" for n in range(20_000))
    assert best_fix("npm", "1.5.0", (many,)) == "1.6.0"
