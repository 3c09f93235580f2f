"""The outbox of a run: what was sent, and what is still to be sent, in `results/<run>/notifications/<delivery>.json`.

A file for each delivery, so that writing down how one went costs the same however many there are. They hold no secret:
routes are in them by name, receivers by their e-mail address or channel.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from orchestrator.model.documents import DocumentError, encode, read
from orchestrator.notifications.interface import Delivery, DeliveryState
from orchestrator.volume.layout import write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from orchestrator.notifications.interface import Message

_log = logging.getLogger(__name__)

#: Name of the folder in a run's results.
OUTBOX = "notifications"


def delivery_id(message: Message) -> str:
    """The same for the same content to the same receiver of the same run: 32 hexadecimal digits."""
    return hashlib.sha256(encode(replace(message, correction=False))).hexdigest()[:32]


class Outbox:
    """The deliveries of one run; every change is written at once, so that a cut-off process tells nothing twice.

    Trouble with the volume is logged, for it must not keep anybody from being told.

    Args:
        results: the run's results folder.
    """

    def __init__(self, results: Path) -> None:
        self._folder = results / OUTBOX
        self._deliveries = {each.id: each for each in self._read()}

    def deliveries(self) -> tuple[Delivery, ...]:
        """All of them, by route and receiver."""
        return tuple(sorted(self._deliveries.values(), key=lambda each: (each.route, each.recipient, each.id)))

    def add(self, messages: Iterable[Message]) -> tuple[Delivery, ...]:
        """Put messages in, as far as they are not in it already.

        One whose receiver got a different message about the same run becomes a correction; one that takes the place of
        what its receiver was not told yet drops that.

        Returns:
            The delivery of each message.
        """
        earlier: dict[tuple[str, str], list[Delivery]] = defaultdict(list)
        for each in self._deliveries.values():
            earlier[each.route, each.recipient].append(each)
        return tuple(
            self._deliveries.get(delivery_id(message)) or self._new(message, earlier[message.route, message.recipient])
            for message in messages
        )

    def put(self, delivery: Delivery) -> None:
        """Write how a delivery went."""
        self._deliveries[delivery.id] = delivery
        path = self._path(delivery)
        try:
            write_atomic(path, encode(delivery))
        except OSError as error:
            _log.warning("%s cannot be written: %s; what was sent may be sent again", path, error.strerror)

    def _new(self, message: Message, earlier: list[Delivery]) -> Delivery:
        for each in earlier:
            if each.state is not DeliveryState.SENT:
                del self._deliveries[each.id]
                with suppress(OSError):
                    self._path(each).unlink(missing_ok=True)
        delivery = Delivery(
            id=delivery_id(message),
            route=message.route,
            channel=message.channel,
            recipient=message.recipient,
            message=replace(message, correction=any(each.state is DeliveryState.SENT for each in earlier)),
        )
        self.put(delivery)
        return delivery

    def _path(self, delivery: Delivery) -> Path:
        return self._folder / f"{delivery.id}.json"

    def _read(self) -> Iterator[Delivery]:
        if not self._folder.is_dir():
            return
        for path in sorted(self._folder.glob("[0-9a-f]*.json")):
            try:
                yield read(path, Delivery)
            except (DocumentError, OSError) as error:
                _log.warning("%s is passed over; what it says was sent may be sent again: %s", path, error)
