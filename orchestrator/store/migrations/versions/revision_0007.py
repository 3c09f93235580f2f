"""Names by reference, owner, labels and workload: a row for each, where one row had a list of labels."""

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_OLD, _NEW = "uq_names_target_id_reference_owner", "uq_names_target_id_digest"
_BATCH = 1000
_names = sa.table(
    "names",
    *map(sa.column, ("id", "target_id", "reference", "owner", "labels", "first_at", "last_at", "workload", "digest")),
)


def upgrade() -> None:
    """Each step is left out that an earlier migration did which was cut off where statements cannot be undone."""
    connection = op.get_bind()
    present = {each["name"] for each in sa.inspect(connection).get_columns("names")}
    for name, length in (("workload", 512), ("digest", 32)):
        if name not in present:
            op.add_column("names", sa.Column(name, sa.String(length), nullable=False, server_default=""))
    _fill(connection)
    keys = {each["name"] for each in sa.inspect(connection).get_unique_constraints("names")}
    # In two steps, because MariaDB and MySQL look targets up by the one or the other.
    with op.batch_alter_table("names") as table:
        if _NEW not in keys:
            table.create_unique_constraint(_NEW, ["target_id", "digest"])
    with op.batch_alter_table("names") as table:
        if _OLD in keys:
            table.drop_constraint(_OLD, type_="unique")
    _split(connection)


def _fill(connection: sa.Connection) -> None:
    """Give each row the key of the first of its sets of labels."""
    while rows := connection.execute(sa.select(_names).where(_names.c.digest == "").limit(_BATCH)).all():
        for row in rows:
            key = _key(row, _sets(row.labels)[0])
            connection.execute(_names.update().where(_names.c.id == row.id).values(key))


def _split(connection: sa.Connection) -> None:
    """Write the other sets of labels of a row as rows of their own."""
    several = sa.select(_names).where(_names.c.labels.like("[%")).limit(_BATCH)
    while rows := connection.execute(several).all():
        for row in rows:
            first, *others = _sets(row.labels)
            dates = {"first_at": row.first_at, "last_at": row.last_at}
            same = {"target_id": row.target_id, "reference": row.reference, "owner": row.owner, **dates}
            made = {(key := _key(row, labels))["digest"]: {**same, **key, **_spelt(labels)} for labels in others}
            known = sa.select(_names.c.digest).where(_names.c.target_id == row.target_id)
            for digest in connection.scalars(known).all():
                made.pop(digest, None)
            if made:
                connection.execute(_names.insert(), list(made.values()))
            connection.execute(_names.update().where(_names.c.id == row.id).values(_spelt(first)))


def _sets(text: str) -> list[dict[str, str]]:
    """The sets of labels of a row, at least one; what was cut off in the middle is empty."""
    try:
        found = json.loads(text)
    except ValueError:
        return [{}]
    sets = found if isinstance(found, list) else [found]
    return [each for each in sets if isinstance(each, dict)] or [{}]


def _spelt(labels: dict[str, str]) -> dict[str, str]:
    return {"labels": json.dumps(dict(sorted(labels.items())), ensure_ascii=False, separators=(",", ":"))}


def _key(row: Any, labels: dict[str, str]) -> dict[str, str]:
    """What runs it, and the digest of all that makes it another name: as `Name.key` had it in this revision."""
    parts = [labels.get(name, "") for name in ("cluster", "namespace", "workload")]
    workload = "/".join(parts) if all(parts) else ""
    key = [row.reference, row.owner, sorted(map(list, labels.items())), workload]
    spelt = json.dumps(key, ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.blake2b(spelt.encode(errors="replace"), digest_size=16).hexdigest()
    return {"workload": workload.replace("\0", "\N{REPLACEMENT CHARACTER}")[:512], "digest": digest}
