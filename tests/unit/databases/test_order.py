from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from orchestrator.databases.download import check_url, shown
from orchestrator.databases.interface import DatabaseRefused, Order, parse_moment, spell, sum_of
from orchestrator.model import DatabasePart

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
PART = DatabasePart(
    "db", "https://mirror.example/db", "sha256:aa", built=spell(NOW), version="v6", number=7, files=("db/a",)
)


@pytest.fixture
def order(tmp_path, watch):
    def _order(*before, **more):
        settings = {"max_age": more.pop("max_age", "")}
        return Order(
            settings, tmp_path / "new", 1000, watch, before={part.name: part for part in before}, now=NOW, **more
        )

    return _order


def other(**changes):
    return msgspec.structs.replace(PART, **changes)


@pytest.mark.parametrize("older", [{"number": 6}, {"built": spell(NOW - timedelta(seconds=1))}])
def test_a_mirror_that_goes_back_is_refused(order, older):
    with pytest.raises(DatabaseRefused, match="older"):
        order(PART).judge(other(digest="sha256:bb", **older))


def test_what_is_as_new_or_newer_passes(order):
    order(PART).judge(other(digest="sha256:bb"))
    order(PART).judge(other(number=8, built=spell(NOW + timedelta(hours=1))))


def test_another_mirror_may_be_behind(order):
    order(PART).judge(other(origin="https://inside.example/db", number=1, built=spell(NOW - timedelta(days=3))))


def test_a_mirror_that_stands_still_is_refused_after_a_time(order):
    order(PART, max_age="2d").judge(other(origin="x", built=spell(NOW - timedelta(days=1))))
    with pytest.raises(DatabaseRefused, match="2d"):
        order(max_age="2d").judge(other(built=spell(NOW - timedelta(days=3))))


def test_a_database_from_the_future(order):
    with pytest.raises(DatabaseRefused, match="future"):
        order().judge(other(built=spell(NOW + timedelta(days=2))))


def test_only_the_very_same_is_taken_over(order, tmp_path):
    file = tmp_path / "old" / "db" / "a"
    file.parent.mkdir(parents=True)
    file.write_text("content")
    taken = order(PART, previous=tmp_path / "old", sums={"db/a": sum_of(file)})
    assert taken.reuse(other(files=())) == PART
    assert (tmp_path / "new" / "db" / "a").samefile(file)
    for changed in ({"digest": "sha256:bb"}, {"origin": "elsewhere"}, {"name": "java-db"}):
        assert taken.reuse(other(files=(), **changed)) is None
    file.write_text("changed")
    assert taken.reuse(PART) is None
    file.unlink()
    assert taken.reuse(PART) is None
    file.symlink_to("/etc/passwd")
    assert taken.reuse(PART) is None


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-06-01T12:00:00Z", "2026-06-01T12:00:00Z"),
        ("2026-06-01T14:00:00.123456789+02:00", "2026-06-01T12:00:00Z"),
    ],
)
def test_moments_as_go_writes_them(text, moment):
    assert parse_moment(text, origin="here") == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026-06-01T12:00:00", "0001-01-01T00:00:00+23:00", "9" * 100])
def test_what_is_no_moment(text):
    with pytest.raises(DatabaseRefused):
        parse_moment(text, origin="here")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mirror.example",
        "file:///etc/passwd",
        "ftp://mirror.example",
        "https://",
        "https://me:secret@mirror.example/db",
        "me:secret@mirror.example/db",
        "http://[",
        "https://me:secret@[/db",
        "https://mirror.example:99999/db",
        "https://mirror.example/d b",
    ],
)
def test_what_is_no_url_of_a_mirror(url):
    with pytest.raises(DatabaseRefused) as caught:
        check_url(url)
    assert "secret" not in str(caught.value)


def test_a_url_is_shown_without_what_may_be_secret():
    assert shown("https://me:secret@cdn.example/db?signature=secret#x") == "https://cdn.example/db"
