"""The state that the scheduler keeps for the controller is there, although others write or delete it meanwhile."""

import json
from datetime import UTC, datetime
from typing import Any

from orchestrator.service.state import StateKeeper
from orchestrator.store.backlog.messages import Backlog

EMPTY = Backlog(at=datetime(2026, 1, 2, tzinfo=UTC))


class ConfigMap:
    """One, which others write too; a patch of one that is gone does nothing."""

    def __init__(self) -> None:
        self.data: dict[str, str] | None = {}
        self.patches = 0

    def patch(self, _kind: str, _name: str, patch: dict[str, Any]) -> None:
        self.patches += 1
        if self.data is not None:
            self.data |= patch["data"]

    @property
    def configuration(self) -> str:
        (text,) = (self.data or {"": "{}"}).values()
        return str(json.loads(text).get("configuration", ""))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_an_earlier_pod_that_writes_last_does_not_have_the_last_word() -> None:
    there, clock = ConfigMap(), Clock()
    new = StateKeeper(there, "state", "new", clock=clock)  # type: ignore[arg-type]
    new.keep(EMPTY)
    StateKeeper(there, "state", "old", clock=clock).keep(EMPTY)  # type: ignore[arg-type]
    assert there.configuration == "old"
    clock.now += 31
    new.keep(EMPTY)
    assert there.configuration == "new"


def test_one_that_was_deleted_and_made_again_has_it_soon() -> None:
    there, clock = ConfigMap(), Clock()
    there.data = None
    keeper = StateKeeper(there, "state", "digest", clock=clock)  # type: ignore[arg-type]
    keeper.keep(EMPTY)
    there.data = {}
    clock.now += 31
    keeper.keep(EMPTY)
    assert there.configuration == "digest"


def test_what_has_not_changed_is_not_written_every_few_seconds() -> None:
    there, clock = ConfigMap(), Clock()
    keeper = StateKeeper(there, "state", "digest", clock=clock)  # type: ignore[arg-type]
    for _ in range(10):
        keeper.keep(EMPTY)
        clock.now += 2.9
    assert there.patches == 1
