"""Which events are kept because jobs may be about them, beside or instead of a scan."""

import json
from collections import Counter

import anyio
import pytest

from orchestrator.config.events import EventsSection
from orchestrator.kit.foreign_json import ForeignJsonError
from orchestrator.receiving.cloudevents import STRUCTURED
from orchestrator.receiving.messages import EventRequest
from orchestrator.receiving.reading import read_sent, read_standard
from orchestrator.service.events.receiver import EventReceiver
from orchestrator.store.inbox.messages import JOBS, Acceptance

JOB_SECTION = {
    "git": {"url": "https://git.example/jobs.git"},
    "events": ["com.example.*", "io.scanmatrix.image.pushed"],
}
RULES = [{"name": "all", "images": ["registry.example/*"]}]
IMAGE = {"image": "registry.example/shop/web:1"}


class Inbox:
    """Keeps what it has not had before."""

    def __init__(self):
        self.kept = {}

    def accept(self, events, *, settle, most):
        new = frozenset(event.key for event in events if event.key not in self.kept)
        self.kept |= {event.key: event for event in events}
        return Acceptance(new, 0)


class Receiving:
    def __init__(self, **section):
        self.inbox, self.counted = Inbox(), Counter()
        found = EventsSection(**{"rules": RULES, "jobs": JOB_SECTION} | section)
        self.receiver = EventReceiver(
            found,
            self.inbox,
            count=lambda sender, outcome, number: self.counted.update({str(outcome): number}),
            wake=lambda: None,
        )

    def receive(self, *events, sender="cloudevents"):
        async def run():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.receiver.run)
                receipt = await self.receiver.receive(sender, events)
                tasks.cancel_scope.cancel()
            return receipt

        return anyio.run(run)

    @property
    def kept(self):
        return sorted((event.rule, bool(event.push), bool(event.whole)) for event in self.inbox.kept.values())


def event(kind="com.example.built", data=None, **more):
    whole = {"specversion": "1.0", "id": "1", "source": "/ci", "type": kind, "data": IMAGE if data is None else data}
    [found] = read_standard(EventRequest({"content-type": STRUCTURED}, json.dumps(whole | more).encode()))
    return found


def test_an_event_of_any_type_that_jobs_are_about_is_kept_whole():
    receiving = Receiving()
    assert receiving.receive(event()) == (1, {})
    assert receiving.kept == [(JOBS, False, True)]
    [kept] = receiving.inbox.kept.values()
    assert json.loads(kept.whole)["data"] == IMAGE
    assert receiving.receive(event()) == (0, {"duplicate": 1})


def test_others_are_of_no_use():
    assert Receiving().receive(event("org.example.built")) == (0, {"no-push": 1})
    assert Receiving(jobs=None).receive(event()) == (0, {"no-push": 1})


def test_a_push_may_be_scanned_and_start_jobs_which_are_two_things():
    receiving = Receiving()
    assert receiving.receive(event("io.scanmatrix.image.pushed")) == (1, {})
    assert receiving.kept == [(JOBS, False, True), ("all", True, False)]
    assert receiving.receive(event("io.scanmatrix.image.pushed")) == (0, {"duplicate": 1})
    receiving = Receiving(rules=[])
    assert receiving.receive(event("io.scanmatrix.image.pushed")) == (1, {})
    assert receiving.kept == [(JOBS, False, True)]


def test_a_push_of_a_registry_may_start_jobs_too():
    section = {"name": "hub", "kind": "docker-hub", "secret": "s" * 16}
    receiving = Receiving(senders=[section])
    body = {"push_data": {"tag": "1", "pushed_at": 5}, "repository": {"repo_name": "shop/web"}}
    [sent] = read_sent(EventsSection(senders=[section]).senders[0], EventRequest({}, json.dumps(body).encode()))
    assert receiving.receive(sent, sender="hub") == (1, {})
    [kept] = receiving.inbox.kept.values()
    whole = json.loads(kept.whole)
    assert (whole["type"], whole["source"]) == ("io.scanmatrix.image.pushed", "/events/hub")
    assert whole["data"] == {"image": "docker.io/shop/web:1", "tag": "1"}


def test_an_event_that_says_too_much_is_counted_as_such():
    receiving = Receiving()
    assert receiving.receive(event(data={"text": "x" * 600_000})) == (0, {"too-large": 1})
    assert receiving.counted == {"too-large": 1}
    assert receiving.receive(event("io.scanmatrix.image.pushed", data=IMAGE | {"more": "x" * 600_000})) == (1, {})
    assert receiving.kept == [("all", True, False)]


def test_data_that_is_no_json_is_refused_before_it_is_kept():
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/ci", "ce-type": "com.example.built"}
    headers["content-type"] = "application/json"
    receiving = Receiving()
    for body in (b"{", b'"\xff"', b"1 2", b'{"a": 1}, "id": "other"'):
        [found] = read_standard(EventRequest(headers, body))
        with pytest.raises(BaseExceptionGroup) as caught:
            receiving.receive(found)
        assert isinstance(caught.value.exceptions[0], ForeignJsonError)
    assert receiving.inbox.kept == {}
