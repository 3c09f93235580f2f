"""What a cache says of names: it knows only those that it was asked for, and its upstream may be away.

A pull-through cache (distribution 3) whose upstream is away, busy, or refuses it says of a tag that it does not hold
that there is none (404), and lists the tags that it holds as if they were all. Asked for a digest it says the truth:
404 where its upstream has none either, and an error where it could not ask. So it is asked for one that nobody has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from orchestrator.net.errors import Broken, Busy, Denied, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.images.registry.session import Session
    from orchestrator.net.transport import Asking

#: A digest that nothing has.
NOBODYS: Final = f"sha256:{'0' * 64}"

T = TypeVar("T")


def confirmed(ask: Callable[[], T], reach: Callable[[], None]) -> T:
    """An answer about one name; "not found" counts when it is said again, after the upstream was reached.

    Args:
        ask: one attempt.
        reach: raises where the upstream cannot be asked, as `reach_upstream` does.
    """
    try:
        return ask()
    except NotFound:
        reach()
        return ask()


def witnessed(ask: Callable[[], T], reach: Callable[[], None]) -> T:
    """An answer that an absent upstream would make shorter: it counts if the upstream was reached before and after.

    Args:
        ask: one attempt.
        reach: raises where the upstream cannot be asked, as `reach_upstream` does.
    """
    reach()
    try:
        found = ask()
    except NotFound:
        reach()
        raise
    reach()
    return found


def reach_upstream(session: Session, location: str, headers: dict[str, str], asking: Asking, *, what: str) -> None:
    """Have a cache ask its upstream for something.

    Args:
        session: asks.
        location: `http(s)://host[:port]/repository`.
        headers: of a request for a manifest.
        asking: what it may cost.
        what: was asked for, for messages.

    Raises:
        Busy, Broken: it cannot.
    """
    try:
        with session.get(location, f"manifests/{NOBODYS}", headers, asking):
            return
    except (NotFound, Denied):
        return
    except (Busy, Broken) as error:
        raise type(error)(
            f"{what}: what a cache says of names does not count while it cannot ask its upstream, or is refused there: "
            f"{error}; check the name, and the log of the cache",
            retry_after=error.retry_after,
        ) from error
