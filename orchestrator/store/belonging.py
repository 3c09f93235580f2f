"""Whose an image is by its names: who answers for the name itself, or for all names of its repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from orchestrator.store.schema import LONGEST_NAME, names, targets

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection

#: What stands behind a repository in a name: of an image a tag or a digest, of a source repository a ref.
_BEHIND = ":@#"


def owners_of(connection: Connection, reference: str, *, within: bool = False) -> frozenset[str]:
    """Owners of what has, or had, a name.

    Args:
        connection: to read by.
        reference: the name.
        within: whether it is a repository, and names in it are meant.
    """
    wanted, begins = names.c.reference == reference[:LONGEST_NAME], tuple(reference + each for each in _BEHIND)
    if within:
        wanted = or_(wanted, *(names.c.reference.startswith(begin, autoescape=True) for begin in begins))
    query = select(names.c.reference, names.c.owner).where(wanted, names.c.owner != "").distinct()
    # Not every database tells capitals from small letters here.
    return frozenset(owner for name, owner in connection.execute(query) if name == reference or name.startswith(begins))


def owners_of_targets(connection: Connection, wanted: Collection[str]) -> frozenset[str]:
    """Owners of any name that some targets have, or had.

    Args:
        connection: to read by.
        wanted: ids of the targets.
    """
    query = select(names.c.owner).join(targets, targets.c.id == names.c.target_id)
    query = query.where(targets.c.target.in_(list(wanted)), names.c.owner != "")
    return frozenset(connection.scalars(query.distinct()))
