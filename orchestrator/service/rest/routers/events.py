"""`/events`: CloudEvents from anybody who may submit, and webhooks of registries and git hosts, each at its own path.

What is accepted is kept before it is answered. What is of no use is answered with success as well, and counted: senders
repeat everything else without end.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Path, Request, Response

from orchestrator.config.events import STANDARD
from orchestrator.kit.http_headers import FIELD_LIMIT
from orchestrator.receiving.messages import EventRequest
from orchestrator.receiving.proof import check_proof
from orchestrator.receiving.reading import read_sent, read_standard
from orchestrator.receiving.senders import SENDERS
from orchestrator.service.rest.answers import JsonAnswer
from orchestrator.service.rest.caller import SUBMITS, Caller, Role
from orchestrator.service.rest.problems import AbsentError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.config.events import EventSender
    from orchestrator.receiving.messages import ReceivedEvent
    from orchestrator.service.events.receiver import EventReceiver

router = APIRouter(tags=["events"])
SenderId = Annotated[str, Path(description="The sender's name in the configuration", max_length=63)]
Secret = Annotated[str, Path(description="The secret of a sender that cannot prove itself otherwise", max_length=512)]
#: Events a minute that a sender of the standard form may send (CloudEvents, "HTTP Webhook", 4.2.2).
_RATE = "12000"
_LONG = 16 * 1024
T = TypeVar("T")


@router.post("/events", summary="Send CloudEvents", operation_id="send_events", status_code=202, dependencies=[SUBMITS])
async def send(request: Request) -> Response:
    """CloudEvents 1.0, structured, binary or a batch; 202 once they are kept, 200 where none of them is of use."""
    delivery = await _delivery(request)
    return await _receive(request, STANDARD, await _read(delivery, partial(read_standard, delivery)))


@router.options("/events", include_in_schema=False, dependencies=[SUBMITS])
async def shake_hands(request: Request) -> Response:
    """Whether events may be sent here."""
    return _handshake(request)


@router.post("/events/{sender}", summary="Send events of a registry or git host", operation_id="send_sender_events",
             status_code=202)  # fmt: skip
async def send_as(sender: SenderId, request: Request) -> Response:
    """The webhook of a sender that the configuration names, which proves itself by a header."""
    return await _sent(request, sender, "")


@router.post("/events/{sender}/{secret}", summary="Send events of a sender without a signature",
             operation_id="send_unsigned_events", status_code=202)  # fmt: skip
async def send_unsigned(sender: SenderId, secret: Secret, request: Request) -> Response:
    """The same of one that cannot prove itself otherwise: nobody else knows this path."""
    return await _sent(request, sender, secret)


@router.options("/events/{sender}", include_in_schema=False)
@router.options("/events/{sender}/{secret}", include_in_schema=False)
async def shake_hands_as(sender: SenderId, request: Request, secret: str = "") -> Response:
    """Whether a sender may send events here."""
    _let_in(request, sender, await _delivery(request), secret)
    return _handshake(request)


async def _sent(request: Request, name: str, secret: str) -> Response:
    delivery = await _delivery(request)
    sender = _let_in(request, name, delivery, secret)
    if answer := await _read(delivery, partial(SENDERS[sender.kind].handshake, delivery.body)):
        return JsonAnswer(answer)
    return await _receive(request, sender.name, await _read(delivery, partial(read_sent, sender, delivery)))


async def _read(delivery: EventRequest, reading: Callable[[], T]) -> T:
    """Read it; what is long, in a thread, so that nobody else waits for it."""
    return await to_thread.run_sync(reading) if len(delivery.body) > _LONG else reading()


def _let_in(request: Request, name: str, delivery: EventRequest, part: str) -> EventSender:
    """The sender, once it has proved itself.

    Raises:
        AbsentError: none is called so.
        ProofError: it has not.
    """
    found: tuple[EventSender, str] | None = request.app.state.senders.get(name)
    if found is None:
        raise AbsentError("there is no sender of this name; see events.senders of the configuration")
    sender, secret = found
    check_proof(SENDERS[sender.kind], secret, delivery, part, in_path=sender.in_path)
    # For the logs: who it is, is known only now.
    request.scope["state"]["caller"] = Caller(f"sender {sender.name}", Role.SUBMIT, frozenset())
    return sender


async def _receive(request: Request, sender: str, events: tuple[ReceivedEvent, ...]) -> Response:
    receiver: EventReceiver = request.app.state.receiver
    receipt = await receiver.receive(sender, events)
    answer: dict[str, Any] = {"accepted": receipt.accepted, "ignored": receipt.ignored}
    return JsonAnswer(answer, 202 if receipt.accepted else 200)


async def _delivery(request: Request) -> EventRequest:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        if name in headers and (name.startswith("ce-") or name in {"authorization", "content-type"}):
            raise RequestError(f"the header {name} is there twice")
        if len(value) > FIELD_LIMIT:
            raise RequestError(
                f"the header {name[:60]} has {len(value):,} characters; at most {FIELD_LIMIT:,} are read"
            )
        headers[name] = value
    return EventRequest(headers, await request.body())


def _handshake(request: Request) -> Response:
    """The answer to who asks whether it may send (CloudEvents, "HTTP Webhook", 4.2)."""
    origin = request.headers.get("webhook-request-origin", "")
    allowed = (
        {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": _RATE} if origin.isprintable() and origin else {}
    )
    return Response(status_code=204, headers={"Allow": "POST, OPTIONS", **allowed})
