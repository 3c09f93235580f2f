"""What each kind of sender sends, as recorded, and what is made of it."""

import copy
import json
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.events import EventSender, SenderName
from orchestrator.errors import PermanentError
from orchestrator.receiving.messages import EventError, EventRequest, Push, PushKind, Unwanted
from orchestrator.receiving.reading import read_sent
from orchestrator.receiving.senders import SENDERS
from orchestrator.receiving.senders.acr import validation_code

PAYLOADS = Path(__file__).with_name("payloads")
DIGEST, COMMIT = f"sha256:{'a' * 64}", "c0ffee" * 6 + "c0ff"
SECRET = "0123456789abcdef"


def sender_of(kind, **changes):
    host = {"host": "example.jfrog.io/docker-local"} if kind == "artifactory" else {}
    return EventSender.model_validate({"name": "it", "kind": kind, "secret": SECRET, **host, **changes})


def recorded(name):
    found = json.loads((PAYLOADS / f"{name}.json").read_text())
    return found["headers"], found["body"]


def read(kind, headers, body, **changes):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_sent(sender_of(kind, **changes), EventRequest(headers, data))


def image(name, tag="1.4", digest=DIGEST):
    return Push(PushKind.IMAGE, name, tag, digest)


@pytest.mark.parametrize(
    ("name", "kind", "pushes"),
    [
        ("distribution", "distribution", [None, image("registry.example:5000/shop/web"), None, None]),
        ("harbor", "harbor", [image("harbor.example/shop/web")]),
        ("harbor-cloudevent", "harbor", [image("harbor.example/shop/web")]),
        ("docker-hub", "docker-hub", [image("docker.io/shop/web", digest="")]),
        ("quay", "quay", [image("quay.io/shop/web", tag, "") for tag in ("1.4", "latest")]),
        ("ghcr", "ghcr", [image("ghcr.io/shop/web")]),
        ("ghcr-package", "ghcr", [image("ghcr.io/shop/web")]),
        ("acr", "acr", [image("shop.azurecr.io/shop/web")]),
        ("acr-grid", "acr", [image("shop.azurecr.io/shop/web")]),
        ("acr-cloudevent", "acr", [image("shop.azurecr.io/shop/web")]),
        ("ecr", "ecr", [image("123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop/web")]),
        ("gar", "gar", [image("europe-docker.pkg.dev/shop/images/web")]),
        ("artifactory", "artifactory", [image("example.jfrog.io/docker-local/shop/web")]),
        ("github", "github", [Push(PushKind.REPOSITORY, "https://github.com/shop/web.git", "main", COMMIT, True)]),
        ("gitlab", "gitlab", [Push(PushKind.REPOSITORY, "https://gitlab.example/shop/web.git", "next", COMMIT)]),
    ],
)
def test_what_a_sender_sends_is_read(name, kind, pushes):
    events = read(kind, *recorded(name))
    assert [event.push for event in events] == pushes
    assert {event.unwanted for event in events if not event.push} <= {Unwanted.NO_PUSH}
    assert {event.source for event in events} == {"/events/it"}


def test_each_kind_that_can_be_configured_has_a_recorded_payload():
    kinds = set(get_args(SenderName))
    assert kinds == set(SENDERS) == {path.stem for path in PAYLOADS.glob("*.json")} & kinds


def test_the_same_push_has_the_same_identity_and_the_next_one_another():
    for name, kind in (("harbor", "harbor"), ("distribution", "distribution"), ("ecr", "ecr"), ("gar", "gar")):
        once, again = (read(kind, *recorded(name)) for _ in range(2))
        assert [event.key for event in once] == [event.key for event in again]
    headers, body = recorded("harbor")
    later = copy.deepcopy(body) | {"occur_at": body["occur_at"] + 60}
    assert read("harbor", headers, body)[0].key != read("harbor", headers, later)[0].key


def test_pushes_that_nothing_distinguishes_are_each_one_of_their_own():
    # Quay names neither a digest nor a moment: the second push of a tag must not pass for the first.
    assert read("quay", *recorded("quay"))[0].key != read("quay", *recorded("quay"))[0].key
    # Artifactory names a digest: a tag that goes back to it is no duplicate of its first push.
    assert len({read("artifactory", *recorded("artifactory"))[0].key for _ in range(2)}) == 2


