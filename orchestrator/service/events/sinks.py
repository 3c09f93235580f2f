"""CloudEvents that sinks are sent: a run that an event started has begun, stands otherwise, or has ended.

They are written in the transaction of what they tell, and posted one after the other for each run and sink, again and
again until the sink accepts or refuses them, or a day has passed.
"""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.config.secret import reveal
from orchestrator.errors import TemporaryError, UsageError
from orchestrator.notifications.http import post
from orchestrator.notifications.interface import (
    DeliveryRefusedError,
    DeliveryUncertainError,
    Pace,
)
from orchestrator.notifications.webhook import signed
from orchestrator.receiving.cloudevents import STRUCTURED
from orchestrator.receiving.messages import digest_of
from orchestrator.store.inbox.messages import OutgoingEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.events import EventsSection
    from orchestrator.store.inbox.messages import InboxEntry

STARTED, CHANGED, FINISHED = (f"io.scanmatrix.run.{what}" for what in ("started", "status.changed", "finished"))
_SOURCE = "/api/v1/runs"
#: Seconds for which a sink may be away, and pauses between two attempts.
KEPT_TRYING = 86_400
_FIRST_WAIT, _LONGEST_WAIT = 2, 600
#: One is over before its lease is, however slowly a sink answers.
_PACE = Pace(each=15, connect=5, answer=10, retries=0)
_log = logging.getLogger(__name__)


class _Sink(NamedTuple):
    url: str
    secret: str


class EventSinks:
    """Makes CloudEvents for sinks, and sends them.

    Args:
        section: names them.
        environment: variable to value, for secrets.

    Raises:
        UnsetSecretError: a variable that a secret is to come from is not set.
    """

    def __init__(self, section: EventsSection, environment: Mapping[str, str]) -> None:
        self._sinks: dict[str, _Sink] = {}
        for place, sink in enumerate(section.sinks):
            key = f"events.sinks[{place}]"
            url = reveal(sink.url, environment, f"{key}.url")
            secret = reveal(sink.secret, environment, f"{key}.secret") if sink.secret else ""
            self._sinks[digest_of(url)] = _Sink(url, secret)

    @property
    def names(self) -> tuple[str, ...]:
        """Of each sink the digest of its URL."""
        return tuple(self._sinks)

    def of(self, entry: InboxEntry, run: str, kind: str, number: str, **data: Any) -> list[OutgoingEvent]:
        """What sinks are sent about a run.

        Args:
            entry: the event that started it.
            run: its id; empty for none.
            kind: type of the CloudEvent.
            number: tells it from others about the same run.
            data: what there is to say, beside what it is about.
        """
        event = entry.event
        about = {
            "run": run,
            "target": event.push.target if event.push else "",
            "digest": event.push.digest if event.push else "",
            "sender": event.sender,
            "rule": event.rule,
            "event": {"source": event.source, "id": event.event},
        }
        line = run or f"event-{entry.id}"
        return self.told(line, kind, f"{line}-{number}", about | data)

    def told(self, line: str, kind: str, id_: str, data: Mapping[str, Any], **attributes: str) -> list[OutgoingEvent]:
        """What sinks are sent about anything.

        Args:
            line: what it is about; what is about the same is sent in order.
            kind: type of the CloudEvent.
            id_: of the CloudEvent.
            data: what there is to say.
            attributes: further ones of the CloudEvent.
        """
        body = _spell(id_, kind, line, dict(data), attributes)
        return [OutgoingEvent(sink, line, kind, body) for sink in self._sinks]

    def send(self, outgoing: OutgoingEvent) -> int | None:
        """Tell it once.

        Returns:
            Seconds after which to try again; None when that is over, one way or the other.
        """
        sink = self._sinks.get(outgoing.sink)
        if sink is None:
            _log.warning("%s of %s is not told: its sink is configured no more", outgoing.type, outgoing.run)
            return None
        body = outgoing.body.encode()
        headers = {"Content-Type": STRUCTURED}
        if sink.secret:
            headers |= signed(f"{outgoing.run}-{outgoing.id}", body, sink.secret, int(time.time()))
        try:
            post(sink.url, body, headers, pace=_PACE, until=time.monotonic() + _PACE.each, secrets=(sink.secret,))
        except (TemporaryError, DeliveryUncertainError) as error:
            # Of one that may have been taken already its receiver knows the id.
            return self._later(outgoing, error)
        except (DeliveryRefusedError, UsageError) as error:
            _log.warning("%s of %s cannot be sent: %s", outgoing.type, outgoing.run, error, extra={"run": outgoing.run})
        return None

    @staticmethod
    def _later(outgoing: OutgoingEvent, error: TemporaryError | DeliveryUncertainError) -> int | None:
        if time.time() - outgoing.at > KEPT_TRYING:
            _log.warning("%s of %s could not be sent within a day: %s", outgoing.type, outgoing.run, error)
            return None
        asked = int(error.retry_after or 0) if isinstance(error, TemporaryError) else 0
        grown: int = _FIRST_WAIT * 2 ** min(outgoing.attempts, 10)
        return min(_LONGEST_WAIT, max(asked, grown))


def _spell(id_: str, kind: str, subject: str, data: dict[str, Any], further: Mapping[str, str]) -> str:
    from cloudevents.core.bindings.http import to_structured_event  # noqa: PLC0415 - only the service has it
    from cloudevents.core.v1.event import CloudEvent  # noqa: PLC0415

    attributes = {
        "source": _SOURCE,
        **further,
        "id": id_,
        "type": kind,
        "subject": subject,
        "time": datetime.now(UTC),
        "datacontenttype": "application/json",
    }
    return to_structured_event(CloudEvent(attributes, data)).body.decode()
