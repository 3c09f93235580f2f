"""Headers with a grammar: read as their specifications say, and in linear time whatever they are."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kit.http_headers import (
    FIELD_LIMIT,
    Challenge,
    HeaderError,
    asked_wait,
    challenges,
    is_throttled,
    next_link,
    range_start,
    whole_number,
)


def bearer(**parameters: str) -> Challenge:
    return Challenge("bearer", parameters)


@pytest.mark.parametrize(
    ("fields", "read"),
    [
        (
            ['Bearer realm="https://auth.example/token",service="registry",scope="repository:a/b:pull,push"'],
            [bearer(realm="https://auth.example/token", service="registry", scope="repository:a/b:pull,push")],
        ),
        (['bEARER REALM="a", Basic realm="b"'], [bearer(realm="a"), Challenge("basic", {"realm": "b"})]),
        (['Basic realm="b"', 'Bearer realm="a"'], [Challenge("basic", {"realm": "b"}), bearer(realm="a")]),
        (["Negotiate", "Basic"], [Challenge("negotiate"), Challenge("basic")]),
        (['Negotiate YII+/a==, Bearer realm="a"'], [Challenge("negotiate"), bearer(realm="a")]),
        ([r'Bearer realm="a\"b\\c, Basic realm=\"x"'], [bearer(realm='a"b\\c, Basic realm="x')]),
        (['Bearer  realm = "a" ,, service = b , '], [bearer(realm="a", service="b")]),
        (['Bearer realm="a" service="b"'], [bearer(realm="a", service="b")]),
        (["Bearer realm=https://auth.example/token?x=1,service=b"],
         [bearer(realm="https://auth.example/token?x=1", service="b")]),
        (['Bearer realm=""'], [bearer(realm="")]),
        # beside the grammar, as registries write it and other clients read it
        (['Bearer realm="a",service=,scope="b"'], [bearer(realm="a", service="", scope="b")]),
        (['Bearer realm="a",service='], [bearer(realm="a", service="")]),
        (['Bearer realm="a"; service="b";scope=c'], [bearer(realm="a", service="b", scope="c")]),
        (['Bearer realm="a",service=b.example:5000,scope=repository:a/b:pull'],
         [bearer(realm="a", service="b.example:5000", scope="repository:a/b:pull")]),
        (['Bearer realm="a",\r\n\tservice="b"'], [bearer(realm="a", service="b")]),
        (['Bearer realm="a",error="invalid_token",error_description=gone away'],
         [bearer(realm="a", error="invalid_token", error_description="gone"), Challenge("away")]),
        # what comes before the place that cannot be read
        (['Bearer realm="a",service=Docker Registry,scope="b"'],
         [bearer(realm="a", service="Docker"), Challenge("registry")]),
        (['Basic realm="x", Bearer realm="a'], [Challenge("basic", {"realm": "x"})]),
        (['Basic realm="x"', 'Bearer realm="a'], [Challenge("basic", {"realm": "x"})]),
        (['"', 'Bearer realm="a"'], [bearer(realm="a")]),
        # several in one
        (['Basic realm="x", Bearer realm="a",service="s"'],
         [Challenge("basic", {"realm": "x"}), bearer(realm="a", service="s")]),
        (['Negotiate, Bearer realm="a"'], [Challenge("negotiate"), bearer(realm="a")]),
        (['Negotiate abc==, NTLM, Digest qop="auth,auth-int", nonce="x==", Bearer realm="a"'],
         [Challenge("negotiate"), Challenge("ntlm"), Challenge("digest", {"qop": "auth,auth-int", "nonce": "x=="}),
          bearer(realm="a")]),
        (['Basic realm=our registry, Bearer realm="a"'],
         [Challenge("basic", {"realm": "our"}), Challenge("registry"), bearer(realm="a")]),
        (["Basic , Bearer realm=a"], [Challenge("basic"), bearer(realm="a")]),
        # a challenge of RFC 9110, 11.6.1
        (['Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""'],
         [Challenge("basic", {"realm": "simple"}),
          Challenge("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'})]),
        (["", " , "], []),
    ],
)  # fmt: skip
def test_challenges(fields, read):
    assert challenges(fields) == tuple(read)


@pytest.mark.parametrize(
    "field", ['Bearer realm="a', "=", '"', 'Bearer realm="a", REALM="b"', 'Basic@x realm="a"', "é"]
)
def test_challenges_that_no_two_readers_would_read_alike(field):
    with pytest.raises(HeaderError):
        challenges([field])


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        (['</v2/_catalog?last=b&n=2>; rel="next"'], "/v2/_catalog?last=b&n=2"),
        (["</a?x=1,2;3>;rel=next"], "/a?x=1,2;3"),
        (["<b>; rel=prev, <c>; title=\"a, <d>; rel=next\"; rel='x next'"], None),
        (['<b>; rel=prev, <c>; title="a, <d>; rel=next"; rel="first NEXT"'], "c"),
        (["<b>; rel=prev", "<c>; REL=next"], "c"),
        (["<c>; rel=prev; rel=next"], None),
        (["<c>"], None),
        (["<c>;"], None),
        ([], None),
    ],
)
def test_links(fields, target):
    try:
        assert next_link(fields) == target
    except HeaderError:
        assert "'" in fields[0]


@pytest.mark.parametrize("field", ["c; rel=next", "<c; rel=next", "<c> rel=next", '<c>; rel="next'])
def test_links_that_are_none(field):
    with pytest.raises(HeaderError):
        next_link([field])


def test_only_fields_of_an_honest_length_are_read():
    long = f'Bearer realm="{"a" * FIELD_LIMIT}"'
    for read in (challenges, next_link):
        with pytest.raises(HeaderError):
            read([long])


@given(st.text(alphabet='<>;,=" \\\taB9-_:/', max_size=200))
def test_any_text_is_read_or_refused(text):
    for read in (challenges, next_link):
        with suppress(HeaderError):
            read([text])


@pytest.mark.parametrize("unit", ['a="', "a=,", "<a>;", ", ", "a ", "a a=b,", '\\"', "=", '"\\', "Bearer a="])
def test_the_longest_field_costs_little(unit):
    field = (unit * FIELD_LIMIT)[:FIELD_LIMIT]
    began = time.process_time()
    for read in (challenges, next_link):
        with suppress(HeaderError):
            read([field])
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), (" 12 ", 12), ("9" * 18, int("9" * 18)), ("9" * 19, None), ("9" * 5000, None), ("-1", None),
     ("1e3", None), ("٣", None), ("²", None), ("1_0", None), ("", None), (None, None)],
)  # fmt: skip
def test_numbers(text, value):
    assert whole_number(text) == value


@pytest.mark.parametrize(
    ("text", "start"),
    [("bytes 5-9/20", 5), ("bytes 5-9/*", 5), ("Bytes 0-0/1", 0), ("bytes 9-5/20", None), ("bytes 5-25/20", None),
     ("bytes */20", None), ("items 5-9/20", None), ("bytes 5-9", None),
     (f"bytes {'9' * 5000}-9/*", None), (None, None)],
)  # fmt: skip
def test_ranges(text, start):
    assert range_start(text) == start


NOW = 1_750_000_000.0  # Sun, 15 Jun 2025 15:06:40 GMT


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30),
        ({"retry-after": " 0 "}, 0),
        ({"Retry-After": "Sun, 15 Jun 2025 15:07:10 GMT"}, 30),
        ({"Retry-After": "Sunday, 15-Jun-25 15:07:10 GMT"}, 30),  # RFC 850
        ({"Retry-After": "Sun Jun 15 15:07:10 2025"}, 30),  # asctime, in UTC
        ({"Retry-After": "Sun, 15 Jun 2025 15:00:00 GMT"}, 0),
        ({"Retry-After": "1750000030"}, 30),  # Docker Hub
        ({"Retry-After": "1750000030000"}, 30),
        ({"Retry-After": "1749999999"}, 0),
        ({"X-Retry-After": "1750000030"}, 30),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1750000600"}, 600),  # GitHub
        ({"X-RateLimit-Remaining": "17", "X-RateLimit-Reset": "1750000600"}, None),
        ({"X-RateLimit-Reset": "1750000600"}, 600),
        ({"RateLimit-Remaining": "0;w=21600", "RateLimit-Reset": "60"}, 60),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1750000600", "Retry-After": "5"}, 5),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "0.25"}, 0.25),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1750000030.5"}, 30.5),  # Discord
        # Our clock is an hour fast; theirs is what a moment of theirs is compared with.
        ({"Retry-After": "Sun, 15 Jun 2025 14:07:10 GMT", "Date": "Sun, 15 Jun 2025 14:06:40 GMT"}, 30),
        ({"Retry-After": "1749996430", "date": "Sun, 15 Jun 2025 14:06:40 GMT"}, 30),
        ({"Retry-After": "30", "Date": "Sun, 15 Jun 2025 14:06:40 GMT"}, 30),
        ({"Retry-After": "Sun, 15 Jun 2025 15:07:10 GMT", "Date": "today"}, 30),
        ({"Retry-After": "1.5.2"}, None),
        ({"Retry-After": ".5"}, None),
        ({"Retry-After": "1." + "9" * 4000}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "9" * 4000}, None),
        ({"Retry-After": "Sun, 99 Jun 2025 15:07:10 GMT"}, None),
        ({"Retry-After": "Sun, " * 10_000}, None),
        ({"Retry-After": "Sun, 15 Jun 999999999 15:07:10 GMT"}, None),
    ],
)
def test_how_long_an_answer_asks_us_to_wait(headers: dict[str, str], wait: float | None) -> None:
    assert asked_wait(headers, now=NOW) == wait


@pytest.mark.parametrize(
    ("headers", "throttled"),
    [
        ({}, False),
        ({"X-RateLimit-Remaining": "0"}, True),
        ({"X-RateLimit-Remaining": "4999", "X-RateLimit-Reset": "1750000600"}, False),
        ({"Retry-After": "60"}, True),
    ],
)
def test_a_refusal_of_the_moment(headers: dict[str, str], *, throttled: bool) -> None:
    assert is_throttled(headers) is throttled


@given(st.dictionaries(st.sampled_from(["Retry-After", "X-RateLimit-Reset", "X-RateLimit-Remaining"]), st.text()))
def test_whatever_is_written_there_is_a_wait_or_none(headers: dict[str, str]) -> None:
    wait = asked_wait(headers, now=NOW)
    assert wait is None or wait >= 0
