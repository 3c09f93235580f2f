"""CVSS vectors into scores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.findings.scores import cvss_of, score_of


@pytest.mark.parametrize(
    ("vector", "hint", "version", "score"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", "", "3.1", 10.0),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "", "3.0", 9.8),
        ("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "3.0", "3.0", 9.8),
        ("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "", "3.1", 9.8),
        ("AV:N/AC:L/Au:N/C:P/I:P/A:P", "", "2.0", 7.5),
        ("(AV:N/AC:L/Au:N/C:P/I:P/A:P)", "2.0", "2.0", 7.5),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "", "4.0", 9.3),
    ],
)
def test_each_version_of_cvss(vector, hint, version, score):
    rating = cvss_of(vector, hint)
    assert (rating.score, rating.version, rating.vector) == (score, version, vector)


@pytest.mark.parametrize(
    "vector", ["", "CVSS:3.1/AV:N", "CVSS:9.9/AV:N", "CVSS:4.0/", "high", "CVSS:3.1/" + "AV:N/" * 999]
)
def test_what_is_no_vector_has_no_score(vector):
    assert cvss_of(vector) is None


@given(
    st.text(max_size=60) | st.text("CVSS:34./AVNLPRUIHME012", max_size=60),
    st.sampled_from(["", "2.0", "3.1", "4.0", "x"]),
)
def test_any_text_has_a_score_or_none(text, hint):
    rating = cvss_of(text, hint)
    assert rating is None or 0 <= rating.score <= 10


@pytest.mark.parametrize(
    ("value", "score"),
    [
        ("7.5", 7.5),
        (10, 10.0),
        (0.0, 0.0),
        ("", None),
        (None, None),
        ("high", None),
        (11, None),
        ("nan", None),
        (True, None),
    ],
)
def test_scores_as_tools_write_them(value, score):
    assert score_of(value) == score
