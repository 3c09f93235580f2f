"""What becomes of an event whose run could not be started."""

import pytest

from orchestrator.errors import TemporaryError, UsageError, VolumeFullError
from orchestrator.kit.guarding import InternalError
from orchestrator.receiving.messages import Push, PushKind, Unwanted
from orchestrator.service.events.ending import ending_of
from orchestrator.service.events.planned import NotThereError, TwinError, UnwantedPushError
from orchestrator.service.rest.problems import BusyError
from orchestrator.store.inbox.messages import AcceptedEvent, InboxEntry, InboxOutcome

PUSH = Push(PushKind.IMAGE, "registry.example/shop/web", "1")


def ending(error, attempts=0):
    return ending_of(InboxEntry(1, AcceptedEvent("k", "/events/hub", "1", "hub", "all", PUSH, ()), "", attempts), error)


@pytest.mark.parametrize("reason", [Unwanted.NOT_AN_IMAGE, Unwanted.SAME_DIGEST])
def test_what_is_not_wanted_is_done_with_for_its_reason(reason):
    assert ending(UnwantedPushError(reason, "a chart"))[:2] == (reason, "a chart")


@pytest.mark.parametrize("error", [NotThereError("not yet"), VolumeFullError("full"), OSError("away")])
def test_what_may_work_later_is_tried_again_with_growing_pauses_and_then_given_up(error):
    tried = [ending(error, attempts) for attempts in range(11)]
    assert all(each.outcome is None and each.counts for each in tried)
    waits = [each.wait for each in tried]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (5, 900)
    assert 1800 < sum(waits) < 2 * 3600
    last = ending(error, 11)
    assert last.outcome is InboxOutcome.GAVE_UP
    assert str(error) in last.reason


@pytest.mark.parametrize("error", [BusyError("too many runs"), TwinError(6)])
def test_what_only_waits_for_others_is_never_given_up(error):
    found = ending(error, 11)
    assert (found.outcome, found.counts) == (None, False)
    assert 0 < found.wait < 10


@pytest.mark.parametrize("error", [UsageError("no such scan"), InternalError("a bug")])
def test_what_cannot_be_planned_is_refused(error):
    assert ending(error)[:2] == (InboxOutcome.REFUSED, str(error))
    assert not isinstance(error, TemporaryError)
