"""What the URL of a service must be, and that no URL ends in an exception, however hostile its author."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kit.urls import judge_web_url, split_url

ODD = st.text(
    st.sampled_from(list("htps:/[]@%?#.:0129x ٣²\0")) | st.characters(exclude_categories=("Cs",)), max_size=30
)


@pytest.mark.parametrize(
    "url", ["https://host", "http://host:8080/path?x=1#y", "https://[::1]:443/", "HTTPS://host/", "https://host:0"]
)
def test_what_is_the_url_of_a_service(url):
    assert judge_web_url(url) == ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host",
        "https://",
        "http://[",
        "https://host:99999",
        "https://host:" + "9" * 5000,
        "https://ho st/",
        "https://host/\n",
        "ftp://host/",
        "file:///etc/passwd",
        "https://user@host/",
        "https://user:secret@host/",
        "https://@host/",
        "https://host/{parameter.x}",
    ],
)
def test_what_is_none(url):
    mistake = judge_web_url(url)
    assert mistake
    assert "secret" not in mistake


def test_how_to_write_it_is_said_as_its_place_wants_it():
    assert "https://host/folder" in judge_web_url("x", written="https://host/folder")
    assert judge_web_url("https://me@host", login="no login") == "no login"


@given(ODD | ODD.map("https://{}".format) | ODD.map("http://[{}".format))
def test_whatever_is_written_is_judged(url):
    parts = split_url(url)
    assert judge_web_url(url) or (parts is not None and parts.hostname)
    assert parts is None or parts.port is None or parts.port >= 0