def test_a_request_of_very_many_events_is_refused_at_once():
    body = {"events": [{"action": "pull"}] * 1001}
    with pytest.raises(EventError, match="1,000 events"):
        read("distribution", {}, body)
    assert len(read("distribution", {}, {"events": body["events"][1:]})) == 1000


def test_the_registry_is_called_as_it_is_configured():
    for name in ("distribution", "harbor", "acr", "ecr", "quay"):
        events = read(name, *recorded(name), host="images.example")
        assert {event.push.name.partition("/")[0] for event in events if event.push} == {"images.example"}


@pytest.mark.parametrize(
    ("name", "kind", "change", "reason"),
    [
        ("distribution", "distribution", {"mediaType": "application/vnd.cncf.helm.config.v1+json"}, "not-an-image"),
        ("distribution", "distribution", {"repository": "Shop/../web"}, "unreadable"),
        ("distribution", "distribution", {"tag": "{{workflow.name}}"}, "unreadable"),
        ("distribution", "distribution", {"digest": "sha256:short"}, "unreadable"),
        ("harbor", "harbor", {"repo_type": "CHART"}, "not-an-image"),
        ("harbor", "harbor", {"type": "DELETE_ARTIFACT"}, "no-push"),
        ("ghcr", "ghcr", {"package_type": "npm"}, "no-push"),
        ("ghcr", "ghcr", {"action": "deleted"}, "no-push"),
        ("ghcr", "ghcr", {"media_type": "application/vnd.cncf.helm.config.v1+json"}, "not-an-image"),
        ("ecr", "ecr", {"action-type": "DELETE"}, "no-push"),
        ("ecr", "ecr", {"result": "FAILURE"}, "no-push"),
        ("ecr", "ecr", {"region": "eu-central-1.evil.example/"}, "unreadable"),
        ("acr", "acr", {"action": "chart_push"}, "no-push"),
        ("artifactory", "artifactory", {"event_type": "deleted"}, "no-push"),
        ("github", "github", {"deleted": True}, "no-push"),
        ("github", "github", {"ref": "refs/heads/../../etc"}, "unreadable"),
        ("github", "github", {"clone_url": "file:///etc"}, "unreadable"),
        ("github", "github", {"after": "--upload-pack=x"}, "unreadable"),
        ("gitlab", "gitlab", {"object_kind": "merge_request"}, "no-push"),
    ],
)
def test_what_is_no_push_of_an_image_says_why(name, kind, change, reason):
    def changed(value):
        if isinstance(value, list):
            return [changed(each) for each in value]
        if isinstance(value, dict):
            return {key: change.get(key, changed(inner)) for key, inner in value.items()}
        return value

    headers, body = recorded(name)
    events = read(kind, headers, changed(body))
    assert reason in {event.unwanted for event in events}
    assert not any(event.push for event in events)
    assert all(event.why for event in events)


def test_a_deleted_tag_of_googles_registry_is_no_push():
    body = {"message": {"data": "eyJhY3Rpb24iOiJERUxFVEUiLCJ0YWciOiJhLmV4YW1wbGUvYi9jOjEifQ=="}}
    assert read("gar", {}, body)[0].unwanted == Unwanted.NO_PUSH


def test_event_grid_is_sent_its_code():
    _, body = recorded("acr-grid")
    body[0] |= {
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": "512d38b6", "validationUrl": "https://rp.example/validate"},
    }
    assert validation_code(json.dumps(body).encode()) == "512d38b6"
    assert validation_code(b"[") == validation_code(json.dumps(recorded("acr")[1]).encode()) == ""


@pytest.mark.parametrize("kind", sorted(SENDERS))
@given(
    data=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("a:/1@{}", max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["events", "event_data", "resources", "target", "package", "data"]), inner
            )
        ),
        max_leaves=8,
    ).map(msgspec.json.encode)
)
def test_anything_else_is_refused_or_of_no_use(kind, data):
    try:
        events = read_sent(sender_of(kind), EventRequest({"x-github-event": "push"}, data))
    except PermanentError:
        return
    assert not any(event.push for event in events)
