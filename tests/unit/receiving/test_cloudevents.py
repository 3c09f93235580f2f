"""CloudEvents over HTTP, and what is none."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kit.foreign_json import ForeignJsonError
from orchestrator.receiving.cloudevents import BATCH, MOST_EVENTS, STRUCTURED, read_events
from orchestrator.receiving.messages import EventError, EventRequest, EventTypeError, PushKind, Unwanted
from orchestrator.receiving.reading import read_standard

EVENT = {
    "specversion": "1.0",
    "id": "4711",
    "source": "/ci/shop",
    "type": "io.scanmatrix.image.pushed",
    "time": "2026-11-20T10:00:00Z",
    "data": {"image": "registry.example/shop/web:1.4"},
}


def structured(event, kind=STRUCTURED):
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return EventRequest({"content-type": kind}, body)


def binary(headers=(), body=b"{}"):
    own = {"ce-specversion": "1.0", "ce-id": "4711", "ce-source": "/ci", "ce-type": "io.scanmatrix.image.pushed"}
    return EventRequest({"content-type": "application/json", **own, **dict(headers)}, body)


def test_the_three_modes_say_the_same():
    names = {name: value for name, value in EVENT.items() if name != "data"}
    headers = {f"ce-{name}": value for name, value in names.items()}
    data = json.dumps(EVENT["data"], separators=(",", ":")).encode()
    found = [
        read_events(structured(EVENT)),
        read_events(structured([EVENT], BATCH)),
        read_events(EventRequest({"content-type": "application/json; charset=utf-8", **headers}, data)),
    ]
    assert found[0] == found[1] == found[2]
    assert found[0][0].data == data


def test_what_is_kept_for_jobs_is_the_same_in_all_modes():
    keptn = {"shkeptncontext": "c-1", "triggeredid": "t-1", "gitcommitid": "0" * 40}
    event = EVENT | keptn | {"type": "sh.keptn.event.test.triggered", "subject": "x", "other": "not kept"}
    headers = {f"ce-{name}": value for name, value in event.items() if name != "data"}
    data = json.dumps(EVENT["data"], separators=(",", ":")).encode()
    found = [
        read_standard(structured(event)),
        read_standard(structured([event], BATCH)),
        read_standard(EventRequest({"content-type": "application/json", **headers}, data)),
    ]
    wholes = [json.loads(one.whole()) for (one,) in found]
    assert wholes[0] == wholes[1] == wholes[2]
    assert wholes[0] == {name: value for name, value in event.items() if name != "other"}


def test_an_extension_that_is_no_text_is_refused():
    with pytest.raises(ForeignJsonError, match="gitcommitid"):
        read_events(structured(EVENT | {"gitcommitid": 5}))


def test_data_may_be_base64():
    coded = {name: value for name, value in EVENT.items() if name != "data"} | {"data_base64": "eyJpbWFnZSI6ImEifQ=="}
    assert read_events(structured(coded))[0].data == b'{"image":"a"}'


def test_headers_are_percent_encoded_and_may_be_quoted():
    (found,) = read_events(binary({"ce-subject": '"gr%C3%BCn%20\\"x\\""'}))
    assert found.subject == 'grün "x"'
    with pytest.raises(EventError, match="UTF-8"):
        read_events(binary({"ce-subject": "%ff"}))


@pytest.mark.parametrize(
    "change",
    [
        {"id": ""}, {"id": None}, {"source": ""}, {"type": ""}, {"specversion": "0.3"}, {"specversion": ""},
        {"time": "yesterday"}, {"time": "2026-11-20T10:00:00"}, {"subject": ""}, {"id": "x" * 600},
        {"id": "a\x00b"}, {"source": "\u202e/ci"},
    ],
)  # fmt: skip
def test_what_the_specification_forbids_is_refused(change):
    with pytest.raises(EventError):
        read_events(structured({**EVENT, **change}))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff", b'{"id":"1","ID":"2"}', b'{"id":1}', b"[" * 100_000, b'{"data":NaN}']
)
def test_a_body_that_two_readers_could_read_as_two_is_refused(body):
    with pytest.raises((ForeignJsonError, EventError)):
        read_events(structured(body))


def test_other_media_types_are_named():
    with pytest.raises(EventTypeError, match="text/plain"):
        read_events(structured(EVENT, "text/plain"))
    with pytest.raises(EventTypeError, match="xml"):
        read_events(structured({**EVENT, "datacontenttype": "application/xml"}))


def test_a_batch_is_bounded():
    assert read_events(structured([], BATCH)) == ()
    with pytest.raises(EventError, match="at most"):
        read_events(structured([EVENT] * (MOST_EVENTS + 1), BATCH))


def test_an_image_or_commits_may_be_sent_by_anybody():
    (found,) = read_standard(structured(EVENT))
    assert (found.push.name, found.push.tag, found.push.kind) == ("registry.example/shop/web", "1.4", PushKind.IMAGE)
    commit = {"repository": "https://git.example/shop.git", "ref": "main", "commit": "a" * 40}
    pushed = {**EVENT, "type": "io.scanmatrix.repository.pushed", "data": commit}
    (found,) = read_standard(structured(pushed))
    assert (found.push.target, found.push.digest) == ("https://git.example/shop.git#main", "a" * 40)
    (found,) = read_standard(structured({**EVENT, "type": "com.example.other"}))
    assert (found.push, found.unwanted) == (None, Unwanted.NO_PUSH)


@given(
    st.dictionaries(
        st.sampled_from([*EVENT, "data_base64"]), st.text("a1:/-\0\u202e", max_size=20) | st.integers() | st.none()
    )
)
def test_any_object_is_read_or_refused(event):
    with suppress(EventError, ForeignJsonError):
        read_standard(structured({**EVENT, **event}))
