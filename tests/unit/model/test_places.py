"""What a place is called stays, and its line moves."""

import pytest

from orchestrator.model.places import in_order, line_of, name_of, spell_place


@pytest.mark.parametrize(
    ("given", "place", "name", "line"),
    [
        ({}, "", "", 0),
        ({"line": 3}, "line 3", "", 3),
        ({"line": 3, "end": 3}, "line 3", "", 3),
        ({"line": 3, "end": 5, "column": 7}, "line 3-5, column 7", "", 3),
        ({"name": " aws_s3_bucket.a\nmore", "line": 3}, "aws_s3_bucket.a, line 3", "aws_s3_bucket.a", 3),
        ({"name": "web, line", "line": None}, "web, line", "web, line", 0),
        ({"line": -1, "end": 4, "column": 2}, "", "", 0),
    ],
)
def test_a_place(given, place, name, line):
    assert spell_place(**given) == place
    assert (name_of(place), line_of(place)) == (name, line)
    assert (name_of(f"{place} (2)"), line_of(f"{place} (2)")) == ((name, line) if line else (f"{place} (2)", 0))


def test_a_name_is_bounded():
    assert len(spell_place("x" * 5000, 3)) < 200


def test_the_order_is_that_of_people():
    assert sorted(["line 10", "b", "line 9", "a, line 3"], key=in_order) == ["line 9", "line 10", "a, line 3", "b"]
