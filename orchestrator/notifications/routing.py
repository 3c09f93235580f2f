"""What changed in a run to messages: each route takes what it asks for, each receiver gets only its own."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.model import Outcome
from orchestrator.notifications.changes import (
    FIRST,
    FIXED,
    GONE,
    NEW,
    ChangedFinding,
    changes,
    first_scans,
    place_name,
    worth_telling,
)
from orchestrator.notifications.interface import BrokenRule, FailedCell, FailedCells, Message
from orchestrator.notifications.mail import sender_of
from orchestrator.notifications.owners import Contacts, general_recipients, recipients, takes
from orchestrator.queries.earlier import Earlier, names_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.config.notify import NotifySection, Route
    from orchestrator.model import Ledger, LedgerRow
    from orchestrator.queries.difference import Difference

#: Findings (or targets, or cells) of a kind that a message shows, by channel; and names of targets for each finding.
_SHOWN = {"slack": (10, 1), "email": (50, 3), "webhook": (500, 20)}
_NONE = Earlier()
_REASON = 500


@dataclass(frozen=True)
class Digest:
    """Everything to report about a run.

    Attributes:
        messages: in the order of the routes; none that is empty.
        untold_findings: changes of findings whose owners no route reaches.
        unasked_findings: changes that reach a route, but are less severe or of another kind than any asks for.
        untold_cells: cells that fail now, that no route takes.
        untold_rules: broken rules that no route takes.
    """

    messages: tuple[Message, ...] = ()
    untold_findings: int = 0
    unasked_findings: int = 0
    untold_cells: int = 0
    untold_rules: int = 0


@dataclass
class _Share:
    """What is one receiver's of a route: places in the table of changes, failed cells, and whether of the verdict."""

    owned: list[int] = field(default_factory=list)
    failed: list[LedgerRow] = field(default_factory=list)
    still: int = 0
    verdict: bool = False


def digest(
    notify: NotifySection,
    ledger: Ledger,
    differences: Iterable[Difference],
    *,
    earlier: Earlier = _NONE,
    contacts: Contacts | None = None,
) -> Digest:
    """Work out who is notified about what; nothing is sent.

    Args:
        notify: the routes.
        ledger: of the run that has ended.
        differences: since the last run, as `Store.differences` gives them.
        earlier: what the last runs said of cells and rules.
        contacts: where owners are reached.
    """
    return _Routing(notify, ledger, differences, earlier, contacts or {}).digest()


def route_names(notify: NotifySection) -> tuple[str, ...]:
    """What each route is called in messages and in the outbox: its name, else made of its kind and destination.

    The destination is in it as a short digest of what the configuration says, so the same destination is known again
    when others are configured before it; of several with the same one, the place among them tells.
    """
    found: list[str] = []
    for route in notify.routes:
        name = route.name or f"{route.channel}-{hashlib.sha256(_destination(route).encode()).hexdigest()[:8]}"
        twins = sum(known == name or known.startswith(f"{name}/") for known in found)
        found.append(f"{name}/{twins + 1}" if twins else name)
    return tuple(found)


def _destination(route: Route) -> str:
    if route.email:
        return " ".join(route.email.to)
    secret = (route.slack or route.webhook).url  # type: ignore[union-attr] # a route is exactly one of the three
    return f"{secret.get_secret_value()} {(route.slack.channel if route.slack else None) or ''}"


