"""Messages as chats, JSON and e-mail: bounded, and unharmed by whatever strangers wrote."""

import email
import hashlib
import hmac
import json
import re
from datetime import UTC, datetime
from email.policy import SMTP
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Severity
from orchestrator.notifications.interface import (
    BrokenRule,
    Change,
    Changes,
    FailedCell,
    FailedCells,
    FirstScan,
    FirstScans,
    Message,
)
from orchestrator.notifications.mail import compose, html, plain
from orchestrator.notifications.slack import payload
from orchestrator.notifications.webhook import body, signed

NOW = datetime(2025, 3, 1, 10, tzinfo=UTC)
HOSTILE = st.one_of(
    st.text(max_size=400),
    st.lists(
        st.sampled_from(["`", "*", "<", ">", "&", "\r\n", "<!channel>", "@here", "&amp;", "Bcc: x@example.com",
                         "\u202e", "\u2028", "\x00", "=?utf-8?q?x?=", "</td>", "<script>", "{{7*7}}", "x"]),
        max_size=30,
    ).map("".join),
)  # fmt: skip


def message(text="openssl", *, number=1, **changes):
    change = Change(
        severity=Severity.HIGH, id=f"CVE {text}", kind="vulnerability", package=text, version=text, fixed_version=text,
        targets=(text, "other:1"), target_count=7, count=9, owners=(text,), note=text,
    )  # fmt: skip
    found = Changes(total=9 * number + 312, severities={"high": 9 * number + 312}, shown=(change,) * number)
    fields = {
        "run": "nightly-1",
        "finished": "2025-03-01T10:00:00Z",
        "passed": False,
        "route": "security",
        "channel": "slack",
        "recipient": "shop@example.com",
        "new": found,
        "fixed": found,
        "gone": found,
        "first": FirstScans(
            targets=number + 5,
            total=90,
            severities={"low": 90},
            shown=(FirstScan(target=text, total=3, severities={"low": 3}, owners=(text,)),) * number,
        ),
        "failed": FailedCells(
            total=number + 2, still=4, shown=(FailedCell(target=text, scan="virus", reason=text),) * number
        ),
        "broken": (BrokenRule(rule="coverage", message=text),) * number,
        "mended": ("severity",),
        "still_broken": ("kev",),
    }
    return Message(**(fields | changes))


def mrkdwn(found):
    return [found["text"], *(block["text"]["text"] for block in found["blocks"] if block["type"] == "section")]


@given(HOSTILE)
def test_no_text_breaks_out_of_slacks_code_spans(text):
    found = payload(message(text))
    assert json.loads(json.dumps(found)) == found
    harmless = payload(message("x" if text.strip() else ""))
    for got, expected in zip(mrkdwn(found), mrkdwn(harmless), strict=True):
        outside = re.sub("`[^`\n]*`", "`x`", got)
        assert "`" not in outside.replace("`x`", "")
        assert not re.search(r"[<>]|&(?!(amp|lt|gt);)", got)
        assert not re.search(r"@(here|channel|all|everyone)\b", got, re.IGNORECASE)
        assert got.count("\n") == expected.count("\n")


