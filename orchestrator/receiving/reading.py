"""From a request to the events in it, by any sender."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from orchestrator.receiving.cloudevents import MOST_EVENTS, is_cloud_event, read_events
from orchestrator.receiving.messages import EventError
from orchestrator.receiving.own import read_own
from orchestrator.receiving.senders import SENDERS
from orchestrator.receiving.senders.interface import Incoming, event_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.config.events import EventSender
    from orchestrator.receiving.messages import EventRequest, ReceivedEvent

#: Headers by which senders know a delivery again.
_IDS = ("x-github-delivery", "x-gitlab-event-uuid")


def read_standard(delivery: EventRequest) -> tuple[ReceivedEvent, ...]:
    """The events of a request to `/events`, which are CloudEvents.

    Raises:
        EventTypeError: it is of no media type in which events come.
        EventError: an event is not what the specification says.
        ForeignJsonError: the body, or the data of an event, is not what it claims to be.
    """
    return tuple(read_own(event) for event in read_events(delivery))


def read_sent(sender: EventSender, delivery: EventRequest) -> tuple[ReceivedEvent, ...]:
    """The events of a request to a sender's own path.

    Raises:
        EventTypeError: as `read_standard`, of a sender that sends CloudEvents.
        EventError: likewise; or there are too many in it.
        ForeignJsonError: the body is not what such a sender sends.
    """
    kind = SENDERS[sender.kind]
    every = (event_of(incoming, told) for incoming in _incoming(sender, delivery) for told in kind.read(incoming))
    found = tuple(islice(every, MOST_EVENTS + 1))
    if len(found) > MOST_EVENTS:
        raise EventError(f"a request with more than {MOST_EVENTS:,} events; send fewer at once")
    return found


def _incoming(sender: EventSender, delivery: EventRequest) -> Iterator[Incoming]:
    host = sender.host or ""
    if is_cloud_event(delivery):
        for event in read_events(delivery):
            yield Incoming(sender.name, host, event.type, event.id, event.data)
        return
    header = SENDERS[sender.kind].type_header
    named = next((delivery.headers[name] for name in _IDS if name in delivery.headers), "")
    yield Incoming(sender.name, host, delivery.headers.get(header, "") if header else "", named, delivery.body)