class _Routing:
    def __init__(
        self,
        notify: NotifySection,
        ledger: Ledger,
        differences: Iterable[Difference],
        earlier: Earlier,
        contacts: Contacts,
    ) -> None:
        self._notify = notify
        self._ledger = ledger
        self._contacts = contacts
        self._rows = worth_telling(differences)
        # Places in the table by whose they are: routes are asked once for each of these, not for each row.
        self._places: dict[tuple[str, tuple[str, ...]], list[int]] = defaultdict(list)
        for place, row in enumerate(self._rows):
            self._places[row.reference, row.owners].append(place)
        failed = [row for row in ledger.rows if row.outcome is Outcome.FAILED]
        self._failed = [row for row in failed if earlier.failed.isdisjoint(names_of(row))]
        self._still = [row for row in failed if not earlier.failed.isdisjoint(names_of(row))]
        rules = ledger.verdict.messages
        self._broken = tuple(BrokenRule(rule=rule, message=rules[rule]) for rule in rules if rule not in earlier.broken)
        self._still_broken = tuple(rule for rule in rules if rule in earlier.broken)
        self._mended = tuple(sorted(earlier.broken - rules.keys()))

    def digest(self) -> Digest:
        messages: list[Message] = []
        told_places: set[int] = set()
        reached: set[int] = set()
        told_cells: set[str] = set()
        told_rules = False
        for name, route in zip(route_names(self._notify), self._notify.routes, strict=True):
            for recipient, share in self._shares(route).items():
                places = self._asked_for(route, share.owned)
                told_places.update(places)
                reached.update(share.owned)
                told_cells.update(row.cell for row in share.failed)
                told_rules |= share.verdict
                message = self._message(name, route, recipient, share, places)
                if not message.is_empty:
                    messages.append(message)
        return Digest(
            messages=tuple(messages),
            untold_findings=len(self._rows) - len(reached),
            unasked_findings=len(reached) - len(told_places),
            untold_cells=len({row.cell for row in self._failed} - told_cells),
            untold_rules=0 if told_rules else len(self._broken),
        )

    def _shares(self, route: Route) -> dict[str, _Share]:
        """What each receiver of a route gets."""
        sender = sender_of(route, self._notify)
        shares: dict[str, _Share] = defaultdict(_Share)
        for (reference, owners), places in self._places.items():
            if takes(route, owners):
                for recipient in recipients(route, sender, reference, owners, self._contacts):
                    shares[recipient].owned += places
        if "failed" in route.about:
            self._share_cells(route, sender, shares)
        if "policy" in route.about:
            for recipient in general_recipients(route):
                shares[recipient].verdict = True
        return shares

    def _share_cells(self, route: Route, sender: str, shares: dict[str, _Share]) -> None:
        for row in self._failed:
            for recipient in self._receivers(route, sender, row):
                shares[recipient].failed.append(row)
        for row in self._still:
            for recipient in self._receivers(route, sender, row):
                shares[recipient].still += 1

    def _receivers(self, route: Route, sender: str, row: LedgerRow) -> Iterable[str]:
        if not takes(route, row.owners):
            return ()
        found = (recipients(route, sender, name, row.owners, self._contacts) for name in row.references or ("",))
        return dict.fromkeys(one for several in found for one in several)

    def _asked_for(self, route: Route, places: list[int]) -> list[int]:
        """Of these places, those of a severity and a topic that the route asks for."""
        topics = {*route.about, FIRST} if "new" in route.about else set(route.about)
        least = route.severity.rank if route.severity else 0
        return [place for place in places if self._rows[place].topic in topics and self._rows[place].what.rank >= least]

    def _message(self, name: str, route: Route, recipient: str, share: _Share, places: list[int]) -> Message:
        most, targets = _SHOWN[route.channel]
        by_topic: dict[str, list[ChangedFinding]] = {topic: [] for topic in (NEW, FIRST, FIXED, GONE)}
        for place in places:
            by_topic[self._rows[place].topic].append(self._rows[place])
        return Message(
            run=self._ledger.run,
            finished=self._ledger.finished,
            passed=self._ledger.verdict.passed,
            remark=self._ledger.verdict.remark,
            route=name,
            channel=route.channel,
            recipient=recipient,
            new=changes(by_topic[NEW], most, targets),
            first=first_scans(by_topic[FIRST], most),
            fixed=changes(by_topic[FIXED], most, targets),
            gone=changes(by_topic[GONE], most, targets),
            failed=FailedCells(
                total=len(share.failed), still=share.still, shown=tuple(map(_failed_cell, share.failed[:most]))
            ),
            broken=self._broken if share.verdict else (),
            mended=self._mended if share.verdict else (),
            still_broken=self._still_broken if share.verdict else (),
        )


def _failed_cell(row: LedgerRow) -> FailedCell:
    return FailedCell(
        target=place_name(row.references[0] if row.references else row.target, row.platform),
        scan=row.scan,
        reason=row.reason[:_REASON],
        owners=row.owners,
    )
