"""Telling people what changed: one module per way to tell them (`slack`, `webhook`, `mail`).

`notify` works out who is notified about what and sends it; `resend` sends again what could not be sent. Neither raises
because of a receiver, and neither takes longer than `notify.deadline`: telling people must not stop a run.
"""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from importlib import import_module
from typing import TYPE_CHECKING

from msgspec.structs import replace

from orchestrator.errors import ScanmatrixError
from orchestrator.model import Plan
from orchestrator.model.documents import read, spell_time
from orchestrator.notifications.attempts import run_all
from orchestrator.notifications.changes import GONE
from orchestrator.notifications.interface import Delivery, DeliveryState, Message, Pace, Parcel
from orchestrator.notifications.outbox import OUTBOX, Outbox
from orchestrator.notifications.owners import contacts_of
from orchestrator.notifications.routing import Digest, digest, route_names
from orchestrator.queries.earlier import Earlier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from orchestrator.config.loading import Config
    from orchestrator.notifications.attempts import Result
    from orchestrator.queries.difference import Difference
    from orchestrator.results.run import RunResults

__all__ = ["OUTBOX", "Delivery", "DeliveryState", "Digest", "Message", "Pace", "digest", "notify", "outbox", "resend"]

_log = logging.getLogger(__name__)

_NONE = Earlier()
#: Plans of earlier runs that are read for the contacts of targets that are gone.
_PLANS = 20
_MODULES = {"slack": "slack", "webhook": "webhook", "email": "mail"}


def notify(
    config: Config,
    results: RunResults,
    differences: Sequence[Difference],
    earlier: Earlier = _NONE,
    *,
    pace: Pace | None = None,
    environment: Mapping[str, str] | None = None,
) -> tuple[Delivery, ...]:
    """Tell each owner what changed in a run; nobody is notified twice about the same thing.

    What cannot be sent now stays in the run's outbox (`results/<run>/notifications/`) for `resend`. What reaches
    nobody is counted in the log.

    Args:
        config: whom to tell.
        results: of a run that has ended.
        differences: since the last run, as `Store.differences` gives them.
        earlier: what earlier runs said, as `Store.earlier` gives it.
        pace: instead of the usual one with the configured deadline and retries.
        environment: for secrets that name a variable; instead of the process's own.

    Returns:
        How it went for each message, sent now or earlier; empty when there is nothing to tell.

    Raises:
        NoResultsError: the run has no ledger.
    """
    if not config.notify.routes:
        return ()
    told = digest(
        config.notify,
        results.ledger,
        differences,
        earlier=earlier,
        contacts=contacts_of(_plans(results, differences)),
    )
    _count(told, results.run)
    box = Outbox(results.folder)
    due = box.add(told.messages)
    sent = {each.id: each for each in _send(config, box, due, pace, environment)}
    return tuple(sent.get(each.id, each) for each in due)


def resend(
    config: Config, results: RunResults, *, pace: Pace | None = None, environment: Mapping[str, str] | None = None
) -> tuple[Delivery, ...]:
    """Send what is left in the outbox of a run; `pace` and `environment` as for `notify`.

    Returns:
        How it went for each of them; empty when nothing is left.
    """
    box = Outbox(results.folder)
    return tuple(_send(config, box, box.deliveries(), pace, environment))


def outbox(results: RunResults) -> tuple[Delivery, ...]:
    """The notifications of a run, sent and pending."""
    return Outbox(results.folder).deliveries()


def _send(
    config: Config,
    box: Outbox,
    deliveries: Iterable[Delivery],
    pace: Pace | None,
    environment: Mapping[str, str] | None,
) -> Iterator[Delivery]:
    """Send those that are not sent yet, and write down how each went as soon as it is known."""
    section = config.notify
    pace = pace or Pace(all=section.deadline, retries=config.limits.retries)
    routes = dict(zip(route_names(section), section.routes, strict=True))
    variables = dict(os.environ if environment is None else environment)
    parcels: list[Parcel] = []
    waiting: list[Delivery] = []
    for delivery in deliveries:
        if delivery.state is DeliveryState.SENT or delivery.message is None:
            continue
        route = routes.get(delivery.route)
        if route is None or route.channel != delivery.channel or (route.email and section.smtp is None):
            gone = replace(delivery, state=DeliveryState.FAILED, reason="its route is no longer in the configuration")
            box.put(gone)
            yield gone
            continue
        waiting.append(delivery)
        parcels.append(Parcel(delivery.id, delivery.message, route, section, pace, variables))
    for index, result in run_all([_attempt(parcel) for parcel in parcels], pace):
        ended = _ended(waiting[index], result)
        box.put(ended)
        yield ended


def _attempt(parcel: Parcel) -> Callable[[float], None]:
    channel = import_module(f"{__name__}.{_MODULES[parcel.route.channel]}")
    return lambda until: channel.send(parcel, until)


def _ended(delivery: Delivery, result: Result) -> Delivery:
    """The delivery after it was tried."""
    to = f" to {delivery.recipient}" if delivery.recipient else ""
    if result.error:
        _log.warning("notification by route %s%s was not sent: %s", delivery.route, to, result.error)
    else:
        _log.info("notification by route %s%s was sent", delivery.route, to)
    return replace(
        delivery,
        state=DeliveryState.FAILED if result.error else DeliveryState.SENT,
        reason=result.error,
        attempts=delivery.attempts + result.attempts,
        when=spell_time(datetime.now(UTC)) if result.attempts else delivery.when,
        message=delivery.message if result.error else None,
    )


def _count(told: Digest, run: str) -> None:
    """Say in the log what reaches nobody."""
    counts = (
        (told.untold_findings, "changed findings"),
        (told.untold_cells, "failed cells"),
        (told.untold_rules, "broken rules"),
    )
    if missed := ", ".join(f"{number} {what}" for number, what in counts if number):
        _log.warning("run %s: nobody is notified about %s; add a route for `*` to `notify.routes`", run, missed)
    if told.unasked_findings:
        _log.info("run %s: no route asks for %d of the changed findings", run, told.unasked_findings)


def _plans(results: RunResults, differences: Sequence[Difference]) -> Iterator[Plan]:
    """The plan of the run, and those of the runs in which targets were last seen that are not in it any more."""
    gone = {each.run_before for each in differences if each.status == GONE} - {"", results.run}
    for run in (results.run, *sorted(gone, reverse=True)[:_PLANS]):
        try:
            yield read(results.volume.plan(run), Plan)
        except (ScanmatrixError, OSError) as error:
            _log.warning("contacts of run %s are not known: %s", run, error)