@given(HOSTILE)
def test_no_text_breaks_the_headers_or_the_html_of_an_email(text):
    found = compose("0" * 32, message(text, run="nightly-1"), "scanmatrix@example.com", NOW)
    read = email.message_from_bytes(found.as_bytes(), policy=SMTP)
    assert read.keys() == found.keys()
    assert read["To"] == "shop@example.com"
    assert read["Bcc"] is None
    assert [part.get_content_type() for part in read.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert _tags(html(message(text))) == _tags(html(message("x" if text else "")))


@given(st.text(max_size=200))
def test_no_run_breaks_the_headers_of_an_email(run):
    found = compose("0" * 32, message(run=run), "scanmatrix@example.com", NOW)
    read = email.message_from_bytes(found.as_bytes(), policy=SMTP)
    assert read.keys() == found.keys()
    assert len(read["Subject"]) < 200


@given(HOSTILE)
def test_json_holds_what_was_written(text):
    found = json.loads(json.dumps(body("id", message(text))))
    assert found["new"]["shown"][0]["package"] == text


def _tags(text):
    class Tags(HTMLParser):
        def __init__(self):
            super().__init__()
            self.found = []

        def handle_starttag(self, tag, attributes):
            self.found.append((tag, attributes))

        def handle_endtag(self, tag):
            self.found.append(tag)

    parser = Tags()
    parser.feed(text)
    parser.close()
    return parser.found


@pytest.mark.parametrize("text", ["x", "a`&<" * 200])
@pytest.mark.parametrize("number", [1, 10, 500])
def test_slacks_limits(text, number):
    found = payload(message(text, number=number))
    assert len(found["blocks"]) <= 50
    assert len(found["blocks"][0]["text"]["text"]) <= 150
    assert all(0 < len(part) <= 3000 for part in mrkdwn(found)[1:])
    assert len(found["text"]) <= 12_000
    assert len(json.dumps(found)) < 100_000


def test_what_is_not_shown_is_counted():
    texts = "\n".join(mrkdwn(payload(message(number=3)))[1:])
    assert texts.count("and 312 more findings") == 3
    assert "and 5 more targets" in texts
    assert "and 2 more cells" in texts
    # Lines that do not fit are counted too: nine findings each.
    long = next(text for text in mrkdwn(payload(message("y" * 290, number=10)))[1:] if text.startswith("*New"))
    shown = long.count("•")
    assert 0 < shown < 10
    assert f"and {312 + 9 * (10 - shown)} more findings" in long
    assert "and 312 more findings" in plain(message())
    assert html(message()).count("and 312 more findings") == 3
    assert "and 5 more" in html(message())


def test_a_channel_is_named_only_where_there_is_one():
    assert payload(message(recipient="#team-shop"))["channel"] == "#team-shop"
    assert "channel" not in payload(message(recipient=""))


def test_what_did_not_change_is_not_mentioned():
    few = message(fixed=Changes(), gone=Changes(), first=FirstScans(), failed=FailedCells(), broken=(), mended=())
    for text in ("\n".join(mrkdwn(payload(few))), plain(few), html(few)):
        assert "New findings" in text
        assert "Policy" in text
        for other in ("Fixed:", "No longer scanned", "first time", "Failed cells", "broken rule"):
            assert other not in text


def test_the_body_of_a_webhook_has_every_key():
    empty = Message(run="r", finished="", passed=True, route="a", channel="webhook", recipient="")
    found = body("d" * 32, empty)
    assert found == {
        "format": "scanmatrix-notification/1",
        "delivery": "d" * 32,
        "run": "r",
        "finished": "",
        "passed": True,
        "route": "a",
        "correction": False,
        "new": {"total": 0, "severities": {}, "shown": []},
        "first": {"targets": 0, "total": 0, "severities": {}, "shown": []},
        "fixed": {"total": 0, "severities": {}, "shown": []},
        "gone": {"total": 0, "severities": {}, "shown": []},
        "failed": {"total": 0, "still": 0, "shown": []},
        "broken": [],
        "mended": [],
        "still_broken": [],
        "remark": "",
    }


def test_the_signature_is_an_hmac_of_timestamp_and_body():
    headers = signed("id", b'{"a": 1}', "0123456789abcdef", 1_700_000_000)
    expected = hmac.new(b"0123456789abcdef", b'1700000000.{"a": 1}', hashlib.sha256).hexdigest()
    assert headers == {
        "X-Scanmatrix-Delivery": "id",
        "X-Scanmatrix-Timestamp": "1700000000",
        "X-Scanmatrix-Signature-256": f"sha256={expected}",
    }


def test_an_email_is_the_same_but_for_its_date():
    first, second = (compose("0" * 32, message(), "scanmatrix@example.com", NOW) for _ in range(2))
    assert first["Message-ID"] == f"<{'0' * 32}@example.com>"
    assert first["Date"] == "Sat, 01 Mar 2025 10:00:00 +0000"
    assert first["Auto-Submitted"] == "auto-generated"
    boundary = re.compile(rb"={15}\d+==")
    assert boundary.sub(b"", first.as_bytes()) == boundary.sub(b"", second.as_bytes())
