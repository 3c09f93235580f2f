"""Who answers for what changed, and where they want to be reached."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from orchestrator.config.notify import CONTACT, UNOWNED, is_address
from orchestrator.inventory.labels import CONTACT as CONTACT_LABEL
from orchestrator.kit.matching import any_glob

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from orchestrator.config.notify import Route
    from orchestrator.model import Plan

_CHANNEL = re.compile(r"[#@][A-Za-z0-9._-]{1,80}")


#: Where owners are reached, by name of a target and owner (empty where nobody owns it).
Contacts: TypeAlias = "Mapping[str, Mapping[str, tuple[str, ...]]]"


def contacts_of(plans: Iterable[Plan]) -> Contacts:
    """What the inventory says of where owners are reached; of a name the first plan that has contacts counts."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for plan in plans:
        of_plan: dict[str, dict[str, dict[str, None]]] = {}
        for target in plan.targets:
            for name in target.names:
                if contact := name.labels.get(CONTACT_LABEL, "").strip():
                    of_plan.setdefault(name.reference, {}).setdefault(name.owner, {})[contact] = None
        for reference, owners in of_plan.items():
            found.setdefault(reference, {owner: tuple(contacts) for owner, contacts in owners.items()})
    return found


def takes(route: Route, owners: Collection[str]) -> bool:
    """Whether a route takes what these people own; `*` takes all, `-` what nobody owns."""
    if "*" in route.owners or (UNOWNED in route.owners and not owners):
        return True
    return any_glob(owners, route.owners)


def recipients(
    route: Route, sender: str, reference: str, owners: Collection[str], contacts: Contacts
) -> tuple[str, ...]:
    """Addresses or channels that a route tells of something in a target; empty for nobody.

    `{contact}` stands for the contacts that the inventory has of the owners that the route is for, and where none can
    be reached by it (a channel, for e-mail), for those of these owners that can.

    Args:
        route: that takes it.
        sender: address that e-mails of the route are from.
        reference: a name of the target.
        owners: of the target.
        contacts: of all owners.
    """
    of_owners = contacts.get(reference, {})
    named = [one for owner, them in of_owners.items() if takes(route, (owner,) if owner else ()) for one in them]
    owners = [owner for owner in owners if takes(route, (owner,))]
    if route.email:
        fixed = [to for to in route.email.to if to != CONTACT]
        wanted = CONTACT in route.email.to
        domains = route.email.domains or (sender.rpartition("@")[2],)
        able = [[one for one in them if _mailable(one, domains)] for them in (named, owners)] if wanted else []
        return tuple(dict.fromkeys([*fixed, *next(filter(None, able), [])]))
    if route.slack and route.slack.channel == CONTACT:
        able = [[one for one in them if _CHANNEL.fullmatch(one)] for them in (named, owners)]
        return tuple(dict.fromkeys(next(filter(None, able), [])))
    return ((route.slack.channel if route.slack else None) or "",)


def general_recipients(route: Route) -> tuple[str, ...]:
    """Addresses or channels that a route tells of what concerns the whole run, and so no owner in particular."""
    if not takes(route, ()):
        return ()
    if route.email:
        return tuple(to for to in route.email.to if to != CONTACT)
    channel = (route.slack.channel if route.slack else None) or ""
    return () if channel == CONTACT else (channel,)


def _mailable(text: str, domains: Collection[str]) -> bool:
    return is_address(text) and any_glob([text.rpartition("@")[2]], domains, fold=True)
