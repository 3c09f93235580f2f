"""What callers who answer for some owners may act on: their own targets, decided here once.

A target is theirs when a name of it, in the configuration or among what was ever scanned, has one of their owners. A
name that nobody has seen is theirs when all that is known of its repository is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import NotKnownError, NotTheirsError
from orchestrator.inventory.selection import repository_of
from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from orchestrator.config.loading import Config
    from orchestrator.model import Target
    from orchestrator.queries.store import Store


def owners_by_store(config: Config, names: Iterable[str], owners: Collection[str]) -> dict[str, str]:
    """Which of their owners names of theirs have, by what was scanned; others are left out.

    Args:
        config: names the volume and the store.
        names: normalised, of images, or URLs of source repositories.
        owners: theirs.
    """
    from orchestrator.queries.opening import asking

    with asking(volume_of(config), config) as store:
        found = {name: _owner(store, name, frozenset(owners)) for name in names}
    return {name: owner for name, owner in found.items() if owner}


def owner_of_image(config: Config, image: str, owners: Collection[str]) -> str:
    """Which of their owners an image has of which somebody has a result to put.

    Args:
        config: says whose targets are.
        image: its name or digest, as it was sent.
        owners: theirs.

    Raises:
        NotTheirsError: it is not theirs.
        InvalidReference: it is no name of an image.
    """
    from orchestrator.planning.external import target_of
    from orchestrator.queries.opening import asking

    target, theirs = target_of(config, image), frozenset(owners)
    with asking(volume_of(config), config) as store:
        known = store.targets(target.digest) if target.digest else ()
        for one in store.only(theirs).targets_by_id(known):
            return min(theirs & set(one.owners))
    name = target.reference
    if name == target.digest:
        raise NotTheirsError(f"{name} is not known to be of {_spelt(theirs)}")
    found = owners_by_store(config, [name], theirs)
    return found.get(name) or _configured(config, name, theirs)


def require_run(config: Config, run: str, owners: Collection[str]) -> None:
    """See that all targets of a run are theirs.

    Args:
        config: names the volume and the store.
        run: its id.
        owners: theirs.

    Raises:
        NotKnownError: there is no such run, or none of its targets is theirs.
        NotTheirsError: some of them are not.
    """
    from orchestrator.queries.opening import asking
    from orchestrator.upkeep.plans import read_plan

    if not volume_of(config).plan(run).exists():
        raise NotKnownError(f"there is no run {run}")
    plan, theirs = read_plan(run, volume_of(config)), frozenset(owners)
    with asking(volume_of(config), config) as store:
        seen = store.only(theirs).having([target.id for target in plan.targets])
    others = sum(not (target.id in seen or _names_one_of(target, theirs)) for target in plan.targets)
    if others == len(plan.targets):
        raise NotKnownError(f"there is no run {run}")
    if others:
        raise NotTheirsError(
            f"run {run} is of {others} targets of others, too: only who may do that for all of them can retry or cancel"
            f" it, not who answers for {_spelt(theirs)}"
        )


def _names_one_of(target: Target, owners: frozenset[str]) -> bool:
    return any(name.owner in owners for name in target.names)


def _owner(store: Store, name: str, owners: frozenset[str]) -> str:
    """The owner among theirs that a name has; empty for none."""
    if exact := store.owners_of(name):
        return min(exact & owners, default="")
    near = store.owners_of(repository_of(name), within=True)
    return min(near) if near and near <= owners else ""


def _configured(config: Config, name: str, owners: frozenset[str]) -> str:
    from orchestrator.config.named import named_source
    from orchestrator.config.targets import TargetSelection
    from orchestrator.inventory import collect

    selection = TargetSelection(named=(named_source(f"docker://{name}"),), owners=owners)
    return collect(config.selecting(selection))[0].owner


def _spelt(owners: Iterable[str]) -> str:
    return ", ".join(sorted(owners)) or "nobody"
